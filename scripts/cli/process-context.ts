import type { Context, EndingSignal } from './context.js';

const SIGNALS: readonly EndingSignal[] = ['SIGINT', 'SIGTERM'];

/** The context of a real process. Everything that costs time to load is loaded when a command first asks for it. */
export function processContext(): Context {
  endQuietlyWhenNobodyReads();
  return {
    stdout: process.stdout,
    stderr: process.stderr,
    nowMs: () => performance.now(),
    environment: process.env,
    library: async () => (await import('./library-adapter.js')).loadLibrary(),
    dataSource: async () => (await import('./data-adapter.js')).dataSource(),
    readCheckpoint: async (folder) => (await import('../../src/train/checkpoint.js')).readCheckpoint(folder),
    onInterrupt: (handler) => {
      for (const signal of SIGNALS) process.on(signal, handler);
      return () => { for (const signal of SIGNALS) process.off(signal, handler); };
    },
    exit: (status) => process.exit(status),
  };
}

/** `tensorflock predict … | head` closes the pipe early; that is no error of the command's. */
function endQuietlyWhenNobodyReads(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
}
