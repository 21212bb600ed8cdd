import { expect, test } from 'vitest';
import { lacksOf, type PagePowers } from '../../cluster/browser/lacks.js';

const ALL: PagePowers = { isSecure: true, isIsolated: true, hasSimd: true, hasRelaxedSimd: true, hasWakeLock: true, hasKey: true };

test('a page that has everything says nothing', () => {
  expect(lacksOf(ALL)).toEqual([]);
});

test.each<[keyof PagePowers, RegExp]>([
  ['isSecure', /strangers on this network can read and change what is sent, this page itself included/],
  ['isIsolated', /one of them computes; over https each core can/],
  ['hasSimd', /cannot compute for any run/],
  ['hasRelaxedSimd', /--kernels portable/],
  ['hasWakeLock', /screen/],
  ['hasKey', /asks nobody for a key/],
])('one without %s says what follows', (power, sentence) => {
  expect(lacksOf({ ...ALL, [power]: false })).toEqual([expect.stringMatching(sentence)]);
});

test('one without SIMD is told of no option that would not help', () => {
  expect(lacksOf({ ...ALL, hasSimd: false, hasRelaxedSimd: false }).join()).not.toContain('--kernels');
});
