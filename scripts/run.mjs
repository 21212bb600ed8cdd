// What every npm script calls: sets up a clean clone, silently, and then does what was asked for.
// `node scripts/run.mjs tensorflock <args>` is the installed `tensorflock <args>`; `node scripts/run.mjs test` is `npm test`.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt, ensureInstalled, ROOT, SetupError } from './setup.mjs';

/** What to set up, and the program to run then. */
const COMMANDS = {
  tensorflock: { prepare: ensureBuilt, program: 'dist/scripts/tensorflock.js' },
  test: { prepare: ensureInstalled, program: 'scripts/test.mjs' },
};

const [name, ...args] = process.argv.slice(2);
const command = COMMANDS[name];
if (command === undefined) {
  process.stderr.write(`scripts/run.mjs knows ${Object.keys(COMMANDS).join(' and ')}, not "${name ?? ''}".\n`);
  process.exit(2);
}

try {
  await command.prepare();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`${error.output}\n${error.message}\n`);
  process.exit(1);
}

// In this very process: signals, streams and the exit status need nobody to pass them on.
const program = join(ROOT, command.program);
process.argv = [process.argv[0], program, ...args];
await import(pathToFileURL(program).href);
