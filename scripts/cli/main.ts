import { CommanderError } from 'commander';
import { TensorflockError } from '../../src/errors.js';
import type { Context } from './context.js';
import { createProgram } from './program.js';

const BAD_INPUT_STATUS = 2;
const FAILED_STATUS = 1;

/**
 * The whole command line: runs the command that `args` name and resolves to the exit status. Bad input is one sentence on
 * standard error and 2; a run that failed for another reason is a sentence and 1.
 */
export async function main(args: readonly string[], context: Context): Promise<number> {
  let status = 0;
  const program = createProgram(context, (result) => (status = result));
  try {
    await program.parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return failedParse(error, args, context);
    return failed(error, context);
  }
}

/** Commander's own errors; help and version leave by this way too, with nothing wrong. */
function failedParse(error: CommanderError, args: readonly string[], context: Context): number {
  if (error.exitCode === 0) return 0;
  const [sentence, suggestion] = error.message.replace(/^error: /, '').split('\n');
  const named = args[0] !== undefined && !args[0].startsWith('-') && error.code !== 'commander.unknownCommand' ? `${args[0]} ` : '';
  const hint = suggestion === undefined ? '' : ` ${suggestion}`;
  context.stderr.write(`${sentence?.replace(/\.$/, '')}${hint}; see tensorflock ${named}--help.\n`);
  return BAD_INPUT_STATUS;
}

function failed(error: unknown, context: Context): number {
  if (error instanceof TensorflockError) {
    context.stderr.write(`${error.message}\n`);
    return error.kind === 'input' ? BAD_INPUT_STATUS : FAILED_STATUS;
  }
  // Not one of ours, so a fault of the program or the system: the place it came from is what helps.
  context.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return FAILED_STATUS;
}
