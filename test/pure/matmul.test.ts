import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chooseTile, FOLD_STACK_BYTES, packedByteLength, TILES, TRIAL_SCRATCH_BYTES } from '../../src/kernels/tiles.js';
import { Arena, ARITHMETICS, randomFrom, seed, SPECIAL_VALUES } from './arena.js';
import { exactMadd, foldedProduct, fusedMadd, MADD, matrix, product, transpose, type Matrix } from './matmul-reference.js';

const random = randomFrom(seed);
const mixed = (rows: number, columns: number): Matrix => matrix(rows, columns, () => (random() - 0.5) * 2 ** Math.floor(random() * 8));
const finite = fc.float({ noNaN: true, noDefaultInfinity: true });

test('the reference of a fused multiply-add rounds the exact sum once', () => {
  const property = (a: number, b: number, c: number): void => {
    expect(fusedMadd(a, b, c)).toBe(exactMadd(a, b, c));
  };
  fc.assert(fc.property(finite, finite, finite, property), { seed, numRuns: 20_000 });
  // Sums that cancel or end close to the middle between two float32, which random bits hardly meet.
  const near = fc.integer({ min: -64, max: 64 });
  fc.assert(fc.property(near, near, near, fc.integer({ min: -60, max: 60 }), (i, j, k, e) => {
    property(Math.fround((2 ** 23 + i) * 2 ** -20), Math.fround((2 ** 23 + j) * 2 ** -20), Math.fround((2 ** 23 + k) * 2 ** e));
  }), { seed, numRuns: 20_000 });
  // 1 + 2^-24 + 2^-60 is above the middle of 1 and its successor; float64 loses the 2^-60 and float32 would then take 1.
  expect(fusedMadd(Math.fround(2 ** -30), Math.fround(2 ** -30), 1)).toBe(1);
  expect(fusedMadd(Math.fround(2 ** -12 + 2 ** -35), Math.fround(2 ** -12), 1)).toBe(Math.fround(1 + 2 ** -23));
});

/** A matrix in the arena. */
interface Placed {
  readonly address: number;
  readonly strideBytes: number;
}

