import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { TensorflockError } from '../../src/errors.js';
import { TILES } from '../../src/kernels/tiles.js';
import { checkPlan } from '../../src/plan/check.js';
import type { PlanLimits } from '../../src/plan/limits.js';
import type { Plan } from '../../src/plan/plan.js';
import { mlp } from '../threads/models.js';
import { ArenaTooSmall, PlanArena, type RunResult } from './plan-arena.js';
import { Spoilt } from './plan-by-hand.js';
import { casesOf, mixing, twoInputs } from './plan-models.js';
import { runs } from './properties.js';

beforeAll(async () => { await tf.ready(); });

/** What a mutation puts in the place of something. */
const replacement = fc.oneof(
  { weight: 6, arbitrary: fc.nat(20) },
  { weight: 2, arbitrary: fc.constantFrom(-1, 0.5, -0, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53, NaN, Infinity, -Infinity) },
  { weight: 1, arbitrary: fc.constantFrom('rows', 'once', 'shards', 'fold', 'scratch', 'share', 'pieceRows', 'pieceShards', 'add', 'relu', 'meanLast', 'pack') },
  { weight: 1, arbitrary: fc.constantFrom(true, false, null, undefined) },
  { weight: 1, arbitrary: fc.constantFrom([], {}, [1, 1, 1, 1], new Uint8Array(16)) },
);

type Mutation =
  | { readonly kind: 'replace'; readonly place: number; readonly value: unknown }
  | { readonly kind: 'shift'; readonly place: number; readonly by: number }
  | { readonly kind: 'borrow' | 'swap'; readonly place: number; readonly other: number }
  | { readonly kind: 'delete' | 'insert' | 'repeat'; readonly place: number; readonly name: string };

const place = fc.nat(1_000_000);
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('replace' as const), place, value: replacement }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('shift' as const), place, by: fc.constantFrom(1, -1, 2, -2, 4, -4, 8, -8, 16, -16, 64, -64) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('borrow' as const, 'swap' as const), place, other: place }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('delete' as const, 'insert' as const, 'repeat' as const), place, name: fc.constantFrom('groups', 'x', 'code', '__proto__') }) },
);

/** A field, or a member of a list. */
interface Place {
  readonly owner: Record<string, unknown>;
  readonly name: string;
}

function placesOf(owner: object): Place[] {
  return Object.entries(owner).flatMap(([name, value]) => [
    { owner: owner as Record<string, unknown>, name },
    ...(typeof value === 'object' && value !== null && !(value instanceof Uint8Array) ? placesOf(value as object) : []),
  ]);
}

function mutate(plan: object, change: Mutation): void {
  const places = placesOf(plan);
  const { owner, name } = places[change.place % places.length]!;
  const value = owner[name];
  switch (change.kind) {
    case 'replace': owner[name] = structuredClone(change.value); return;
    case 'shift': {
      // A number nearby, wherever the place is.
      const numbers = places.filter((each) => typeof each.owner[each.name] === 'number');
      const chosen = numbers[change.place % numbers.length]!;
      chosen.owner[chosen.name] = (chosen.owner[chosen.name] as number) + change.by;
      return;
    }
    case 'borrow':
    case 'swap': {
      const alike = places.filter((each) => each.name === name && typeof each.owner[each.name] === typeof value);
      const other = alike[change.other % alike.length]!;
      owner[name] = structuredClone(other.owner[other.name]);
      if (change.kind === 'swap') other.owner[other.name] = structuredClone(value);
      return;
    }
    case 'delete':
      if (Array.isArray(owner)) owner.splice(Number(name), 1);
      else Reflect.deleteProperty(owner, name);
      return;
    case 'insert': owner[change.name] = 1; return;
    case 'repeat': if (Array.isArray(owner)) owner.splice(Number(name), 0, structuredClone(value)); return;
  }
}

/** What the machine of the test gives: a plan that passes runs in a moment. */
const SMALL = { areaBytes: PlanArena.areaBytes / 2, capacityRows: 32, multiplyAddsPerRow: 1e6, floatsPerRow: 1e6 } as const;

interface Base {
  readonly plan: Plan;
  readonly limits: PlanLimits;
}

let bases: Base[];

beforeAll(() => {
  const models = [mlp({ dropout: 0.3, regularizer: true }), mlp({ features: 31, units: 192 }), twoInputs(), mixing()];
  const compiled = models.flatMap((model) => casesOf(model, { rows: 16, shards: 2 }));
  bases = [new Spoilt(), new Spoilt(), ...compiled].map(({ plan, limits }) => ({ plan, limits: { ...limits, ...SMALL } }));
});

/** The checked plan, or undefined where it was refused as it must be. */
function checked(plan: unknown, limits: PlanLimits): Plan | undefined {
  try {
    return checkPlan(plan, limits);
  } catch (error) {
    if (error instanceof TensorflockError && error.code === 'ERR_PLAN') return undefined;
    throw error;
  }
}

/** Undefined where the memory is too small, as an arena would say before anything runs. */
function runIn(arena: PlanArena, plan: Plan, limits: PlanLimits, rows: number, tile: number): RunResult | undefined {
  try {
    return arena.run(plan, limits, { rows, tile });
  } catch (error) {
    if (error instanceof ArenaTooSmall) return undefined;
    throw error;
  }
}

describe('a plan with mutations', () => {
  test('is refused, or touches nothing but its areas', () => {
    const arena = new PlanArena('fma');
    let accepted = 0;
    fc.assert(fc.property(fc.nat(), fc.array(mutation, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 48 }), fc.nat(TILES.length - 1), (chosen, mutations, rows, tile) => {
      const { plan, limits } = bases[chosen % bases.length]!;
      const mutated = structuredClone(plan);
      for (const each of mutations) mutate(mutated, each);
      const passed = checked(mutated, limits);
      if (passed === undefined) return;
      const ran = runIn(arena, passed, limits, rows, tile);
      if (ran === undefined) return;
      accepted++;
      const { strayWrites, results } = ran;
      expect(strayWrites).toEqual([]);
      expect(arena.run(passed, limits, { rows, tile, outsideBits: 0x3f800000 }).results).toBe(results);
    }), runs(3_000));
    // A check that refuses everything would pass as well.
    expect(accepted).toBeGreaterThan(300);
  });
});
