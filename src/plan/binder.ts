import type { Kernels } from '../kernels/load.js';
import { TILES } from '../kernels/tiles.js';
import type { Areas, BoundColumn, Call, Piece } from './bindings.js';
import type { Instruction, Plan, PlanTensor } from './plan.js';

type Address = (start: number, shard: number) => number;
type Of<Op extends Instruction['op']> = Extract<Instruction, { readonly op: Op }>;

/** Fewest rows for which compressing is tried; the layout counts on it. */
const COMPRESS_MIN_ROWS = 8;

/** Products leave zeros out where fewer than this share of the places remains: below, the way there costs more. */
const SPARSE_SHARE = 0.85;

/** Pieces for which compressing is not tried again after one without enough zeros: the next data will be much the same. */
const COMPRESS_PAUSE = 31;

/** Words of flags of a shared packing: one a worker. */
export const MAX_FLAGS = 64;

/** Makes a kernel call of every instruction. */
export class Binder {
  /** By tensor: a packed matrix is finite; a compressed one is worth using. Set by the call that makes it. */
  private readonly finite: boolean[] = [];
  private readonly sparse: boolean[] = [];
  private readonly flags: Int32Array;

  constructor(
    private readonly plan: Plan,
    /** The whole memory. */
    private readonly floats: Float32Array,
    private readonly kernels: Kernels,
    private readonly tile: number,
    private readonly areas: Areas,
    private readonly piece: Piece,
  ) {
    this.flags = new Int32Array(floats.buffer, areas.sharedFlags, plan.shared.length * MAX_FLAGS);
  }

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
      case 'matmulFold': return this.matmulFold(instruction);
      case 'sumRows': return this.sumRows(instruction);
      case 'foldShards': return this.foldShards(instruction);
    }
  }

  /** Packs a range of panels of every shared matrix. */
  share(worker: number, workers: number): void {
    const width = TILES[this.tile]!.columns;
    this.plan.shared.forEach(({ x, out, k, n, stride, transposed }, index) => {
      const panels = Math.ceil(n / width);
      const first = Math.floor((worker * panels) / workers) * width;
      const columns = Math.min(n, Math.floor(((worker + 1) * panels) / workers) * width) - first;
      const from = this.address(x)(0, 0) + first * 4 * (transposed ? stride : 1);
      const to = this.address(out)(0, 0) + first * k * 4;
      const pack = this.kernel(transposed ? 'packBTransposed' : 'packB');
      const finite = columns <= 0 || pack(this.tile, from, stride * 4, k, columns, to) === 1;
      this.flags[index * MAX_FLAGS + worker] = finite ? 1 : 0;
    });
  }

  takeShared(workers: number): void {
    this.plan.shared.forEach(({ out }, index) => {
      this.finite[out] = this.flags.subarray(index * MAX_FLAGS, index * MAX_FLAGS + workers).every((flag) => flag === 1);
    });
  }

  private tensor(index: number): PlanTensor {
    return this.plan.tensors[index]!;
  }

  private kernel(name: string): (...args: number[]) => number {
    const kernel = this.kernels[name];
    if (kernel === undefined) throw new Error(`no kernel "${name}"`);
    return kernel;
  }

  /** Address of a tensor's block for the first row or shard of a call. */
  private address(index: number): Address {
    const { scope, stride, home } = this.tensor(index);
    const { areas, piece } = this;
    const blockBytes = stride * 4;
    if (home.area === 'share') return () => piece.share + home.offset;
    if (home.area === 'predictions') return (start) => piece.predictions[home.offset]! + (piece.firstRow + start) * blockBytes;
    const base = areas[home.area] + home.offset;
    if (scope === 'rows') return (start) => base + start * blockBytes;
    return scope === 'shards' ? (_, shard) => base + shard * blockBytes : () => base;
  }

  /** Bytes from one row's block to the next; 0 where all rows have the same. */
  private rowBytes(index: number): number {
    const { scope, stride } = this.tensor(index);
    return scope === 'rows' ? stride * 4 : 0;
  }

  /** Rows that an instruction with this result goes over. */
  private countsRows(index: number): boolean {
    return this.tensor(index).scope === 'rows';
  }

  private gather({ source, column, out }: Of<'gather'>): Call {
    const { piece } = this;
    const { floats, stride } = this.tensor(out);
    const to = this.address(out);
    const columnsOf = source === 'input' ? (): readonly BoundColumn[] => piece.inputs : (): readonly BoundColumn[] => piece.targets;
    const [u8, table, i32, f32] = ['gatherU8', 'gatherU8Table', 'gatherI32', 'gatherF32'].map((name) => this.kernel(name));
    return (start, rows, shard) => {
      const from = columnsOf()[column]!;
      const indices = piece.indices + start * 4;
      const target = to(start, shard);
      if (from.type === 'f32') f32!(from.address, floats, indices, rows, target, stride * 4, from.scale);
      else if (from.type === 'i32') i32!(from.address, floats, indices, rows, target, stride * 4, from.scale);
      else if (from.table !== 0) table!(from.address, floats, indices, rows, target, stride * 4, from.table);
      else u8!(from.address, floats, indices, rows, target, stride * 4, from.scaleHigh, from.scaleLow);
    };
  }

  private noise(instruction: Of<'noise'>): Call {
    const { piece } = this;
    const { noiseLayer, rate, mean, deviation, out } = instruction;
    const { floats, stride } = this.tensor(out);
    const to = this.address(out);
    if (instruction.distribution === 'mask') {
      const mask = this.kernel('dropoutMask');
      return (start, rows, shard) => mask(to(start, shard), stride * 4, rows, floats, piece.key0, piece.key1, piece.firstRow + start, piece.step, noiseLayer, rate);
    }
    const normal = this.kernel('normalNoise');
    return (start, rows, shard) => normal(to(start, shard), stride * 4, rows, floats, piece.key0, piece.key1, piece.firstRow + start, piece.step, noiseLayer, mean, deviation);
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
    const [from, to] = [this.address(x), this.address(out)];
    const byRows = this.countsRows(out);
    return (start, rows, shard) => { this.finite[out] = kernel(this.tile, from(start, shard), stride * 4, byRows ? rows * k : k, n, to(start, shard)) === 1; };
  }

  /** Entries of the whole are remembered: products go the sparse way only where it has few. */
  private compress({ by, x, out, width }: Of<'compress'>): Call {
    const kernel = this.kernel(by === 'rows' ? 'compressRows' : 'compressColumns');
    const [from, to] = [this.address(x), this.address(out)];
    const xBytes = this.rowBytes(x);
    const { rows: tileRows } = TILES[this.tile]!;
    const { piece } = this;
    let pause = 0;
    return (start, rows, shard) => {
      this.sparse[out] = false;
      if (rows < COMPRESS_MIN_ROWS || width < tileRows || pause-- > 0) return;
      const entries = by === 'rows'
        ? kernel(this.tile, from(start, shard), xBytes, rows, width, to(start, shard))
        : kernel(this.tile, from(start, shard), xBytes, rows, width, piece.shardRows, to(start, shard));
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

  private matmulFold({ a, packed, groups, out, perRow, m, n, aStride, outStride, scope }: Of<'matmulFold'>): Call {
    const kernel = this.kernel('matmulFold');
    const sparse = this.kernel('matmulFoldSparse');
    const compressed = groups === undefined ? undefined : this.address(groups);
    const [left, panels, to] = [this.address(a), this.address(packed), this.address(out)];
    const { piece, areas } = this;
    return (start, rows, shard) => {
      // By shard, the rows given are one shard: nothing is left to fold.
      const shardRows = scope === 'fold' ? piece.shardRows : rows;
      if (compressed !== undefined && this.sparse[groups!] === true && this.finite[packed] === true) {
        sparse(this.tile, m, n, rows, shardRows, left(start, shard), aStride * 4, panels(start, shard), to(start, shard), outStride * 4, areas.stack, compressed(start, shard));
        return;
      }
      kernel(this.tile, m, n, rows * perRow, shardRows * perRow, left(start, shard), aStride * 4, panels(start, shard), to(start, shard), outStride * 4, areas.stack);
    };
  }

  private sumRows({ x, out, scope }: Of<'sumRows'>): Call {
    const kernel = this.kernel('sumRowsFold');
    const [from, to] = [this.address(x), this.address(out)];
    const { stride, floats } = this.tensor(x);
    const { piece, areas } = this;
    return (start, rows, shard) => {
      const target = to(start, shard);
      kernel(from(start, shard), stride * 4, target, rows, scope === 'fold' ? piece.shardRows : rows, stride, areas.stack);
      this.clearPads(target, 1, floats);
    };
  }

  /** Pads hold anything until here; those of a share reach the optimizer and must be 0. */
  private clearPads(address: number, rows: number, columns: number): void {
    const stride = Math.ceil(columns / 4) * 4;
    if (stride === columns) return;
    for (let row = 0, at = address / 4; row < rows; row++, at += stride) this.floats.fill(0, at + columns, at + stride);
  }

  private foldShards({ x, out, columns }: Of<'foldShards'>): Call {
    const kernel = this.kernel('sumRowsFold');
    const [from, to] = [this.address(x), this.address(out)];
    const { stride } = this.tensor(x);
    const { piece, areas } = this;
    return () => {
      kernel(from(0, 0), stride * 4, to(0, 0), Math.ceil(piece.rows / piece.shardRows), 1, stride, areas.stack);
      this.clearPads(to(0, 0), stride / (Math.ceil(columns / 4) * 4), columns);
    };
  }
}
