// Prints the hash of products by every tile at their first call, and again after thousands: a program of its own, so that
// the test can start it with flags of the engine. Its argument is the arithmetic.
import { createHash } from 'node:crypto';
import { compileKernels, createMemory, instantiateKernels, RESERVED_BYTES, setEngineFlags, type Arithmetic } from '../../src/kernels/load.js';
import { TILES } from '../../src/kernels/tiles.js';

const [M, N, K, SHARD_ROWS] = [17, 50, 40, 16] as const;
const STRIDE_BYTES = 13 * 16;
const REPEATS = 3000;

setEngineFlags();
const memory = createMemory(16);
const kernels = instantiateKernels(compileKernels(process.argv[2] as Arithmetic), memory);
const [a, b, panels, c, stack] = [0, 1, 2, 3, 4].map((page) => RESERVED_BYTES * (page + 1)) as [number, number, number, number, number];
const cBytes = K * STRIDE_BYTES;
// Numbers in [-0.5, 0.5) of 24 bits.
for (const start of [a, b]) new Float32Array(memory.buffer, start, 4096).forEach((_, i, all) => (all[i] = (Math.imul(i + start, 2654435761) >>> 8) / 2 ** 24 - 0.5));

function run(tile: number): void {
  kernels['packB']!(tile, b, STRIDE_BYTES, K, N, panels, 0, K);
  kernels['matmul']!(tile, M, N, K, a, STRIDE_BYTES, panels, c, STRIDE_BYTES);
  kernels['matmulFold']!(tile, M, N, K, SHARD_ROWS, a, STRIDE_BYTES, panels, c + cBytes, STRIDE_BYTES, stack);
  kernels['packBTransposed']!(tile, b, STRIDE_BYTES, K, N, panels, 0, N);
  kernels['matmulTransposed']!(tile, M, N, K, a, STRIDE_BYTES, panels, c + 2 * cBytes, STRIDE_BYTES);
}

function hash(): string {
  const digest = createHash('sha256');
  for (const { id } of TILES) {
    run(id);
    digest.update(new Uint8Array(memory.buffer, c, 3 * cBytes).slice());
  }
  return digest.digest('hex');
}

const first = hash();
for (let repeat = 0; repeat < REPEATS; repeat++) for (const { id } of TILES) run(id);
process.stdout.write(`${first}\n${hash()}\n`);
