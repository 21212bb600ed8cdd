// Where the tensors of a plan lie: each inside its area, and the areas no larger than allowed.
import type { Range } from './check-products.js';
import type { PlanLimits } from './limits.js';
import type { Capacity, Home, Plan, PlanTensor } from './plan.js';
import { refusePlan } from './refuse.js';

type Area = Home['area'];

const ALIGNMENT_BYTES = 16;

/** What a tensor in an area can depend on. */
const SCOPES: Readonly<Record<Area, readonly PlanTensor['scope'][]>> = {
  scratch: ['once', 'shards', 'rows'],
  parameters: ['once'],
  constants: ['once'],
  shared: ['once'],
  share: ['once', 'shards'],
  penalties: ['once'],
  predictions: ['rows'],
};

/** The sizes of a plan fit each other and what it is bound to. */
export function checkSizes(plan: Plan, limits: PlanLimits): void {
  const { capacity, sumsOffset, sumCount } = plan;
  if (capacity.rows > limits.pieceRows) refusePlan('it', `is for pieces of ${capacity.rows} rows, and at most ${limits.pieceRows} are allowed`);
  const withExamples = limits.kind === 'examples';
  if (withExamples && capacity.rows !== capacity.shards * limits.shardRows) {
    refusePlan('it', `is for pieces of ${capacity.rows} rows in ${capacity.shards} shards, and shards have ${limits.shardRows} rows`);
  }
  if (!withExamples && plan.piece.length + plan.predictions.length > 0) refusePlan('it', 'computes examples, and there are none');
  if (!withExamples && capacity.rows * capacity.shards !== 1) refusePlan('it', `is for pieces of ${capacity.rows} rows, and there are none`);
  if (sumsOffset !== limits.gradientFloats) refusePlan('it', `has its sums behind ${sumsOffset} floats of gradients, of which there are ${limits.gradientFloats}`);
  const floats = sumsOffset + 4 * sumCount;
  const [shareFloats, penaltyFloats] = withExamples ? [floats, 0] : [0, floats];
  if (plan.shareFloats !== shareFloats) refusePlan('it', `has shares of ${plan.shareFloats} floats, which must be ${shareFloats}`);
  if (plan.penaltyFloats !== penaltyFloats) refusePlan('it', `has penalties of ${plan.penaltyFloats} floats, which must be ${penaltyFloats}`);
  plan.predictions.forEach(({ floats: real, stride }, index) => { checkBlock(`predictions[${index}]`, real, stride, true); });
  const predictionFloats = plan.predictions.reduce((sum, { stride }) => sum + stride * capacity.rows, 0);
  const bytes = plan.scratchBytes + plan.sharedBytes + plan.constants.byteLength + (floats + predictionFloats) * 4;
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
}

/** Bytes of a tensor within its area; a share has one block for all shards. */
export function rangeOf({ scope, stride, home: { area, offset } }: PlanTensor, capacity: Capacity): Range {
  const blocks = scope === 'rows' ? capacity.rows : scope === 'shards' && area !== 'share' ? capacity.shards : 1;
  return { start: offset, end: offset + blocks * stride * 4 };
}

/** Tensors that compressing makes. */
export function groupsOf(plan: Plan): ReadonlySet<number> {
  return new Set(plan.piece.filter(({ op }) => op === 'compress').map(({ out }) => out));
}
