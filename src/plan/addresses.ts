import type { Kernels } from '../kernels/load.js';
import type { Areas, Piece } from './bindings.js';
import type { Plan, PlanTensor } from './plan.js';

/** Address of a tensor's block for the first row of a call, which is of shard `shard` of the rows computed now. */
export type Address = (start: number, shard: number) => number;

/** Where a plan's tensors are for one worker; `piece` is read at each call. */
export class Addresses {
  constructor(private readonly plan: Plan, readonly areas: Areas, readonly piece: Piece) {}

  tensor(index: number): PlanTensor {
    return this.plan.tensors[index]!;
  }

  of(index: number): Address {
    const { scope, stride, home } = this.tensor(index);
    const { areas, piece } = this;
    const blockBytes = stride * 4;
    switch (home.area) {
      case 'share': return () => piece.share + home.offset;
      case 'predictions': return (start) => piece.predictions[home.offset]! + (piece.firstRow + piece.start + start) * blockBytes;
      case 'pieceRows': {
        const base = this.ofPiece(index);
        return (start) => base + (piece.start + start) * blockBytes;
      }
      case 'pieceShards': {
        const base = this.ofPiece(index);
        return (_, shard) => base + (Math.floor(piece.start / piece.shardRows) + shard) * blockBytes;
      }
      default: {
        const base = areas[home.area] + home.offset;
        if (scope === 'rows') return (start) => base + start * blockBytes;
        return scope === 'shards' ? (_, shard) => base + shard * blockBytes : () => base;
      }
    }
  }

  /** The first row or shard of the piece, for a tensor that its folds read. */
  ofPiece(index: number): number {
    const { home } = this.tensor(index);
    const { pieceRows, pieceShards, pieceSize } = this.areas;
    return home.area === 'pieceRows' ? pieceRows + home.offset * pieceSize.rows : pieceShards + home.offset * pieceSize.shards;
  }

  /** Whether an instruction with this result goes over rows. */
  countsRows(index: number): boolean {
    return this.tensor(index).scope === 'rows';
  }

  /** Bytes from one row's block to the next; 0 where all rows have the same. */
  rowBytes(index: number): number {
    return this.countsRows(index) ? this.tensor(index).stride * 4 : 0;
  }
}

export function kernelOf(kernels: Kernels, name: string): (...args: number[]) => number {
  const kernel = kernels[name];
  if (kernel === undefined) throw new Error(`no kernel "${name}"`);
  return kernel;
}
