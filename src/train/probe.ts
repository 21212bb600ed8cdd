// What shows whether two machines compute the same bits: a run of the plan on numbers that both make from a seed.
import type { Column } from '../data/dataset.js';
import { Arena } from '../kernels/arena.js';
import type { Plan } from '../plan/plan.js';
import { philoxInto, type Key } from '../random/philox.js';
import { sha256Hex } from '../sha256.js';
import { COMMAND, CONTROL_BYTES, FIELD, viewControl } from './control.js';
import { placeColumns, placeProgram, type ColumnForm } from './programs.js';
import type { WorkerPool } from './session.js';

/** Shards of the probe: a tree with a last child that goes up alone, and a last shard that is short. */
const SHARDS = 3;

/** Runs of the probe: engines optimise code after a while, which must not change a bit. */
const RUNS = 24;

const DRAWS_AT_ONCE = 2 ** 20;

export interface ProbeSubject {
  readonly plan: Plan;
  /** Floats of all parameters, as the plan lays them out. */
  readonly parameterFloats: number;
  readonly shardRows: number;
  readonly inputs: readonly ColumnForm[];
  readonly targets: readonly ColumnForm[];
}

/** What it is computed with. */
export interface ProbeTools {
  readonly pool: WorkerPool;
  readonly module: WebAssembly.Module;
  readonly tile: number;
  /** False where the kernels are built for a memory of one thread, which is the pool's only one; true by default. */
  readonly isShared?: boolean | undefined;
}

/**
 * SHA-256 of the probe's shares, computed by all workers of a pool; undefined where two runs differ, which no engine that
 * follows the standard does.
 */
export async function probeHash(subject: ProbeSubject, seed: number, tools: ProbeTools): Promise<string | undefined> {
  const { plan, parameterFloats, shardRows } = subject;
  const rows = SHARDS * shardRows - Math.floor(shardRows / 2);
  const arena = new Arena(undefined, tools.isShared);
  const draws = new Draws([seed >>> 0, Math.floor(seed / 2 ** 32)]);
  const control = arena.slot('the control block', CONTROL_BYTES);
  const parameters = arena.slot('the parameters', parameterFloats * 4);
  await drawParameters(arena.floats(parameters, parameterFloats), draws);
  const inputs = subject.inputs.map((form) => drawInputs(form, rows, () => draws.next()));
  // Labels are 0 or 1, since the number of classes is not known here.
  const targets = subject.targets.map((form) => drawLabels(form, rows, () => draws.next()));
  const data = { inputs: placeColumns(arena, inputs, 'the probe'), targets: placeColumns(arena, targets, 'the probe'), examples: rows };
  const train = placeProgram(arena, plan, { name: 'the probe', workers: tools.pool.workers, parameters, data, batchRows: rows, shardRows });
  arena.words(train.indices, rows).forEach((_, at, all) => { all[at] = at; });
  const { fields, orders } = viewControl(arena.memory, control);
  fields[FIELD.packedVersion] = -1;
  const runner = tools.pool.open({ memory: arena.memory, module: tools.module, workers: tools.pool.workers, tile: tools.tile, seed, shuffle: false, control, train, faults: [] });
  try {
    const hashes = new Set<string>();
    for (let run = 0; run < RUNS; run++) {
      orders.writeShares({ step: 0, draw: 0, shares: [{ level: Math.ceil(Math.log2(SHARDS)), index: 0, slot: 0 }] });
      await runner.run(COMMAND.shares);
      hashes.add(sha256Hex(arena.bytes(train.shares, plan.shareFloats * 4)));
    }
    return hashes.size === 1 ? [...hashes][0] : undefined;
  } finally {
    await runner.end();
  }
}

/** A few at a time: whoever draws many lets its connections say meanwhile that it lives. */
async function drawParameters(parameters: Float32Array, draws: Draws): Promise<void> {
  for (let start = 0; start < parameters.length; start += DRAWS_AT_ONCE) {
    parameters.subarray(start, start + DRAWS_AT_ONCE).forEach((_, at, all) => { all[at] = draws.next() / 2 ** 35 - 1 / 16; });
    await new Promise((resolve) => { setTimeout(resolve); });
  }
}

/** Words of one stream of the counter-based generator. */
class Draws {
  readonly #words = new Uint32Array(4);
  #drawn = 0;

  constructor(private readonly key: Key) {}

  /** 32 random bits. */
  next(): number {
    const lane = this.#drawn % 4;
    if (lane === 0) philoxInto(this.#words, this.#drawn / 4, 0, 0, 0, this.key);
    this.#drawn++;
    return this.#words[lane]!;
  }
}

function drawLabels({ type, shape }: ColumnForm, rows: number, draw: () => number): Column {
  const labels = Uint8Array.from({ length: rows * valuesOf(shape) }, () => draw() & 1);
  const values = type === 'uint8' ? labels : type === 'int32' ? Int32Array.from(labels) : Float32Array.from(labels);
  return { values, shape: [rows, ...shape], scale: 1 };
}

/**
 * Numbers up to 1, whatever the data are: where outputs are so far apart that a probability is 0 or 1, losses clip it and their
 * gradient is 0, in every arithmetic alike.
 */
function drawInputs({ type, shape }: ColumnForm, rows: number, draw: () => number): Column {
  const length = rows * valuesOf(shape);
  const whole = { shape: [rows, ...shape] };
  if (type === 'uint8') return { values: Uint8Array.from({ length }, draw), ...whole, scale: 1 / 255 };
  if (type === 'int32') return { values: Int32Array.from({ length }, () => draw() & 255), ...whole, scale: 1 / 255 };
  return { values: Float32Array.from({ length }, () => (draw() | 0) / 2 ** 31), ...whole, scale: 1 };
}

const valuesOf = (shape: readonly number[]): number => shape.reduce((product, axis) => product * axis, 1);
