import type { CheckpointContents } from '../../src/train/checkpoint.js';
import type { DataSource, Library } from './library.js';

/** Ctrl-C, and what systemd, Slurm and Kubernetes send to whom they are about to kill. */
export type EndingSignal = 'SIGINT' | 'SIGTERM';

/** A stream that text is written to: a terminal, a pipe, or a list in a test. */
export interface TextOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** Everything a command touches outside itself; a test hands in its own. */
export interface Context {
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  readonly nowMs: () => number;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The library with tfjs, loaded when first asked for. */
  readonly library: () => Promise<Library>;
  readonly dataSource: () => Promise<DataSource>;
  readonly readCheckpoint: (folder: string) => Promise<CheckpointContents>;
  /** Calls `handler` on every interrupt from the keyboard, and on every SIGTERM, until the returned function is called. */
  readonly onInterrupt: (handler: (signal: EndingSignal) => void) => () => void;
  /** Ends the process at once. */
  readonly exit: (status: number) => void;
}

/** With `--quiet` remarks and progress stay away; results and errors do not. */
export function withoutRemarks(context: Context, quiet: boolean): Context {
  return quiet ? { ...context, stderr: { write: () => true } } : context;
}
