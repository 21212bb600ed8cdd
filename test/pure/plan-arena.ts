import { compileKernels, createMemory, instantiateKernels, PAGE_BYTES, RESERVED_BYTES, setEngineFlags, type Arithmetic, type Kernels } from '../../src/kernels/load.js';
import { scaleTable, splitScale } from '../../src/kernels/scale.js';
import { FOLD_STACK_BYTES } from '../../src/kernels/tiles.js';
import { BoundPlan, flaggedTensors, foldRoom, MAX_FLAGS, rowUnit, type Areas, type BoundColumn, type Piece } from '../../src/plan/bind.js';
import { rangeOf } from '../../src/plan/check-areas.js';
import type { PlanLimits } from '../../src/plan/limits.js';
import type { Plan } from '../../src/plan/plan.js';
import { partsOfPiece } from '../../src/plan/schedule.js';
import { randomFrom } from './arena.js';

setEngineFlags();

/** Bytes between two areas. */
const GUARD_BYTES = 1024;
const BEHIND_COLUMN_BYTES = 16;
const EXAMPLES = 40;
/** Half of it is for areas, the rest for columns, parameters and what lies between them. */
const MEMORY_PAGES = 96;
const WORKERS = 2;

/** What an area holds before: a number that is absurd as a float, a count or a position. */
const STALE_BITS = 0x7fabcdef;

interface Placed {
  /** By worker. */
  readonly areas: readonly Areas[];
  readonly pieces: readonly Piece[];
  /** Byte ranges that a plan may write, by name. */
  readonly writable: Map<string, readonly [start: number, end: number]>;
}

export interface RunOptions {
  /** Of the piece; more than the capacity has are computed in several goes. */
  readonly rows: number;
  readonly tile: number;
  /** What lies outside of all areas. */
  readonly outsideBits?: number;
  /** What lies between the tensors is outside as well. */
  readonly isTight?: boolean;
}

export interface RunResult {
  /** Where something was written that must not be: addresses of the first few words. */
  readonly strayWrites: readonly number[];
  /** What the plan leaves for others, with one NaN for all, in base64. */
  readonly results: string;
}

/** The plan's areas are larger than the memory. */
export class ArenaTooSmall extends Error {}

/** A memory in which every word outside of a plan's areas is watched. */
export class PlanArena {
  private readonly memory = createMemory(MEMORY_PAGES);
  private readonly words = new Uint32Array(this.memory.buffer);
  private readonly kernels: Kernels;
  /** The kernels' own page, as it was. */
  private readonly reserved: Uint32Array;
  private top = 0;

  constructor(arithmetic: Arithmetic) {
    this.kernels = instantiateKernels(compileKernels(arithmetic), this.memory);
    this.reserved = this.words.slice(0, RESERVED_BYTES / 4);
  }

  /** Bytes that the areas of a worker can have together. */
  static readonly areaBytes = (MEMORY_PAGES / WORKERS - 16) * PAGE_BYTES - FOLD_STACK_BYTES;

  /** Binds the plan to areas that are exactly as large as it says, and runs one piece of it with two workers. */
  run(plan: Plan, limits: PlanLimits, { rows, tile, outsideBits = 0x7fa00001, isTight = false }: RunOptions): RunResult {
    this.words.fill(outsideBits);
    this.words.set(this.reserved);
    const { areas, pieces, writable } = this.place(plan, limits, rows);
    if (isTight) for (const [worker, each] of areas.entries()) this.narrow(writable, plan, each, worker, outsideBits);
    const before = this.words.slice();
    const workers = areas.map((each, worker) => new BoundPlan(plan, this.memory, this.kernels, tile, each, pieces[worker]!, { worker, workers: WORKERS }));
    for (const worker of [...workers].reverse()) worker.packWeights();
    for (const worker of workers) worker.runOnce();
    if (limits.kind === 'examples') {
      for (const worker of workers) worker.beginRows();
      partsOfPiece(rows, rowUnit(plan, limits.shardRows), WORKERS, 2).forEach((parts, worker) => { for (const part of parts) workers[worker]!.runRows(part); });
      this.fold(plan, workers, pieces[0]!.share);
    }
    const results = ['share', 'penalties', ...plan.predictions.map((_, index) => `prediction ${index}`)];
    return { strayWrites: this.strayWrites(before, writable), results: results.map((name) => this.read(writable.get(name)!)).join(' ') };
  }

  /** As computations do it: gradients chunk by chunk, loss and metrics whole; then joined, here with themselves. */
  private fold(plan: Plan, workers: readonly BoundPlan[], share: number): void {
    let turn = 0;
    plan.folds.forEach((_, index) => {
      const { offset, rows, stride, chunkRows } = workers[0]!.folds[index]!;
      const most = offset < plan.sumsOffset * 4 ? chunkRows : rows;
      for (let first = 0; first < rows; first += most) {
        const count = Math.min(most, rows - first);
        workers[turn++ % WORKERS]!.folds[index]!.call(first, count);
        const at = share + offset + first * stride * 4;
        this.kernels['addInto']!(at, at, count * stride);
      }
    });
  }

  /** Makes what lies between the tensors part of the outside. */
  private narrow(writable: Placed['writable'], plan: Plan, areas: Areas, worker: number, outsideBits: number): void {
    const names = { scratch: `scratch ${worker}`, pieceRows: 'pieceRows', pieceShards: 'pieceShards' } as const;
    for (const area of ['scratch', 'pieceRows', 'pieceShards'] as const) {
      const whole = writable.get(names[area]);
      if (whole === undefined) continue; // of all workers, and done
      writable.delete(names[area]);
      this.words.fill(outsideBits, whole[0] / 4, whole[1] / 4);
      const times = area === 'scratch' ? 1 : area === 'pieceRows' ? areas.pieceSize.rows : areas.pieceSize.shards;
      plan.tensors.forEach((tensor, index) => {
        if (tensor.home.area !== area) return;
        const range = rangeOf(tensor, plan.capacity);
        const [start, end] = [areas[area] + range.start * times, areas[area] + range.end * times];
        this.words.fill(STALE_BITS, start / 4, end / 4);
        writable.set(`${names[area]} ${index}`, [start, end]);
      });
    }
  }

