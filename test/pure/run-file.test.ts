import { describe, expect, test } from 'vitest';
import { decodeRun, encodeRun } from '../../src/train/run-file.js';
import type { RunFileEntry } from '../../src/train/run-file.js';

const PATH = '/run/run.json';
const entries = filesOf('step-12.1');
const text = encodeRun(12, entries, { loss: [0.5, 0.25] });

function filesOf(folder: string): RunFileEntry[] {
  return ['model.safetensors', 'model.json', 'weights.bin'].map((name, index) => ({ path: `${folder}/${name}`, byteLength: index, sha256: '0f'.repeat(32) }));
}

test('what was encoded is decoded', () => {
  expect(decodeRun(text, PATH)).toEqual({ step: 12, files: entries, record: { loss: [0.5, 0.25] } });
});

test('only the text matters, not how it is laid out', () => {
  expect(decodeRun(JSON.stringify(JSON.parse(text)), PATH)).toEqual(decodeRun(text, PATH));
});

test('the sum is the SHA-256 of the JSON before it was added', () => {
  // printf '%s' '{"format":"tensorflock-run","formatVersion":1,"step":0,"files":[],"record":{}}' | sha256sum
  expect(encodeRun(0, [], {})).toContain('"sha256": "916d7f7ed772ba107144597be261478423da79bb0dff74ea87ce5ad6e1e649ff"');
});

test('a text cut anywhere is refused', () => {
  for (let length = 0; length < text.trimEnd().length; length += 1) {
    expect(() => decodeRun(text.slice(0, length), PATH)).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT_TORN' }));
  }
});

test('any digit or letter that differs is noticed', () => {
  for (const { index } of text.matchAll(/[0-9a-z]/g)) {
    const other = text[index] === '7' ? '8' : '7';
    expect(() => decodeRun(text.slice(0, index) + other + text.slice(index + 1), PATH), `position ${String(index)}`).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_CHECKPOINT_(EDITED|FOREIGN|VERSION|TORN)$/) as string, message: expect.stringContaining(PATH) as string }),
    );
  }
});

describe('refuses', () => {
  test.each([
    ['a file of another program', '{"format":"other"}', 'ERR_CHECKPOINT_FOREIGN'],
    ['a list', '[]', 'ERR_CHECKPOINT_FOREIGN'],
    ['null', 'null', 'ERR_CHECKPOINT_FOREIGN'],
    ['a later version, whatever else is in it', '{"format":"tensorflock-run","formatVersion":2,"parts":[]}', 'ERR_CHECKPOINT_VERSION'],
    ['a record that is changed', text.replace('0.25', '0.26'), 'ERR_CHECKPOINT_EDITED'],
    ['another step', text.replace('"step": 12', '"step": 13'), 'ERR_CHECKPOINT_EDITED'],
    ['a sum left out', text.replace(/,\s*"sha256": "[0-9a-f]{64}"\s*\}\s*$/, '}'), 'ERR_CHECKPOINT_EDITED'],
  ])('%s', (_, changed, code) => {
    expect(changed).not.toBe(text);
    expect(() => decodeRun(changed, PATH)).toThrow(expect.objectContaining({ code }));
  });

  // A sum proves nothing against somebody who computes it: what it covers is checked all the same.
  test.each([
    ['a file outside its folder', encodeRun(1, filesOf('..'), {})],
    ['a file at an absolute path', encodeRun(1, filesOf('/etc'), {})],
    ['files of two folders', encodeRun(1, [...filesOf('step-1').slice(0, 2), ...filesOf('step-2').slice(2)], {})],
    ['a missing file', encodeRun(1, filesOf('step-1').slice(0, 2), {})],
    ['files in another order', encodeRun(1, filesOf('step-1').reverse(), {})],
    ['a negative length', encodeRun(1, filesOf('step-1').map((file) => ({ ...file, byteLength: -1 })), {})],
    ['a step that is no whole number', encodeRun(1.5, filesOf('step-1'), {})],
    ['a record that is no object', encodeRun(1, filesOf('step-1'), [1])],
  ])('%s, with a right sum', (_, changed) => {
    expect(() => decodeRun(changed, PATH)).toThrow(expect.objectContaining({ code: 'ERR_CHECKPOINT_FOREIGN' }));
  });
});
