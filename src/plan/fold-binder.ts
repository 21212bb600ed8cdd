import type { Kernels } from '../kernels/load.js';
import { FOLD_ROWS, TILES } from '../kernels/tiles.js';
import { kernelOf, type Addresses } from './addresses.js';
import type { BoundFold, FoldCall } from './bindings.js';
import type { FiniteFlags } from './finite-flags.js';
import { blockRowsFor, chunkRowsFor, foldRoom, leavesZerosOut, type FoldRoom } from './fold-room.js';
import { gatherer } from './gathering.js';
import type { Instruction, Plan } from './plan.js';
import { scheduleStep, type Schedule } from './schedule.js';
import { COMPRESS_MIN_ROWS, COMPRESS_PAUSE, SPARSE_SHARE } from './zeros.js';

type Of<Op extends Instruction['op']> = Extract<Instruction, { readonly op: Op }>;

/** Adds a block's products to C: `rows` rows of the piece from `start` on, rows [first, first + count) of C at `to`. */
type BlockProduct = (start: number, rows: number, first: number, count: number, to: number) => void;

/** The same without the zeros of A, whose part lies at `a` in rows `strideBytes` apart; false where it was left undone. */
type SparseProduct = (a: number, strideBytes: number, ...block: Parameters<BlockProduct>) => boolean;

/** Makes kernel calls of the sums over all rows of a piece: any worker computes any rows of the matrix that a sum is. */
export class FoldBinder {
  readonly #room: FoldRoom;
  readonly #blockRows: number;
  /** How the blocks of a piece of so many rows become one. */
  readonly #blocks = new Map<number, Schedule>();

  constructor(
    plan: Plan,
    private readonly addresses: Addresses,
    private readonly kernels: Kernels,
    private readonly tile: number,
    private readonly flags: FiniteFlags,
    private readonly workers: number,
    /** The whole memory. */
    private readonly floats: Float32Array,
  ) {
    const { pieceSize } = addresses.areas;
    const { shardRows } = addresses.piece;
    this.#room = foldRoom(plan, pieceSize.rows, shardRows);
    this.#blockRows = blockRowsFor(shardRows);
  }

  bind(instruction: Instruction): BoundFold {
    const { home, stride: floats } = this.addresses.tensor(instruction.out);
    const { offset } = home;
    switch (instruction.op) {
      case 'matmulFold': {
        const { m: rows, outStride: stride } = instruction;
        return { offset, rows, stride, chunkRows: chunkRowsFor(stride), call: this.#matmulFold(instruction) };
      }
      case 'sumRows': return { offset, rows: 1, stride: floats, chunkRows: 1, call: this.#sumRows(instruction) };
      case 'foldShards': {
        const stride = Math.ceil(instruction.columns / 4) * 4;
        return { offset, rows: floats / stride, stride, chunkRows: chunkRowsFor(stride), call: this.#foldShards(instruction, stride) };
      }
      case 'fill': return { offset, rows: 1, stride: floats, chunkRows: 1, call: this.#fill(instruction, floats) };
      default: throw new Error(`"${instruction.op}" sums nothing`);
    }
  }

  /** Block by block, the blocks' sums joined along the tree. */
  #matmulFold(instruction: Of<'matmulFold'>): FoldCall {
    const { outStride, out } = instruction;
    const product = instruction.column === undefined ? this.#activationProduct(instruction) : this.#dataProduct(instruction, instruction.column);
    const { offset } = this.addresses.tensor(out).home;
    const { piece, areas } = this.addresses;
    const { waiting, chunkBytes } = this.#room;
    const addInto = kernelOf(this.kernels, 'addInto');
    return (first, count) => {
      const target = piece.share + offset + first * outStride * 4;
      const place = (slot: number): number => (slot === 0 ? target : areas.folds + waiting + (slot - 1) * chunkBytes);
      for (const { firstRow, rows, slot, joins } of this.#blocksOf(piece.rows).pieces) {
        product(firstRow, rows, first, count, place(slot));
        for (let join = 0; join < joins; join++) addInto(place(slot - join - 1), place(slot - join), count * outStride);
      }
    };
  }

  #blocksOf(rows: number): Schedule {
    let blocks = this.#blocks.get(rows);
    if (blocks === undefined) {
      blocks = scheduleStep(rows, this.addresses.piece.shardRows, this.#blockRows);
      this.#blocks.set(rows, blocks);
    }
    return blocks;
  }

  #activationProduct(instruction: Of<'matmulFold'>): BlockProduct {
    const { a, packed, perRow, n, aStride, outStride } = instruction;
    const kernel = kernelOf(this.kernels, 'matmulFold');
    const [left, panels, panelBytes] = [this.addresses.ofPiece(a!), this.addresses.ofPiece(packed), perRow * Math.ceil(n / 4) * 16];
    const { piece, areas } = this.addresses;
    const strideBytes = aStride * 4;
    const withoutZeros = this.#sparseProduct(instruction);
    const part: BlockProduct = (start, rows, first, count, to) => {
      const from = left + start * perRow * strideBytes + first * 4;
      if (withoutZeros?.(from, strideBytes, start, rows, first, count, to) === true) return;
      kernel(this.tile, count, n, rows * perRow, piece.shardRows * perRow, from, strideBytes, panels + start * panelBytes, to, outStride * 4, areas.stack);
    };
    return withoutZeros === undefined ? part : inParts(part, outStride);
  }

  /** Gathers the columns that a chunk needs: from the data themselves, which no other worker has to write before. */
  #dataProduct(instruction: Of<'matmulFold'>, column: number): BlockProduct {
    const { packed, n, outStride } = instruction;
    const gather = gatherer(this.kernels, this.addresses.piece, 'input', column);
    const kernel = kernelOf(this.kernels, 'matmulFold');
    const [panels, panelBytes] = [this.addresses.ofPiece(packed), Math.ceil(n / 4) * 16];
    const { piece, areas } = this.addresses;
    const strip = areas.folds + this.#room.strip;
    const withoutZeros = this.#sparseProduct(instruction);
    return inParts((start, rows, first, count, to) => {
      const stripBytes = Math.ceil(count / 4) * 16;
      gather(first, count, piece.firstRow + start, rows, strip, stripBytes);
      if (withoutZeros?.(strip, stripBytes, start, rows, first, count, to) === true) return;
      kernel(this.tile, count, n, rows, piece.shardRows, strip, stripBytes, panels + start * panelBytes, to, outStride * 4, areas.stack);
    }, outStride);
  }

  /** Leaves the zeros of A out; gives false where there are too few, or the other factor is not finite. */
  #sparseProduct(instruction: Of<'matmulFold'>): SparseProduct | undefined {
    if (!leavesZerosOut(instruction)) return undefined;
    const { packed, n, outStride } = instruction;
    const [compress, fold] = [kernelOf(this.kernels, 'compressColumns'), kernelOf(this.kernels, 'matmulFoldSparse')];
    const tile = TILES[this.tile]!.sparseFold;
    const { rows: tileRows } = TILES[tile]!;
    const [panels, panelBytes] = [this.addresses.ofPiece(packed), Math.ceil(n / 4) * 16];
    const { piece, areas } = this.addresses;
    const groups = areas.folds + this.#room.groups;
    // By first row of C: they differ more than pieces do, as the middle of images from their border.
    const pauses = new Map<number, number>();
    return (a, strideBytes, start, rows, first, count, to) => {
      if (rows < COMPRESS_MIN_ROWS || count < tileRows) return false;
      const pause = pauses.get(first) ?? 0;
      if (pause > 0) {
        pauses.set(first, pause - 1);
        return false;
      }
      const entries = compress(tile, a, strideBytes, rows, count, piece.shardRows, groups);
      const isSparse = entries * tileRows < rows * count * SPARSE_SHARE;
      if (!isSparse) pauses.set(first, COMPRESS_PAUSE);
      if (!isSparse || !this.flags.all(packed, this.workers)) return false;
      fold(tile, count, n, rows, piece.shardRows, a, strideBytes, panels + start * panelBytes, to, outStride * 4, areas.stack, groups);
      return true;
    };
  }

