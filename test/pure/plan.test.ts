import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { placeSlots, type Slot } from '../../src/plan/layout.js';
import { layoutParameters, readSlot, writeSlot, type ParameterLayout, type WeightDescription } from '../../src/plan/parameters.js';
import type { Home, Instruction, Plan, PlanTensor } from '../../src/plan/plan.js';
import { ModelPlans } from '../../src/train/model-plans.js';
import { readGoldens, buildModel } from '../golden/format.js';
import { mlp } from '../threads/models.js';
import { mixing, twoInputs } from './plan-models.js';
import { runs } from './properties.js';

beforeAll(async () => { await tf.ready(); });

const overlap = (a: number, aEnd: number, b: number, bEnd: number): boolean => a < bEnd && b < aEnd;

describe('slots of scratch', () => {
  const slotLists = fc.array(fc.record({ first: fc.nat(40), life: fc.nat(12), lines: fc.integer({ min: 1, max: 9 }) }), { maxLength: 40 })
    .map((list) => list.map(({ first, life, lines }, tensor): Slot => ({ tensor, first, last: first + life, byteLength: lines * 64 })));

  test('that are alive at the same time do not overlap, and all lie in the announced bytes', () => {
    fc.assert(fc.property(slotLists, (slots) => {
      const { offsets, byteLength } = placeSlots(slots, slots.length);
      slots.forEach((a, i) => {
        const start = offsets[i]!;
        expect(start % 64).toBe(0);
        expect(start + a.byteLength).toBeLessThanOrEqual(byteLength);
        for (const b of slots.slice(i + 1)) {
          const bothAlive = a.first <= b.last && b.first <= a.last;
          const other = offsets[b.tensor]!;
          expect(bothAlive && overlap(start, start + a.byteLength, other, other + b.byteLength)).toBe(false);
        }
      });
    }), runs(300));
  });

  test('that follow each other share their bytes', () => {
    const slots = [0, 1, 2].map((tensor): Slot => ({ tensor, first: 2 * tensor, last: 2 * tensor + 1, byteLength: 64 }));
    expect(placeSlots(slots, 3)).toEqual({ offsets: [0, 0, 0], byteLength: 64 });
  });

  test('do not depend on the order in which they are named', () => {
    fc.assert(fc.property(slotLists, (slots) => {
      expect(placeSlots([...slots].reverse(), slots.length)).toEqual(placeSlots(slots, slots.length));
    }), runs(100));
  });
});

/** Every kind of plan of one model, at a capacity of 3 shards of 5 rows. */
function plansOf(model: tfl.LayersModel): { layout: ParameterLayout; plans: [string, Plan][] } {
  const made = new ModelPlans(model);
  const capacity = { rows: 15, shards: 3 };
  const penalties = made.penalties();
  return {
    layout: made.layout,
    plans: [
      ['training', made.training(capacity)], ['evaluation', made.evaluation(capacity)], ['prediction', made.prediction(capacity)],
      ...(penalties === undefined ? [] : [['penalties', penalties] as [string, Plan]]),
    ],
  };
}

const MODELS: [string, () => tfl.LayersModel][] = [
  ['an mlp', () => mlp()],
  ['an mlp with dropout and penalties', () => mlp({ dropout: 0.5, regularizer: true })],
  ['two inputs, two outputs and a shared layer', twoInputs],
  ['a loss that mixes the examples of a shard', mixing],
  ...readGoldens().models.filter(({ name }) => name !== 'logits and class indices').map((golden): [string, () => tfl.LayersModel] => [golden.name, () => buildModel(golden)]),
];

/** Tensors that an instruction names, with what it does to them, spelled out here once more. */
function accessesOf(instruction: Instruction): { reads: number[]; out: number } {
  const { out } = instruction;
  switch (instruction.op) {
    case 'gather': case 'noise': case 'fill': return { reads: [], out };
    case 'binary': return { reads: [instruction.a, instruction.b], out };
    case 'select': return { reads: [instruction.c, instruction.t, instruction.e], out };
    case 'matmul': return { reads: [instruction.a, instruction.packed, ...given(instruction.groups)], out };
    case 'matmulFold': return { reads: [instruction.packed, ...given(instruction.a)], out };
    default: return { reads: [instruction.x], out };
  }
}

