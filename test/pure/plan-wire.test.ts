import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { Packr } from 'msgpackr/pack';
import * as unpack from 'msgpackr/unpack';
import { beforeAll, describe, expect, test } from 'vitest';
import { TensorflockError } from '../../src/errors.js';
import { planHash } from '../../src/plan/hash.js';
import type { PlanLimits } from '../../src/plan/limits.js';
import { decodePlain } from '../../src/plan/msgpack.js';
import type { Plan } from '../../src/plan/plan.js';
import { decodePlan, encodePlan } from '../../src/plan/wire.js';
import { at, Spoilt } from './plan-by-hand.js';
import { casesOf, PLAN_MODELS } from './plan-models.js';
import { runs } from './properties.js';

beforeAll(async () => { await tf.ready(); });

/** The sentence of the refusal, or 'accepted'; nothing but our error may be thrown. */
function outcome(bytes: Uint8Array, limits: PlanLimits): string {
  try {
    decodePlan(bytes, limits);
    return 'accepted';
  } catch (error) {
    if (error instanceof TensorflockError && error.code === 'ERR_PLAN') return error.message;
    throw error;
  }
}

const bytesOf = (text: string): Uint8Array => Uint8Array.from(text.match(/../g)!, (digits) => parseInt(digits, 16));

test.each(PLAN_MODELS)('plans of %s come back byte for byte', (_name, build) => {
  for (const { plan, limits } of casesOf(build(), { rows: 16, shards: 2 })) {
    const bytes = encodePlan(plan);
    const back = decodePlan(bytes, limits);
    expect(back).toEqual(plan);
    expect(Buffer.compare(encodePlan(back), bytes)).toBe(0);
    expect(planHash(back)).toBe(planHash(plan));
  }
});

describe('the bytes of a plan', () => {
  const { plan, limits } = new Spoilt();
  const bytes = encodePlan(plan);

  test('do not depend on the order of its fields', () => {
    const reversed = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(reversed);
      if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
      return Object.fromEntries(Object.entries(value).reverse().map(([name, field]) => [name, reversed(field)]));
    };
    expect(Buffer.compare(encodePlan(reversed(plan) as Plan), bytes)).toBe(0);
  });

  test('are known by their hash, which every number changes', () => {
    const other = new Spoilt();
    expect(planHash(other.plan)).toBe(planHash(plan));
    expect(planHash(plan)).toMatch(/^[0-9a-f]{64}$/);
    other.step('fill').value = -1.0000001;
    expect(planHash(other.plan)).not.toBe(planHash(plan));
  });

  test('are the same for a field that is undefined and one that is not there', () => {
    const without = new Spoilt();
    Reflect.deleteProperty(without.step('matmul'), 'groups');
    const undefinedField = new Spoilt();
    Reflect.set(undefinedField.step('matmul'), 'groups', undefined);
    expect(planHash(undefinedField.plan)).toBe(planHash(without.plan));
  });

  test.each([0, -0, NaN, Infinity, -Infinity, 1e-45, 0.1, 2 ** 53, -(2 ** 40), 2 ** 31])('keep the number %s', (value) => {
    const spoilt = new Spoilt();
    spoilt.step('fill').value = value;
    const back = decodePlan(encodePlan(spoilt.plan), limits).once[0]!;
    expect(back.op === 'fill' && Object.is(back.value, value)).toBe(true);
  });

  test('give constants in memory of their own, wherever the bytes lay', () => {
    const frame = new Uint8Array(bytes.length + 3);
    frame.set(bytes, 3);
    const { constants } = decodePlan(frame.subarray(3), limits);
    expect([...constants]).toEqual([...plan.constants]);
    expect(constants.byteOffset).toBe(0);
    expect(constants.buffer).not.toBe(frame.buffer);
    expect(constants.buffer.byteLength).toBe(plan.constants.byteLength);
  });

  test('are refused when cut short anywhere', () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(outcome(bytes.subarray(0, length), limits)).toMatch(/^the plan cannot be run: it ends after \d+ bytes, /);
    }
  });

  test('are refused with something behind them', () => {
    expect(outcome(Uint8Array.of(...bytes, 0xc0, 0xc0), limits)).toContain('it has 2 bytes behind its end');
  });

  test('are refused where they are too many', () => {
    expect(outcome(bytes, { ...limits, planBytes: bytes.length - 1 })).toContain(`it has ${bytes.length} bytes, and at most ${bytes.length - 1} are allowed`);
    expect(outcome(bytes, { ...limits, planBytes: bytes.length })).toBe('accepted');
  });

  test('are refused or a plan when some of them are changed', () => {
    const change = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255));
    fc.assert(fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const changed = bytes.slice();
      for (const [position, value] of changes) changed[position] = value;
      expect(outcome(changed, limits)).toMatch(/^accepted$|^the plan cannot be run: /);
    }), runs(2_000));
  });
});

test('random bytes are refused', () => {
  const { limits } = new Spoilt();
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    expect(outcome(bytes, limits)).toMatch(/^the plan cannot be run: /);
  }), runs(3_000));
});