  #sumRows({ x, out }: Of<'sumRows'>): FoldCall {
    const kernel = kernelOf(this.kernels, 'sumRowsFold');
    const from = this.addresses.ofPiece(x);
    const { offset } = this.addresses.tensor(out).home;
    const { stride, floats } = this.addresses.tensor(x);
    const { piece, areas } = this.addresses;
    return () => {
      kernel(from, stride * 4, piece.share + offset, piece.rows, piece.shardRows, stride, areas.stack);
      this.#clearPads(piece.share + offset, 1, floats);
    };
  }

  #foldShards({ x, out, columns }: Of<'foldShards'>, rowFloats: number): FoldCall {
    const kernel = kernelOf(this.kernels, 'sumRowsFold');
    const from = this.addresses.ofPiece(x);
    const { offset } = this.addresses.tensor(out).home;
    const { stride } = this.addresses.tensor(x);
    const { piece, areas } = this.addresses;
    return (first, count) => {
      const skipped = first * rowFloats * 4;
      const to = piece.share + offset + skipped;
      kernel(from + skipped, stride * 4, to, Math.ceil(piece.rows / piece.shardRows), 1, count * rowFloats, areas.stack);
      this.#clearPads(to, count, columns);
    };
  }

  #fill({ out, value }: Of<'fill'>, floats: number): FoldCall {
    const kernel = kernelOf(this.kernels, 'fill');
    const { offset } = this.addresses.tensor(out).home;
    const { piece } = this.addresses;
    return () => { kernel(piece.share + offset, floats, value); };
  }

  /** Pads hold anything until here; those of a share reach the optimizer and must be 0. */
  #clearPads(address: number, rows: number, columns: number): void {
    const stride = Math.ceil(columns / 4) * 4;
    if (stride === columns) return;
    for (let row = 0, at = address / 4; row < rows; row++, at += stride) this.floats.fill(0, at + columns, at + stride);
  }
}

/** A product of as many rows of C at a time as a strip and its groups have room for. */
function inParts(part: BlockProduct, outStride: number): BlockProduct {
  return (start, rows, first, count, to) => {
    for (let done = 0; done < count; done += FOLD_ROWS) part(start, rows, first + done, Math.min(FOLD_ROWS, count - done), to + done * outStride * 4);
  };
}
