// Where the tensors of a plan lie: each inside its area, and the areas no larger than allowed.
import type { PlanLimits } from './limits.js';
import type { Capacity, Home, Plan, PlanTensor } from './plan.js';
import { refusePlan } from './refuse.js';

type Area = Home['area'];

/** Bytes [start, end) of an area; of `pieceRows` and `pieceShards`, of a row or shard. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

const ALIGNMENT_BYTES = 16;

/** What a tensor in an area can depend on. */
const SCOPES: Readonly<Record<Area, readonly PlanTensor['scope'][]>> = {
  scratch: ['once', 'shards', 'rows'],
  parameters: ['once'],
  constants: ['once'],
  shared: ['once'],
  pieceRows: ['rows'],
  pieceShards: ['shards'],
  share: ['once', 'shards'],
  penalties: ['once'],
  predictions: ['rows'],
};

/** The sizes of a plan fit each other and what it is bound to. */
export function checkSizes(plan: Plan, limits: PlanLimits): void {
  const { capacity, sumsOffset, sumCount } = plan;
  if (capacity.rows > limits.capacityRows) refusePlan('it', `is for ${capacity.rows} rows at a time, and at most ${limits.capacityRows} are allowed`);
  const withExamples = limits.kind === 'examples';
  if (withExamples && capacity.rows !== capacity.shards * limits.shardRows) {
    refusePlan('it', `is for ${capacity.rows} rows in ${capacity.shards} shards at a time, and shards have ${limits.shardRows} rows`);
  }
  if (!withExamples && plan.rows.length + plan.folds.length + plan.predictions.length > 0) refusePlan('it', 'computes examples, and there are none');
  if (!withExamples && capacity.rows * capacity.shards !== 1) refusePlan('it', `is for ${capacity.rows} rows at a time, and there are none`);
  if (sumsOffset !== limits.gradientFloats) refusePlan('it', `has its sums behind ${sumsOffset} floats of gradients, of which there are ${limits.gradientFloats}`);
  const floats = sumsOffset + 4 * sumCount;
  const [shareFloats, penaltyFloats] = withExamples ? [floats, 0] : [0, floats];
  if (plan.shareFloats !== shareFloats) refusePlan('it', `has shares of ${plan.shareFloats} floats, which must be ${shareFloats}`);
  if (plan.penaltyFloats !== penaltyFloats) refusePlan('it', `has penalties of ${plan.penaltyFloats} floats, which must be ${penaltyFloats}`);
  plan.predictions.forEach(({ floats: real, stride }, index) => { checkBlock(`predictions[${index}]`, real, stride, true); });
  const predictionFloats = plan.predictions.reduce((sum, { stride }) => sum + stride * capacity.rows, 0);
  // A piece is a shard, or it is as large as is known to be affordable.
  const pieceBytes = plan.bytesPerRow * limits.shardRows + plan.bytesPerShard;
  const bytes = plan.scratchBytes + plan.sharedBytes + pieceBytes + plan.constants.byteLength + (floats + predictionFloats) * 4;
  if (bytes > limits.areaBytes) refusePlan('it', `needs ${bytes} bytes, and at most ${limits.areaBytes} are allowed`);
}

function checkBlock(place: string, floats: number, stride: number, whole: boolean): void {
  if (floats > stride) refusePlan(place, `has ${floats} floats in blocks of ${stride}`);
  if (whole && stride % 4 !== 0) refusePlan(place, `has blocks of ${stride} floats, which is no multiple of 4`);
}

/** Every tensor lies inside its area. */
export function checkTensors(plan: Plan, limits: PlanLimits): void {
  const bytes: Readonly<Record<Exclude<Area, 'predictions'>, number>> = {
    scratch: plan.scratchBytes,
    parameters: limits.parameterFloats * 4,
    constants: plan.constants.byteLength,
    shared: plan.sharedBytes,
    // Offset and length are of one row or shard: both times as many as the piece has, they are inside as well.
    pieceRows: plan.bytesPerRow,
    pieceShards: plan.bytesPerShard,
    share: plan.shareFloats * 4,
    penalties: plan.penaltyFloats * 4,
  };
  const groups = groupsOf(plan);
  plan.tensors.forEach((tensor, index) => {
    const place = `tensors[${index}]`;
    const { scope, floats, stride, home: { area, offset } } = tensor;
    // Groups have a length of their own, and no kernel but compressing and products goes through them.
    checkBlock(place, floats, stride, !groups.has(index));
    if (!SCOPES[area].includes(scope)) refusePlan(place, `lies in the ${area} and has the scope "${scope}"`);
    if (area === 'predictions') {
      const prediction = plan.predictions[offset];
      if (prediction?.floats !== floats || prediction.stride !== stride) refusePlan(place, `has ${floats} floats in blocks of ${stride}, and prediction ${offset} has not`);
      return;
    }
    if (offset % ALIGNMENT_BYTES !== 0) refusePlan(place, `begins at byte ${offset}, which is no multiple of ${ALIGNMENT_BYTES}`);
    const end = rangeOf(tensor, plan.capacity).end;
    if (end > bytes[area]) refusePlan(place, `ends at byte ${end} of the ${area}, which has ${bytes[area]}`);
  });
  checkApart(plan);
}

/** Areas that several workers write at the same time: a tensor written over there would be now the one, now the other. */
const APART: readonly Area[] = ['shared', 'pieceRows', 'pieceShards', 'share'];

function checkApart({ tensors, capacity }: Plan): void {
  for (const area of APART) {
    let before = { index: -1, end: 0 };
    for (const [index, { start, end }] of tensors.flatMap((tensor, at) => (tensor.home.area === area ? [[at, rangeOf(tensor, capacity)] as const] : [])).sort(([, a], [, b]) => a.start - b.start)) {
      if (start < before.end) refusePlan(`tensors[${index}]`, `begins at byte ${start} of the ${area}, where tensor ${before.index} is`);
      before = { index, end };
    }
  }
}

/** Tensors of these have one block, whatever the rows and shards: of all, or of each row or shard of a piece. */
const ONE_BLOCK: ReadonlySet<Area> = new Set(['share', 'pieceRows', 'pieceShards']);

/** Bytes of a tensor within its area. */
export function rangeOf({ scope, stride, home: { area, offset } }: PlanTensor, capacity: Capacity): Range {
  const blocks = ONE_BLOCK.has(area) ? 1 : scope === 'rows' ? capacity.rows : scope === 'shards' ? capacity.shards : 1;
  return { start: offset, end: offset + blocks * stride * 4 };
}

/** Tensors that compressing makes. */
export function groupsOf(plan: Plan): ReadonlySet<number> {
  return new Set(plan.rows.filter(({ op }) => op === 'compress').map(({ out }) => out));
}

/** Tensors of a piece's rows that hold panels, to which every worker adds its rows: they are whole for the folds alone. */
export function panelsOf(plan: Plan): ReadonlySet<number> {
  return new Set(plan.rows.filter(({ op, out }) => op === 'pack' && plan.tensors[out]?.home.area === 'pieceRows').map(({ out }) => out));
}