test('random MessagePack is refused', () => {
  const { limits } = new Spoilt();
  const packr = new Packr({ useRecords: false, variableMapSize: true });
  fc.assert(fc.property(fc.anything({ withDate: true, withMap: true, withSet: true, withTypedArray: true, maxDepth: 5 }), (value) => {
    expect(outcome(new Uint8Array(packr.pack(value)), limits)).toMatch(/^the plan cannot be run: /);
  }), runs(1_000));
});

describe('MessagePack that is no plain data', () => {
  const { limits } = new Spoilt();

  // One value within a list, so that it is met at byte 1.
  test.each([
    ['a value of no type', 'c1'],
    ['an integer of 64 bits', 'cf0000000000000001'],
    ['a negative integer of 64 bits', 'd3ffffffffffffffff'],
    ['a record, for which code is compiled', 'd472' + '40' + '92a161a162' + '0102'],
    ['a record with two bytes of number', 'd572' + '4000' + '91a161' + '01'],
    ['a regular expression', 'c70678' + '92a161a169'],
    ['an error', 'c70565' + '92a145a161'],
    ['a date', 'd6ff00000000'],
    ['a typed array', 'c70574' + '0100000000'],
    ['a reference to itself', 'd66900000001' + '90'],
    ['undefined', 'd40000'],
    ['an extension of two bytes of length', 'c80001' + '4200'],
    ['an extension of four bytes of length', 'c900000001' + '4200'],
    ['an extension of eight bytes', 'd742' + '0000000000000001'],
    ['an extension of sixteen bytes', 'd842' + '00'.repeat(16)],
  ])('is refused before it is made: %s', (_name, digits) => {
    expect(outcome(bytesOf(`91${digits}`), limits)).toContain(`it has a value of type 0x${digits.slice(0, 2)} at byte 1, which is not allowed`);
  });

  test('has texts as keys, or is refused', () => {
    expect(outcome(bytesOf('8101c0'), limits)).toContain('it has a key that is no text at byte 1');
    expect(outcome(bytesOf('81a16181c0c0'), limits)).toContain('it has a key that is no text at byte 4');
  });

  test('cannot give an object another prototype', () => {
    const { plan } = new Spoilt();
    const packed = Buffer.from(encodePlan(plan)).toString('hex');
    // A map of 18 fields becomes one of 19, with "__proto__" -> {}.
    expect(packed.slice(0, 6)).toBe('de0012');
    expect(outcome(bytesOf(`de0013a95f5f70726f746f5f5f80${packed.slice(6)}`), limits)).toContain('it has the unknown field "__proto_"');
  });

  test('is refused where lists and maps lie within each other too deep', () => {
    expect(outcome(bytesOf('9191919180'), limits)).toContain('it has more than 4 lists and maps within each other');
    expect(outcome(new Uint8Array(1_000_000).fill(0x91), limits)).toContain('it has more than 4 lists and maps within each other');
  });

  test.each(['dd', 'df', 'db', 'c6'])('is refused where a length is more than there is: 0x%s', (token) => {
    expect(outcome(bytesOf(`${token}ffffffff`), limits)).toMatch(/it ends after 5 bytes, /);
  });

  test('is refused with too many values, however small each is', () => {
    const refuse = (problem: string): never => { throw new Error(problem); };
    // A list of three and itself are four values.
    expect(decodePlain(bytesOf('93010203'), { depth: 1, values: 4 }, refuse)).toEqual([1, 2, 3]);
    expect(() => decodePlain(bytesOf('93010203'), { depth: 1, values: 3 }, refuse)).toThrow('has more than 3 values');
  });

  test('is decoded as it was encoded, where it is', () => {
    const refuse = (problem: string): never => { throw new Error(problem); };
    const packr = new Packr({ useRecords: false, variableMapSize: true });
    const plain = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 3 }, fc.integer(), fc.double(), fc.string({ maxLength: 300 }), fc.boolean(), fc.constant(null), tie('list'), tie('map')),
      list: fc.array(tie('value'), { maxLength: 20 }),
      map: fc.dictionary(fc.string({ maxLength: 40 }).filter((name) => name !== '__proto__'), tie('value'), { maxKeys: 20 }),
    })).value;
    fc.assert(fc.property(plain, (value) => {
      const back = decodePlain(new Uint8Array(packr.pack(value)), { depth: 9, values: 1e6 }, refuse);
      expect(JSON.stringify(back)).toBe(JSON.stringify(value));
    }), runs(500));
  });
});

test('no native code reads the bytes', () => {
  expect(Reflect.get(unpack, 'isNativeAccelerationEnabled')).toBe(false);
});

test('a hostile plan is refused as bytes as it is as an object', () => {
  const spoilt = new Spoilt();
  spoilt.step('unary').x = at('label');
  expect(outcome(encodePlan(spoilt.plan), spoilt.limits)).toContain('rows[5] (unary) reads 8 floats of tensor 7 ("x"), in blocks of 4');
});
