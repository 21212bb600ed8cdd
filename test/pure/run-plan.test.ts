import { describe, expect, test } from 'vitest';
import { ClusterError } from '../../cluster/protocol/errors.js';
import type { ManifestColumn } from '../../cluster/protocol/run-description.js';
import { decodeRunPlan, encodeRunPlan, type PlanOrigin } from '../../cluster/run-plan.js';
import { optimizers } from '../../src/optimizers/index.js';
import { Spoilt } from './plan-by-hand.js';

const column = (role: ManifestColumn['role'], width: number): ManifestColumn => ({
  name: role, role, split: 'train', sha256: '0'.repeat(64), byteLength: 40 * width, type: 'uint8', shape: [width], exampleCount: 40, scale: 1,
});

// What the plan by hand is made for: 6 inputs, a label, shards of 8 rows, 64 floats of parameters and as many of gradients.
const ORIGIN: PlanOrigin = { columns: [column('input', 6), column('target', 1)], shardSize: 8, mode: { kind: 'sync' }, address: 'host:1' };
const LOCAL: PlanOrigin = { ...ORIGIN, mode: { kind: 'local', period: 4 } };

function refusalOf(bytes: Uint8Array, origin: PlanOrigin): string {
  try {
    decodeRunPlan(bytes, origin);
    return 'accepted';
  } catch (error) {
    expect(error).toBeInstanceOf(ClusterError);
    expect((error as ClusterError).code).toBe('ERR_OTHER_PLAN');
    return (error as ClusterError).message;
  }
}

describe('the plan of a run', () => {
  const { plan } = new Spoilt();
  const bytes = encodeRunPlan({ plan, parameterFloats: 64 });

  test('comes back as it was sent', () => {
    expect(decodeRunPlan(bytes, ORIGIN)).toEqual({ plan, parameterFloats: 64 });
  });

  test('comes back with an optimizer where nodes make steps of their own', () => {
    const own = { optimizer: optimizers.adamw({ clipNorm: 1 }), penalties: undefined };
    expect(decodeRunPlan(encodeRunPlan({ plan, parameterFloats: 64, own }), LOCAL)).toEqual({ plan, parameterFloats: 64, own });
  });

  test('is refused by name of the coordinator where its check finds a fault', () => {
    const spoilt = new Spoilt();
    spoilt.step('unary').name = 'sgd';
    expect(refusalOf(encodeRunPlan({ plan: spoilt.plan, parameterFloats: 64 }), ORIGIN)).toMatch(/^The plan of host:1 cannot be used here: the plan cannot be run: rows\[5\] \(unary\) has "sgd"/);
  });

  test.each<[string, Uint8Array, PlanOrigin]>([
    ['no optimizer where nodes make steps of their own', bytes, LOCAL],
    ['an optimizer where they make none', encodeRunPlan({ plan, parameterFloats: 64, own: { optimizer: optimizers.sgd(), penalties: undefined } }), ORIGIN],
    ['a plan of a step in the place of the penalties', encodeRunPlan({ plan, parameterFloats: 64, own: { optimizer: optimizers.sgd(), penalties: plan } }), LOCAL],
    ['a damaged optimizer', encodeRunPlan({ plan, parameterFloats: 64, own: { optimizer: optimizers.sgd(), penalties: undefined } }).fill(0xff, -4), LOCAL],
    ['bytes behind its end', Uint8Array.of(...bytes, 0), ORIGIN],
    ['fewer bytes than its head', bytes.subarray(0, 7), ORIGIN],
    ['other columns', bytes, { ...ORIGIN, columns: [column('input', 5), column('target', 1)] }],
    ['columns for validation in place of its own', bytes, { ...ORIGIN, columns: ORIGIN.columns.map((each) => ({ ...each, split: 'validation' as const })) }],
    ['shards of another size', bytes, { ...ORIGIN, shardSize: 4 }],
    ['fewer parameters than it reads', encodeRunPlan({ plan, parameterFloats: 60 }), ORIGIN],
    ['parameters that no arena holds', encodeRunPlan({ plan, parameterFloats: 2 ** 30 }), ORIGIN],
    // 2 ** 32 bytes are 64 of parameters at 4, the data, and 7,695 of the 7,696 that the plan needs.
    ['data that leave no room for it', bytes, { ...ORIGIN, columns: [...ORIGIN.columns, { ...column('input', 1), split: 'validation', exampleCount: 2 ** 32 - 64 * 4 - 280 - 7_695 }] }],
  ])('is refused with %s', (_what, sent, origin) => {
    expect(refusalOf(sent, origin)).toContain('The plan of host:1 cannot be used here: ');
  });

  test('is accepted where the data leave just the room for it', () => {
    const rest = { ...column('input', 1), split: 'validation' as const, exampleCount: 2 ** 32 - 64 * 4 - 280 - 7_696 };
    expect(refusalOf(bytes, { ...ORIGIN, columns: [...ORIGIN.columns, rest] })).toBe('accepted');
  });
});
