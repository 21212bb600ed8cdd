import type { Kernels } from '../kernels/load.js';
import { TILES } from '../kernels/tiles.js';
import { kernelOf, type Address, type Addresses } from './addresses.js';
import type { Call } from './bindings.js';
import type { FiniteFlags } from './finite-flags.js';
import { blockRowsFor } from './fold-room.js';
import { gatherer } from './gathering.js';
import type { Instruction, PlanTensor } from './plan.js';
import { COMPRESS_MIN_ROWS, COMPRESS_PAUSE, SPARSE_SHARE } from './zeros.js';

type Of<Op extends Instruction['op']> = Extract<Instruction, { readonly op: Op }>;

/** Makes kernel calls of the instructions that a worker runs for its own rows. */
export class Binder {
  /** By tensor: a packed matrix is finite; a compressed one is worth using. Set by the call that makes it. */
  private readonly finite: boolean[] = [];
  private readonly sparse: boolean[] = [];

  constructor(
    private readonly addresses: Addresses,
    private readonly kernels: Kernels,
    private readonly tile: number,
    private readonly flags: FiniteFlags,
    private readonly worker: number,
  ) {}

  bind(instruction: Instruction): Call {
    switch (instruction.op) {
      case 'gather': return this.gather(instruction);
      case 'noise': return this.noise(instruction);
      case 'unary': return this.unary(instruction);
      case 'binary': return this.binary(instruction);
      case 'select': return this.select(instruction);
      case 'reduce': return this.reduce(instruction);
      case 'copy': return this.copy(instruction);
      case 'fill': return this.fill(instruction);
      case 'oneHot': return this.oneHot(instruction);
      case 'compress': return this.compress(instruction);
      case 'pack': return this.pack(instruction);
      case 'matmul': return this.matmul(instruction);
      case 'matmulFold': return this.matmulOfShard(instruction);
      case 'sumRows': return this.sumOfShard(instruction);
      case 'foldShards': throw new Error('shards are summed for a whole piece alone');
    }
  }

  /** Takes note of what all workers together packed: whether it is finite. */
  noteFinite(tensor: number, finite: boolean): void {
    this.finite[tensor] = finite;
  }

  private tensor(index: number): PlanTensor {
    return this.addresses.tensor(index);
  }

  private kernel(name: string): (...args: number[]) => number {
    return kernelOf(this.kernels, name);
  }

  private address(index: number): Address {
    return this.addresses.of(index);
  }

  private rowBytes(index: number): number {
    return this.addresses.rowBytes(index);
  }

  private countsRows(index: number): boolean {
    return this.addresses.countsRows(index);
  }

  private gather({ source, column, out }: Of<'gather'>): Call {
    const { piece } = this.addresses;
    const gather = gatherer(this.kernels, piece, source, column);
    const { floats, stride } = this.tensor(out);
    const to = this.address(out);
    return (start, rows, shard) => { gather(0, floats, piece.firstRow + piece.start + start, rows, to(start, shard), stride * 4); };
  }

  private noise(instruction: Of<'noise'>): Call {
    const { piece } = this.addresses;
    const { noiseLayer, rate, mean, deviation, out } = instruction;
    const { floats, stride } = this.tensor(out);
    const to = this.address(out);
    if (instruction.distribution === 'mask') {
      const mask = this.kernel('dropoutMask');
      return (start, rows, shard) => mask(to(start, shard), stride * 4, rows, floats, piece.key0, piece.key1, piece.firstRow + piece.start + start, piece.step, noiseLayer, rate);
    }
    const normal = this.kernel('normalNoise');
    return (start, rows, shard) => normal(to(start, shard), stride * 4, rows, floats, piece.key0, piece.key1, piece.firstRow + piece.start + start, piece.step, noiseLayer, mean, deviation);
  }

  private unary({ name, x, out, parameters }: Of<'unary'>): Call {
    const kernel = this.kernel(name);
    const [from, to] = [this.address(x), this.address(out)];
    const { stride } = this.tensor(out);
    const [first = 0, second = 0] = parameters;
    if (this.countsRows(out)) return (start, rows, shard) => kernel(from(start, shard), to(start, shard), rows * stride, first, second);
    return (start, _, shard) => kernel(from(start, shard), to(start, shard), stride, first, second);
  }