  private place(plan: Plan, limits: PlanLimits, rows: number): Placed {
    this.top = RESERVED_BYTES;
    const random = randomFrom(1);
    const writable = new Map<string, readonly [number, number]>();
    const own = (name: string, byteLength: number): number => {
      const start = this.area(byteLength, () => STALE_BITS);
      writable.set(name, [start, start + byteLength]);
      return start;
    };
    const columns = (widths: readonly number[]): BoundColumn[] => widths.map((width, index) => this.column(width, index, random));
    const shards = Math.ceil(rows / limits.shardRows);
    const pieceSize = { rows: shards * limits.shardRows, shards };
    const common = {
      parameters: this.area(limits.parameterFloats * 4, () => floatBits(random() - 0.5)),
      constants: this.bytes(plan.constants),
      shared: own('shared', plan.sharedBytes),
      flags: own('flags', flaggedTensors(plan).length * MAX_FLAGS * 4),
      pieceRows: own('pieceRows', plan.bytesPerRow * pieceSize.rows),
      pieceShards: own('pieceShards', plan.bytesPerShard * pieceSize.shards),
      pieceSize,
      penalties: own('penalties', plan.penaltyFloats * 4),
    };
    const areas = Array.from({ length: WORKERS }, (_, worker): Areas => ({
      ...common,
      scratch: own(`scratch ${worker}`, plan.scratchBytes),
      stack: own(`stack ${worker}`, FOLD_STACK_BYTES),
      folds: own(`folds ${worker}`, foldRoom(plan, pieceSize.rows, limits.shardRows).byteLength),
    }));
    const piece: Piece = {
      rows, shardRows: limits.shardRows, firstRow: 1, start: 0, step: 3, key0: 5, key1: 7,
      indices: this.area((1 + rows) * 4, () => Math.floor(random() * EXAMPLES)),
      share: own('share', plan.shareFloats * 4),
      inputs: columns(limits.inputs),
      targets: columns(limits.targets),
      // One row before the piece's first and none behind its last.
      predictions: plan.predictions.map(({ stride }, index) => own(`prediction ${index}`, (1 + rows) * stride * 4)),
    };
    return { areas, pieces: areas.map(() => ({ ...piece })), writable };
  }

  /** A range filled with words, aligned to 16 bytes and with guards around. */
  private area(byteLength: number, word: () => number): number {
    const start = Math.ceil((this.top + GUARD_BYTES) / 16) * 16;
    this.top = start + byteLength;
    if (this.top + GUARD_BYTES > this.words.byteLength) throw new ArenaTooSmall('the areas do not fit into the memory of the test');
    for (let at = start / 4; at < this.top / 4; at++) this.words[at] = word();
    return start;
  }

  private bytes(values: Uint8Array): number {
    const start = this.area(values.byteLength, () => 0);
    new Uint8Array(this.memory.buffer, start, values.byteLength).set(values);
    return start;
  }

  /** Examples, half of whose values are 0; the types take turns. */
  private column(width: number, index: number, random: () => number): BoundColumn {
    const count = EXAMPLES * width;
    const value = (): number => (random() < 0.5 ? 0 : Math.floor(random() * 4));
    const type = (['f32', 'u8', 'i32', 'u8'] as const)[index % 4]!;
    const scale = index % 4 === 3 ? 1 / 3 : 0.5;
    const { high, low, exact } = splitScale(scale);
    const table = type === 'u8' && !exact ? this.bytes(new Uint8Array(scaleTable(scale).buffer)) : 0;
    // What lies up to 16 bytes behind a column may come into the pads of its last example.
    const address = type === 'u8'
      ? this.bytes(Uint8Array.from({ length: count + BEHIND_COLUMN_BYTES }, value))
      : this.area(count * 4 + BEHIND_COLUMN_BYTES, () => (type === 'i32' ? value() : floatBits(value())));
    return { address, shape: [width], exampleLength: width, type, scale, scaleHigh: high, scaleLow: low, table };
  }

  /** Compares what lies between the writable ranges. */
  private strayWrites(before: Uint32Array, writable: Placed['writable']): number[] {
    const [was, is] = [Buffer.from(before.buffer), Buffer.from(this.memory.buffer)];
    const stray: number[] = [];
    let from = 0;
    for (const [start, end] of [...[...writable.values()].sort(([a], [b]) => a - b), [is.length, is.length] as const]) {
      if (was.compare(is, from, start, from, start) !== 0) stray.push(...differences(was, is, from, start));
      from = end;
    }
    return stray;
  }

  private read([start, end]: readonly [number, number]): string {
    const words = this.words.slice(start / 4, end / 4);
    words.forEach((word, at) => { if ((word & 0x7fffffff) > 0x7f800000) words[at] = 0x7fc00000; });
    return Buffer.from(words.buffer).toString('base64');
  }
}

/** The first bytes in a range that differ. */
function differences(was: Buffer, is: Buffer, from: number, end: number): number[] {
  const found: number[] = [];
  for (let at = from; at < end && found.length < 4; at++) if (was[at] !== is[at]) found.push(at);
  return found;
}

const floatView = new Float32Array(1);
const wordView = new Uint32Array(floatView.buffer);

function floatBits(value: number): number {
  floatView[0] = value;
  return wordView[0]!;
}
