// GFLOP/s of every tile on the products of two training steps: node dist/scripts/bench/matmul.js [--rounds n]
// [--arithmetic fma|portable] [--plain] (without the engine flags that a training run sets) [shape] (a part of a name).
// Tiles and shapes take turns; printed are the median and, for a machine that others use too, the best tenth.
import { parseArgs } from 'node:util';
import { compileKernels, createMemory, instantiateKernels, PAGE_BYTES, RESERVED_BYTES, setEngineFlags, type Arithmetic } from '../../src/kernels/load.js';
import { FOLD_STACK_BYTES, packedByteLength, TILES } from '../../src/kernels/tiles.js';

interface Shape {
  readonly name: string;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Folds: k counts rows, cut into shards of so many. */
  readonly shardRows?: number;
  readonly transposedB?: boolean;
}

const SHAPES: readonly Shape[] = [
  { name: 'forward 64x784x100', m: 64, k: 784, n: 100 },
  { name: 'forward 128x784x100', m: 128, k: 784, n: 100 },
  { name: 'forward 128x784x512', m: 128, k: 784, n: 512 },
  { name: 'forward 128x512x512', m: 128, k: 512, n: 512 },
  { name: 'backward 128x512x512', m: 128, k: 512, n: 512, transposedB: true },
  { name: 'forward 128x100x10', m: 128, k: 100, n: 10 },
  { name: 'backward 128x10x100', m: 128, k: 10, n: 100, transposedB: true },
  { name: 'fold 784x100 over 64/16', m: 784, k: 64, n: 100, shardRows: 16 },
  { name: 'fold 784x100 over 128/16', m: 784, k: 128, n: 100, shardRows: 16 },
  { name: 'fold 784x512 over 128/32', m: 784, k: 128, n: 512, shardRows: 32 },
  { name: 'fold 512x512 over 128/32', m: 512, k: 128, n: 512, shardRows: 32 },
  { name: 'fold 100x10 over 128/16', m: 100, k: 128, n: 10, shardRows: 16 },
];

/** Multiply-adds of a sample, some tenths of a millisecond: short enough to fall between two disturbances. */
const SAMPLE_MADDS = 8e6;
const WARM_UP_MADDS = 6e7;

interface Cell {
  readonly shape: Shape;
  readonly pack: () => void;
  readonly run: () => void;
  readonly gigaflops: number[];
  readonly packMicroseconds: number[];
}

const rowBytes = (floats: number): number => Math.ceil(floats / 4) * 16;
const madds = ({ m, n, k }: Shape): number => m * n * k;

/** Slots in order, each on a cache line. */
function slots(byteLengths: readonly number[]): number[] {
  let next = RESERVED_BYTES;
  return byteLengths.map((byteLength) => {
    const start = next;
    next = Math.ceil((start + byteLength) / 64) * 64;
    return start;
  });
}

/** One shape and tile, bound to addresses; every cell uses the same memory, as every layer of a step does. */
function bindCell(kernel: (name: string) => (...args: number[]) => number, shape: Shape, tile: number): Cell {
  const { m, n, k, shardRows, transposedB } = shape;
  const aStride = rowBytes(shardRows === undefined ? k : m);
  const [bRows, bColumns] = transposedB ? [n, k] : [k, n];
  const [a, b, panels, c, stack] = slots([
    aStride * (shardRows === undefined ? m : k), rowBytes(bColumns) * bRows, packedByteLength(k, n), rowBytes(n) * m, FOLD_STACK_BYTES,
  ]) as [number, number, number, number, number];
  const [packB, matmul, matmulFold] = [kernel(transposedB ? 'packBTransposed' : 'packB'), kernel('matmul'), kernel('matmulFold')];
  return {
    shape,
    pack: () => packB(tile, b, rowBytes(bColumns), k, n, panels, 0, bRows),
    run: () => shardRows === undefined
      ? matmul(tile, m, n, k, a, aStride, panels, c, rowBytes(n))
      : matmulFold(tile, m, n, k, shardRows, a, aStride, panels, c, rowBytes(n), stack),
    gigaflops: [],
    packMicroseconds: [],
  };
}

function sample({ shape, pack, run, gigaflops, packMicroseconds }: Cell): void {
  const repeats = Math.max(1, Math.round(SAMPLE_MADDS / madds(shape)));
  const start = performance.now();
  pack();
  packMicroseconds.push((performance.now() - start) * 1e3);
  run();
  const ready = performance.now();
  for (let repeat = 0; repeat < repeats; repeat++) run();
  gigaflops.push((2 * madds(shape) * repeats) / (performance.now() - ready) / 1e6);
}

function quantile(values: readonly number[], part: number): number {
  return [...values].sort((x, y) => x - y)[Math.floor((values.length - 1) * part)]!;
}

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '40' }, arithmetic: { type: 'string', default: 'fma' }, plain: { type: 'boolean', default: false } },
});
const flags = options.plain ? [] : setEngineFlags();
const memory = createMemory((32 << 20) / PAGE_BYTES);
new Float32Array(memory.buffer, RESERVED_BYTES).forEach((_, i, all) => (all[i] = (i % 1000) / 1000 - 0.5));
const kernels = instantiateKernels(compileKernels(options.arithmetic as Arithmetic), memory);
const shapes = SHAPES.filter(({ name }) => name.includes(positionals[0] ?? ''));
const cells = shapes.flatMap((shape) => TILES.map(({ id }) => bindCell((name) => kernels[name]!, shape, id)));
for (const { shape, pack, run } of cells) {
  for (let done = 0; done < WARM_UP_MADDS; done += madds(shape)) run();
  pack();
}
for (let round = 0; round < Number(options.rounds); round++) cells.forEach(sample);

process.stdout.write(`Node ${process.versions.node}, ${options.arithmetic}, ${[...process.execArgv, ...flags].join(' ') || 'no engine flags'}: GFLOP/s, median/best tenth (packing B)\n`);
process.stdout.write(`${''.padEnd(26)}${TILES.map(({ name }) => name.padEnd(22)).join('')}\n`);
for (const shape of shapes) {
  const columns = cells.filter((cell) => cell.shape === shape).map(({ gigaflops, packMicroseconds }) =>
    `${quantile(gigaflops, 0.5).toFixed(1)}/${quantile(gigaflops, 0.9).toFixed(1)} (${quantile(packMicroseconds, 0.5).toFixed(0)} µs)`.padEnd(22));
  process.stdout.write(`${shape.name.padEnd(26)}${columns.join('')}\n`);
}
