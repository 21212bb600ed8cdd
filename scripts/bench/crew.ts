/** A program and its arguments. */
export interface Command {
  readonly command: string;
  readonly args: readonly string[];
}

/** Stands for the link among the arguments of a helper. */
export const LINK = '{link}';

/** One contestant of several processes: see with-nodes.ts. */
export interface Crew {
  readonly main: Command;
  readonly helpers: readonly Command[];
}
