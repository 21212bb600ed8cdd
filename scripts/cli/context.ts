import type { CheckpointContents } from '../../src/train/checkpoint.js';
import type { DataSource, Library } from './library.js';

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
  /** Calls `handler` on every interrupt from the keyboard until the returned function is called. */
  readonly onInterrupt: (handler: () => void) => () => void;
  /** Ends the process at once. */
  readonly exit: (status: number) => void;
}