  private binary({ name, a, aSplat, b, bSplat, out }: Of<'binary'>): Call {
    const kernel = this.kernel(name);
    const [left, right, to] = [this.address(a), this.address(b), this.address(out)];
    const { floats, stride } = this.tensor(out);
    const [aBytes, bBytes, outBytes] = [this.rowBytes(a), this.rowBytes(b), this.rowBytes(out)];
    const [aFlag, bFlag] = [Number(aSplat), Number(bSplat)];
    if (!this.countsRows(out)) {
      return (start, _, shard) => kernel(left(start, shard), 0, aFlag, right(start, shard), 0, bFlag, to(start, shard), 0, 1, floats);
    }
    if (!aSplat && !bSplat && aBytes === outBytes && bBytes === outBytes) {
      // Rows that lie behind each other are one long row.
      return (start, rows, shard) => kernel(left(start, shard), 0, 0, right(start, shard), 0, 0, to(start, shard), 0, 1, rows * stride);
    }
    return (start, rows, shard) => kernel(left(start, shard), aBytes, aFlag, right(start, shard), bBytes, bFlag, to(start, shard), outBytes, rows, floats);
  }

  private select({ c, cSplat, t, tSplat, e, eSplat, out }: Of<'select'>): Call {
    const kernel = this.kernel('select');
    const [condition, then, otherwise, to] = [this.address(c), this.address(t), this.address(e), this.address(out)];
    const { floats } = this.tensor(out);
    const byRows = this.countsRows(out);
    const [cBytes, tBytes, eBytes, outBytes] = [c, t, e, out].map((index) => this.rowBytes(index)) as [number, number, number, number];
    const [cFlag, tFlag, eFlag] = [Number(cSplat), Number(tSplat), Number(eSplat)];
    return (start, rows, shard) =>
      kernel(
        condition(start, shard), cBytes, cFlag, then(start, shard), tBytes, tFlag, otherwise(start, shard), eBytes, eFlag,
        to(start, shard), outBytes, byRows ? rows : 1, floats,
      );
  }

  private reduce({ name, x, out, groups, length }: Of<'reduce'>): Call {
    const kernel = this.kernel(name);
    const [from, to] = [this.address(x), this.address(out)];
    const [xBytes, outBytes] = [this.tensor(x).stride * 4, this.tensor(out).stride * 4];
    const byRows = this.countsRows(out);
    return (start, rows, shard) => kernel(from(start, shard), xBytes, to(start, shard), outBytes, byRows ? rows : 1, groups, length);
  }

  private copy({ x, out, counts, from, to, fromOffset, toOffset }: Of<'copy'>): Call {
    const kernel = this.kernel('copyStrided');
    const [source, target] = [this.address(x), this.address(out)];
    const byRows = this.countsRows(out);
    const [xStride, outStride] = [this.rowBytes(x) / 4, this.rowBytes(out) / 4];
    return (start, rows, shard) =>
      kernel(
        source(start, shard) + fromOffset * 4, target(start, shard) + toOffset * 4,
        byRows ? rows : 1, ...counts, xStride, ...from, outStride, ...to,
      );
  }

  private fill({ out, value }: Of<'fill'>): Call {
    const kernel = this.kernel('fill');
    const to = this.address(out);
    const { stride } = this.tensor(out);
    const byRows = this.countsRows(out);
    return (start, rows, shard) => kernel(to(start, shard), byRows ? rows * stride : stride, value);
  }

  private oneHot({ x, out, groups, depth, on, off }: Of<'oneHot'>): Call {
    const kernel = this.kernel('oneHot');
    const [from, to] = [this.address(x), this.address(out)];
    const [xBytes, outBytes] = [this.rowBytes(x), this.rowBytes(out)];
    const byRows = this.countsRows(out);
    return (start, rows, shard) => kernel(from(start, shard), xBytes, to(start, shard), outBytes, byRows ? rows : 1, groups, depth, on, off);
  }