describe.each(ARITHMETICS)('matrix products, %s', (arithmetic) => {
  const arena = new Arena(arithmetic);
  const madd = MADD[arithmetic];
  let shift = 0;

  /** An address that walks through all multiples of 16 bytes of a cache line; what lies before and behind is NaN. */
  function room(floatCount: number): number {
    shift = (shift + 1) % 4;
    return arena.slot(floatCount + 16) + shift * 16;
  }

  function place({ rows, columns, values }: Matrix, gapVectors: number): Placed {
    const strideFloats = (Math.ceil(columns / 4) + gapVectors) * 4;
    const address = room(rows * strideFloats);
    for (let row = 0; row < rows; row++) arena.floats(address + row * strideFloats * 4, columns).set(values.subarray(row * columns, (row + 1) * columns));
    return { address, strideBytes: strideFloats * 4 };
  }

  function pack(tile: number, b: Matrix, transposed: boolean, gapVectors = 0): number {
    const { address, strideBytes } = place(transposed ? transpose(b) : b, gapVectors);
    const panels = arena.slot(packedByteLength(b.rows, b.columns) / 4);
    const kernel = transposed ? 'packBTransposed' : 'packB';
    // In two parts, the second one first, as two workers may do it.
    const rows = transposed ? b.columns : b.rows;
    const middle = Math.floor(rows / 8) * 4;
    for (const [first, end] of [[middle, rows], [0, middle]] as const) {
      if (end > first) arena.call(kernel, tile, address + first * strideBytes, strideBytes, b.rows, b.columns, panels, first, end - first);
    }
    expect(arena.isIntactBehind(panels, packedByteLength(b.rows, b.columns) / 4)).toBe(true);
    return panels;
  }

  /** What a kernel wrote where it should have left the bytes alone or written others; undefined if all is right. */
  function fault(expected: Matrix, gapVectors: number, run: (c: number, strideBytes: number) => void): string | undefined {
    const { rows, columns } = expected;
    const [padded, strideFloats] = [Math.ceil(columns / 4) * 4, (Math.ceil(columns / 4) + gapVectors) * 4];
    const address = room(rows * strideFloats);
    const [start, count] = [address - 16, rows * strideFloats + 8];
    const before = arena.words(start, count).slice();
    run(address, strideFloats * 4);
    const after = arena.words(start, count);
    const wanted = new Uint32Array(expected.values.buffer);
    for (let i = 0; i < count; i++) {
      const [row, column] = [Math.floor((i - 4) / strideFloats), (i - 4) % strideFloats];
      const isInside = i >= 4 && row < rows;
      if (isInside && column >= columns && column < padded) continue;
      const right = isInside && column < columns ? wanted[row * columns + column]! : before[i]!;
      if (after[i] !== right) return `${rows}x${columns}: ${after[i]!.toString(16)} instead of ${right.toString(16)} at row ${row}, column ${column}`;
    }
    return undefined;
  }

  /** Every tile, both forms of A, both ways to pack B. */
  function productFaults(m: number, n: number, k: number): string[] {
    const [a, b] = [mixed(m, k), mixed(k, n)];
    const expected = product(a, b, madd);
    const faults: (string | undefined)[] = [];
    for (const { id, name } of TILES) {
      arena.reset();
      const gap = (m + n + k + id) % 3;
      const [rowMajor, transposed] = [place(a, gap), place(transpose(a), gap)];
      for (const packTransposed of [false, true]) {
        const panels = pack(id, b, packTransposed, gap);
        for (const [kernel, left] of [['matmul', rowMajor], ['matmulTransposed', transposed]] as const) {
          const wrong = fault(expected, gap, (c, stride) => arena.call(kernel, id, m, n, k, left.address, left.strideBytes, panels, c, stride));
          faults.push(wrong && `${kernel} ${name} k=${k}: ${wrong}`);
        }
      }
    }
    return faults.filter((wrong) => wrong !== undefined);
  }

  test('every element is one chain over k, for every tile and every shape up to 13', () => {
    for (let m = 1; m <= 13; m++) for (let n = 1; n <= 13; n++) for (let k = 1; k <= 13; k++) expect(productFaults(m, n, k)).toEqual([]);
  });

  test('every number of rows and of columns from 14 to 40', () => {
    for (let length = 14; length <= 40; length++) expect([productFaults(length, 9, 6), productFaults(10, length, 6), productFaults(3, 5, length)]).toEqual([[], [], []]);
  });

  test.each([[61, 100, 97], [128, 10, 100], [40, 130, 33], [7, 53, 800], [1, 100, 784], [17, 1, 1], [1, 1, 300]])('%i x %i over %i', (m, n, k) => {
    expect(productFaults(m, n, k)).toEqual([]);
  });

  test('zeros keep the sign of a chain that begins at +0; infinities and NaN stay in their rows and columns', () => {
    const special = SPECIAL_VALUES.length;
    const a = matrix(special, 3, (row, column) => (column === 1 ? SPECIAL_VALUES[row]! : -0));
    const b = matrix(3, 5, (row, column) => (row === 1 ? [1, -1, 0, -0, 0.75][column]! : 1));
    const expected = product(a, b, madd);
    for (const { id } of TILES) {
      arena.reset();
      const [left, panels] = [place(a, 0), pack(id, b, false)];
      const c = arena.slot(special * 8);
      arena.call('matmul', id, special, 5, 3, left.address, left.strideBytes, panels, c, 32);
      for (let row = 0; row < special; row++) {
        expect(arena.floats(c + row * 32, 5)).toEqual(expected.values.slice(row * 5, row * 5 + 5));
      }
    }
  });

  /** Every tile; `gapVectors` widens the rows of A. */
  function foldFaults(m: number, n: number, rows: number, shardRows: number, gapVectors: number): string[] {
    const [a, b] = [mixed(rows, m), mixed(rows, n)];
    const expected = foldedProduct(a, b, shardRows, madd);
    return TILES.flatMap(({ id, name }) => {
      arena.reset();
      const [left, panels, stack] = [place(a, gapVectors), pack(id, b, false), arena.slot(FOLD_STACK_BYTES / 4)];
      const wrong = fault(expected, 1, (c, stride) => arena.call('matmulFold', id, m, n, rows, shardRows, left.address, left.strideBytes, panels, c, stride, stack));
      expect(arena.isIntactBehind(stack, FOLD_STACK_BYTES / 4)).toBe(true);
      return wrong === undefined ? [] : [`${name}, ${rows} rows in shards of ${shardRows}: ${wrong}`];
    });
  }

  test.each([1, 3, 8, 16, 32])('a fold in shards of %i adds the chains along the tree, for 1 to 40 rows', (shardRows) => {
    for (let rows = 1; rows <= 40; rows++) {
      for (const [m, n] of [[1, 1], [3, 10], [7, 5], [13, 17]] as const) expect(foldFaults(m, n, rows, shardRows, rows % 3)).toEqual([]);
    }
  });

  test('a fold over more rows than a strip, and over 100 shards', () => {
    expect(foldFaults(67, 50, 64, 16, 0)).toEqual([]);
    expect(foldFaults(5, 4, 100, 1, 0)).toEqual([]);
  });

  // 2048 bytes meet in few sets of a cache, 6544 bytes lie on a page each: both are copied in strips.
  test.each([[512, 40, 16], [512, 130, 32], [1636, 50, 8], [1024, 500, 64]])('a fold over rows that lie %i floats apart: %i rows in shards of %i', (strideFloats, rows, shardRows) => {
    for (const m of [1, 45, 83]) expect(foldFaults(m, 49, rows, shardRows, strideFloats / 4 - Math.ceil(m / 4))).toEqual([]);
  });

  test('all tiles write the same bytes, and zeros to the pads', () => {
    const [a, b] = [mixed(70, 90), mixed(90, 51)];
    const written = TILES.map(({ id }) => {
      arena.reset();
      const [left, panels, c] = [place(a, 0), pack(id, b, false), arena.slot(70 * 52)];
      arena.call('matmul', id, 70, 51, 90, left.address, left.strideBytes, panels, c, 52 * 4);
      return arena.words(c, 70 * 52).slice();
    });
    for (const words of written) {
      expect(words).toEqual(written[0]);
      expect(words.filter((_, i) => i % 52 === 51 && words[i] !== 0)).toHaveLength(0);
    }
  });

  test('the trial chooses a tile, whose bits are those of every other', () => {
    arena.reset();
    expect(TILES.map(({ id }) => id)).toContain(chooseTile(arena.kernels, arena.slot(TRIAL_SCRATCH_BYTES / 4), () => performance.now()));
  });

  test('the quick and the optimising tier of the engine give the same bits', () => {
    const program = fileURLToPath(new URL('./matmul-tiers.js', import.meta.url));
    const hashes = [['--liftoff', '--no-wasm-tier-up'], ['--no-liftoff'], []].map((flags) => {
      const { stdout, stderr } = spawnSync(process.execPath, [...flags, program, arithmetic], { encoding: 'utf8' });
      expect(stderr).toBe('');
      return stdout.trim().split('\n');
    });
    expect(new Set(hashes.flat())).toHaveLength(1);
    // Without flags, one hash before the optimising tier and one after.
    expect(hashes.map((lines) => lines.length)).toEqual([2, 2, 2]);
  });
});

test('the trial takes the fastest tile, measured after the last one became faster', () => {
  // A clock that the kernel moves: tile 4 is fastest in the quick tier, tile 2 once optimised, from its fifth call on.
  let nowMs = 0;
  const calls = TILES.map(() => 0);
  const cost = (id: number): number => (calls[id]!++ < 5 ? 2 - id / 10 : id === 2 ? 0.4 : 0.5 + id / 100);
  const kernels = { matmul: (id: number): number => (nowMs += cost(id)) };
  expect(chooseTile(kernels, 0, () => nowMs)).toBe(2);
});
