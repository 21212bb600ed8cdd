import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import * as inNode from '../../src/sha256.js';
import * as inPages from '../../src/sha256-in-pages.js';

const bytes = Uint8Array.from({ length: 1_000 }, (_, index) => index * 7);

test.each([['Node', inNode], ['pages', inPages]])('SHA-256 in %s is that of the platform, of one part and of several', (_, { sha256Hex, startSha256 }) => {
  const expected = createHash('sha256').update('é').update(bytes).digest('hex');
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  expect(startSha256().update('é').update(shared.subarray(0, 99)).update(shared.subarray(99)).digest()).toBe(expected);
  expect(sha256Hex(shared)).toBe(createHash('sha256').update(bytes).digest('hex'));
});