  private pack({ x, out, k, n, stride, transposed }: Of<'pack'>): Call {
    const kernel = this.kernel(transposed ? 'packBTransposed' : 'packB');
    const from = this.address(x);
    if (this.tensor(out).home.area === 'pieceRows') return this.packForFold(kernel, from, { k, n, stride, out });
    const to = this.address(out);
    const byRows = this.countsRows(out);
    return (start, rows, shard) => {
      const depth = byRows ? rows * k : k;
      this.finite[out] = kernel(this.tile, from(start, shard), stride * 4, depth, n, to(start, shard), 0, transposed ? n : depth) === 1;
    };
  }

  /** Every block of a fold is a matrix of its own, to which each worker adds its rows. */
  private packForFold(kernel: (...args: number[]) => number, from: Address, { k, n, stride, out }: Pick<Of<'pack'>, 'k' | 'n' | 'stride' | 'out'>): Call {
    const { piece } = this.addresses;
    const blockRows = blockRowsFor(piece.shardRows);
    const to = this.addresses.ofPiece(out);
    const rowBytes = this.tensor(out).stride * 4;
    return (start, rows, shard) => {
      const [first, end, source] = [piece.start + start, piece.start + start + rows, from(start, shard)];
      for (let row = first; row < end; ) {
        const block = Math.floor(row / blockRows) * blockRows;
        const count = Math.min(end, block + blockRows) - row;
        const depth = Math.min(blockRows, piece.rows - block) * k;
        const finite = kernel(this.tile, source + (row - first) * k * stride * 4, stride * 4, depth, n, to + block * rowBytes, (row - block) * k, count * k) === 1;
        if (!finite) this.flags.set(out, this.worker, false);
        row += count;
      }
    };
  }

  /** Entries of the whole are remembered: products go the sparse way only where it has few. */
  private compress({ x, out, width }: Of<'compress'>): Call {
    const kernel = this.kernel('compressRows');
    const [from, to] = [this.address(x), this.address(out)];
    const xBytes = this.rowBytes(x);
    const { rows: tileRows } = TILES[this.tile]!;
    let pause = 0;
    return (start, rows, shard) => {
      this.sparse[out] = false;
      if (rows < COMPRESS_MIN_ROWS || pause-- > 0) return;
      const entries = kernel(this.tile, from(start, shard), xBytes, rows, width, to(start, shard));
      this.sparse[out] = entries * tileRows < rows * width * SPARSE_SHARE;
      pause = this.sparse[out] ? 0 : COMPRESS_PAUSE;
    };
  }

  private matmul({ a, packed, groups, out, m, k, n, aStride, outStride, transposed }: Of<'matmul'>): Call {
    const kernel = this.kernel(transposed ? 'matmulTransposed' : 'matmul');
    const sparse = this.kernel('matmulSparse');
    const [left, panels, to] = [this.address(a), this.address(packed), this.address(out)];
    const byRows = this.countsRows(out);
    const compressed = groups === undefined ? undefined : this.address(groups);
    return (start, rows, shard) => {
      if (compressed !== undefined && this.sparse[groups!] === true && this.finite[packed] === true) {
        sparse(this.tile, rows, n, k, left(start, shard), aStride * 4, panels(start, shard), to(start, shard), outStride * 4, compressed(start, shard));
      } else kernel(this.tile, byRows ? rows * m : m, n, k, left(start, shard), aStride * 4, panels(start, shard), to(start, shard), outStride * 4);
    };
  }

  /** The gradient of one shard, for what is not summed on the spot. */
  private matmulOfShard({ a, packed, out, perRow, m, n, aStride, outStride }: Of<'matmulFold'>): Call {
    const kernel = this.kernel('matmulFold');
    const [left, panels, to] = [this.address(a!), this.address(packed), this.address(out)];
    const { stack } = this.addresses.areas;
    return (start, rows, shard) =>
      kernel(this.tile, m, n, rows * perRow, rows * perRow, left(start, shard), aStride * 4, panels(start, shard), to(start, shard), outStride * 4, stack);
  }

  private sumOfShard({ x, out }: Of<'sumRows'>): Call {
    const kernel = this.kernel('sumRowsFold');
    const [from, to] = [this.address(x), this.address(out)];
    const { stride } = this.tensor(x);
    const { stack } = this.addresses.areas;
    return (start, rows, shard) => kernel(from(start, shard), stride * 4, to(start, shard), rows, rows, stride, stack);
  }
}
