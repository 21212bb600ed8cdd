import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BenchModel, PeerId } from '../cli/choices.js';
import type { Lan, Machine } from '../lan/lan.js';
import type { Command, Crew } from './crew.js';
import type { Contestant } from './harness.js';

/** What all contestants train: a network, a batch size, and the folder with the IDX files of Fashion-MNIST. */
export interface Workload {
  readonly model: BenchModel;
  readonly batchSize: number;
  readonly dataFolder: string;
}

export interface PeerContestant extends Contestant {
  readonly id: PeerId;
}

export interface Peers {
  readonly contestants: readonly PeerContestant[];
  /** Peers that are not installed, and what to do about it. */
  readonly absent: readonly { readonly name: string; readonly reason: string }[];
}

export interface PeerOptions {
  /** Only these peers. */
  readonly only?: readonly PeerId[];
  /** The node that runs the peers in JavaScript; default this one. */
  readonly node?: string;
}

/** A peer of scripts/peers: which program, with what set in its environment. */
interface Peer {
  readonly id: PeerId;
  readonly name: string;
  readonly program: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What has to be there. */
  readonly needs: 'torch' | 'numpy' | 'packages';
  /** It gains from fused multiply-add in WebAssembly. */
  readonly relaxedSimd?: boolean;
}

const ONE_THREAD = { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' };
const TWO_THREADS = { OMP_NUM_THREADS: '2', OPENBLAS_NUM_THREADS: '2' };

const PEERS: readonly Peer[] = [
  { id: 'torch-1', name: 'torch, 1 thread', program: 'torch_single.py', args: ['--threads', '1'], env: ONE_THREAD, needs: 'torch' },
  { id: 'torch-2', name: 'torch, 2 threads', program: 'torch_single.py', args: ['--threads', '2'], env: TWO_THREADS, needs: 'torch' },
  {
    id: 'torch-2-passive',
    name: 'torch, 2 threads, passive',
    program: 'torch_single.py',
    args: ['--threads', '2'],
    env: { ...TWO_THREADS, OMP_WAIT_POLICY: 'passive' },
    needs: 'torch',
  },
  {
    id: 'torch-openblas-2', // its own loops on one thread, the matrix products on two
    name: 'torch, OpenBLAS at 2',
    program: 'torch_single.py',
    args: ['--threads', '1'],
    env: { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '2' },
    needs: 'torch',
  },
  { id: 'torch-ddp', name: 'torch DDP, 2 processes', program: 'torch_ddp.py', env: ONE_THREAD, needs: 'torch' },
  { id: 'torch-hogwild', name: 'torch Hogwild, 2 processes', program: 'torch_hogwild.py', env: ONE_THREAD, needs: 'torch' },
  { id: 'numpy-1', name: 'NumPy, 1 BLAS thread', program: 'numpy_mlp.py', env: ONE_THREAD, needs: 'numpy' },
  { id: 'numpy-2', name: 'NumPy, 2 BLAS threads', program: 'numpy_mlp.py', env: TWO_THREADS, needs: 'numpy' },
  { id: 'jax-js', name: 'jax-js', program: 'jax-js.mjs', needs: 'packages', relaxedSimd: true },
  { id: 'tfjs-wasm', name: 'tfjs-wasm', program: 'tfjs.mjs', args: ['--backend', 'wasm'], needs: 'packages' },
  { id: 'tfjs-cpu', name: 'tfjs-cpu', program: 'tfjs.mjs', args: ['--backend', 'cpu'], needs: 'packages' },
];

/** From dist/scripts/bench to the sources: peers are programs of the repository, not of the package. */
const PEERS_FOLDER = fileURLToPath(new URL('../../../scripts/peers', import.meta.url));
const WITH_NODES = fileURLToPath(new URL('./with-nodes.js', import.meta.url));
const PYTHONS = ['python3', '/usr/bin/python3'];
/** The first Node whose V8 has relaxed SIMD without a flag. */
const RELAXED_SIMD_NODE_MAJOR = 22;

/** The peers that can start here, in the order of the table, and why the others cannot. */
export function peers(workload: Workload, options: PeerOptions = {}): Peers {
  const wanted = PEERS.filter(({ id }) => options.only?.includes(id) ?? true);
  const found = { torch: findPython('torch'), numpy: findPython('numpy'), packages: options.node ?? process.execPath };
  const contestants: PeerContestant[] = [];
  const absent: { name: string; reason: string }[] = [];
  for (const peer of wanted) {
    const command = found[peer.needs];
    const reason = whyAbsent(peer, command);
    if (command === undefined || reason !== undefined) absent.push({ name: peer.name, reason: reason ?? '' });
    else contestants.push(toContestant(peer, command, workload));
  }
  return { contestants, absent };
}

/**
 * PyTorch with one thread on the first machine of a box, and DDP over gloo, one process of one thread on each of the first two; nobody
 * where PyTorch is not installed.
 */
export function torchInBox(workload: Workload, lan: Lan): { readonly alone: Contestant; readonly together: Contestant } | undefined {
  const python = hasPeers() ? findPython('torch') : undefined;
  const [first, second] = lan.machines;
  if (python === undefined || first === undefined || second === undefined) return undefined;
  const of = (id: PeerId): PeerContestant => toContestant(PEERS.find((peer) => peer.id === id)!, python, workload);
  const [single, ddp] = [of('torch-1'), of('torch-ddp')];
  const at = (machine: Machine, rank: string): Command => lan.on(machine, python, [...ddp.args, '--interface', 'eth0', '--leader', first.address, '--rank', rank]);
  const crew: Crew = { main: at(first, '0'), helpers: [at(second, '1')] };
  return {
    alone: { name: single.name, ...lan.on(first, python, single.args), env: single.env },
    together: { name: 'torch DDP, 2 machines', command: process.execPath, args: [WITH_NODES, JSON.stringify(crew)], env: ddp.env },
  };
}

/** Whether this is the repository; the package comes without the peers' programs. */
export function hasPeers(): boolean {
  return existsSync(PEERS_FOLDER);
}

function whyAbsent({ needs }: Peer, command: string | undefined): string | undefined {
  if (command === undefined) {
    const name = needs === 'torch' ? 'PyTorch' : 'NumPy';
    return `no ${PYTHONS.join(' or ')} has ${name}: install python3-${needs}.`;
  }
  if (needs === 'packages' && !existsSync(join(PEERS_FOLDER, 'node_modules'))) {
    return 'its packages are missing: run "npm ci --ignore-scripts" in scripts/peers.';
  }
  return undefined;
}

/** The first Python that finds a module; finding does not load it. */
function findPython(module: string): string | undefined {
  const check = `import importlib.util, sys; sys.exit(importlib.util.find_spec("${module}") is None)`;
  return PYTHONS.find((python) => spawnSync(python, ['-c', check], { stdio: 'ignore' }).status === 0);
}

function toContestant(peer: Peer, command: string, { model, batchSize, dataFolder }: Workload): PeerContestant {
  return {
    id: peer.id,
    name: peer.name,
    command,
    args: [
      ...(peer.relaxedSimd ? relaxedSimdFlag(command) : []),
      join(PEERS_FOLDER, peer.program),
      ...['--model', model, '--batch', String(batchSize), '--data', dataFolder],
      ...(peer.args ?? []),
    ],
    env: { ...neutralEnvironment(), ...peer.env },
  };
}

/** Node 20 has relaxed SIMD behind a flag, which later ones no longer know. */
function relaxedSimdFlag(node: string): string[] {
  const { stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' });
  const major = Number(stdout.slice(1).split('.')[0]);
  return major < RELAXED_SIMD_NODE_MAJOR ? ['--experimental-wasm-relaxed-simd'] : [];
}

/**
 * This environment without what slows a BLAS or its threads down, or asks for too many of them. OPENBLAS_CORETYPE is set on
 * machines whose core an old OpenBLAS does not know, and then costs speed; a wrong product would show in the losses.
 */
function neutralEnvironment(): NodeJS.ProcessEnv {
  const steers = /^(OPENBLAS|OMP|GOMP|KMP|MKL|GOTO|BLIS)_/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !steers.test(name)));
}