const given = (tensor: number | undefined): number[] => (tensor === undefined ? [] : [tensor]);

const instructionsOf = (plan: Plan): Instruction[] => [...plan.shared, ...plan.once, ...plan.rows, ...plan.folds];

const bytesOf = ({ scope, stride }: PlanTensor, { capacity }: Plan): number =>
  (scope === 'rows' ? capacity.rows : scope === 'shards' ? capacity.shards : 1) * stride * 4;

interface Life { first: number; last: number }

/** Lives of the tensors in scratch; what the parameters alone determine is kept for all pieces, so it lives always. */
function livesOf(plan: Plan): Map<number, Life> {
  const lives = new Map<number, Life>();
  instructionsOf(plan).forEach((instruction, at) => {
    const { reads, out } = accessesOf(instruction);
    for (const tensor of [...reads, out]) {
      const life = lives.get(tensor) ?? { first: at, last: at };
      lives.set(tensor, { ...life, last: at });
    }
  });
  for (const { out } of plan.once) lives.set(out, { first: 0, last: instructionsOf(plan).length });
  return lives;
}

/** Bytes of each area. A share's slot is shareFloats long; predictions have a place of their own each. */
function areaBytes(plan: Plan, layout: ParameterLayout, { area }: Home): number {
  switch (area) {
    case 'scratch': return plan.scratchBytes;
    case 'parameters': return layout.totalFloats * 4;
    case 'constants': return plan.constants.byteLength;
    case 'shared': return plan.sharedBytes;
    // Offsets are of one row or shard, of which there are as many as a piece has.
    case 'pieceRows': return plan.bytesPerRow;
    case 'pieceShards': return plan.bytesPerShard;
    case 'share': return plan.shareFloats * 4;
    case 'penalties': return plan.penaltyFloats * 4;
    case 'predictions': return Infinity;
  }
}

describe.each(MODELS)('plans of %s', (_name, build) => {
  test('hold no two live tensors in the same bytes of scratch', () => {
    for (const [kind, plan] of plansOf(build()).plans) {
      const live = [...livesOf(plan)].filter(([tensor]) => plan.tensors[tensor]!.home.area === 'scratch');
      live.forEach(([a, aLife], i) => {
        for (const [b, bLife] of live.slice(i + 1)) {
          if (aLife.first > bLife.last || bLife.first > aLife.last) continue;
          const [one, two] = [plan.tensors[a]!, plan.tensors[b]!];
          const shared = overlap(one.home.offset, one.home.offset + bytesOf(one, plan), two.home.offset, two.home.offset + bytesOf(two, plan));
          expect(shared, `${kind}: tensors ${a} and ${b}`).toBe(false);
        }
      });
    }
  });

  test('stay inside their areas, aligned to 16 bytes', () => {
    const { layout, plans } = plansOf(build());
    for (const [kind, plan] of plans) {
      for (const instruction of instructionsOf(plan)) {
        const { reads, out } = accessesOf(instruction);
        for (const index of [...reads, out]) {
          const tensor = plan.tensors[index]!;
          // What is summed over the shards is one block, whatever the number of shards; so is a row or shard of a piece.
          const isBlock = ['share', 'pieceRows', 'pieceShards'].includes(tensor.home.area);
          const byteLength = isBlock ? tensor.stride * 4 : bytesOf(tensor, plan);
          const what = `${kind}: ${instruction.op}, tensor ${index} in ${tensor.home.area}`;
          expect(tensor.home.area === 'predictions' ? 0 : tensor.home.offset % 16, what).toBe(0);
          expect(tensor.home.offset, what).toBeGreaterThanOrEqual(0);
          expect(tensor.home.offset + byteLength, what).toBeLessThanOrEqual(areaBytes(plan, layout, tensor.home));
        }
      }
    }
  });

  test('fold nothing that a worker keeps to itself, and keep what folds read apart', () => {
    for (const [kind, plan] of plansOf(build()).plans) {
      const read = [...new Set(plan.folds.flatMap((fold) => accessesOf(fold).reads))].map((index) => plan.tensors[index]!);
      for (const { home } of read) expect(['pieceRows', 'pieceShards'], kind).toContain(home.area);
      for (const area of ['pieceRows', 'pieceShards']) {
        const there = read.filter(({ home }) => home.area === area).sort((a, b) => a.home.offset - b.home.offset);
        there.slice(1).forEach((tensor, i) => { expect(there[i]!.home.offset + there[i]!.stride * 4, kind).toBeLessThanOrEqual(tensor.home.offset); });
      }
    }
  });

  test('read nothing before it is written, and write no parameter or constant', () => {
    for (const [kind, plan] of plansOf(build()).plans) {
      const written = new Set(plan.tensors.flatMap(({ home }, index) => (home.area === 'parameters' || home.area === 'constants' ? [index] : [])));
      const given = new Set(written);
      for (const instruction of instructionsOf(plan)) {
        const { reads, out } = accessesOf(instruction);
        for (const read of reads) expect(written.has(read), `${kind}: ${instruction.op} reads tensor ${read}`).toBe(true);
        expect(given.has(out), `${kind}: ${instruction.op} writes tensor ${out}`).toBe(false);
        written.add(out);
      }
    }
  });

  test('give every gradient and every sum a place of its own in the share', () => {
    const { plans } = plansOf(build());
    for (const [kind, plan] of plans) {
      const outputs = [...new Set(instructionsOf(plan).map(({ out }) => out))]
        .map((index) => plan.tensors[index]!)
        .filter(({ home }) => home.area === 'share' || home.area === 'penalties')
        .sort((a, b) => a.home.offset - b.home.offset);
      outputs.slice(1).forEach((tensor, i) => {
        const before = outputs[i]!;
        expect(before.home.offset + before.stride * 4, kind).toBeLessThanOrEqual(tensor.home.offset);
      });
      if (kind === 'training') expect(outputs.filter(({ home }) => home.offset >= plan.sumsOffset * 4)).toHaveLength(plan.sumCount);
    }
  });
});

test('a model whose loss mixes the examples of a shard says so', () => {
  expect(plansOf(mixing()).plans[0]![1].mixesRows).toBe(true);
  expect(plansOf(mlp()).plans[0]![1].mixesRows).toBe(false);
});

describe('the layout of the parameters', () => {
  const weights = fc.array(
    fc.record({
      name: fc.constant('w'),
      shape: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 3 }),
      trainable: fc.boolean(),
      updated: fc.boolean(),
    }),
    { minLength: 1, maxLength: 8 },
  );
  const sizeOf = (weight: WeightDescription): number => weight.shape.reduce((product, length) => product * length, 1);

  test('gives back what was written, and writes nothing besides', () => {
    fc.assert(fc.property(weights, (list) => {
      const { slots, totalFloats } = layoutParameters(list);
      const memory = new Float32Array(totalFloats + 4).fill(NaN);
      const values = list.map((weight, index) => Float32Array.from({ length: sizeOf(weight) }, (_, i) => index * 1_000 + i));
      slots.forEach((slot, index) => { writeSlot(slot, values[index]!, memory); });
      expect(slots.map((slot) => readSlot(slot, memory))).toEqual(values);
      expect(memory.filter((value) => !Number.isNaN(value))).toHaveLength(list.reduce((sum, weight) => sum + sizeOf(weight), 0));
    }), runs(200));
  });

  test('puts what is updated first, in model order, and every slot on a cache line', () => {
    fc.assert(fc.property(weights, (list) => {
      const { slots, updatedFloats, totalFloats } = layoutParameters(list);
      const order = [...list.keys()].sort((a, b) => Number(list[b]!.updated) - Number(list[a]!.updated) || a - b);
      let end = 0;
      for (const index of order) {
        const slot = slots[index]!;
        expect(slot.offset % 64).toBe(0);
        expect(slot.stride % 4).toBe(0);
        expect(slot.offset).toBeGreaterThanOrEqual(end);
        end = slot.offset + slot.rows * slot.stride * 4;
        if (list[index]!.updated) expect(end).toBeLessThanOrEqual(updatedFloats * 4);
        else expect(slot.offset).toBeGreaterThanOrEqual(updatedFloats * 4);
      }
      expect(end).toBeLessThanOrEqual(totalFloats * 4);
      expect(updatedFloats % 16).toBe(0);
    }), runs(200));
  });
});
