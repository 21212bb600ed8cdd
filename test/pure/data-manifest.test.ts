import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ColumnHashes, hashColumn } from '../../cluster/data/column-hash.js';
import { distinctColumns } from '../../cluster/data/columns.js';
import { checkManifest, MANIFEST_LIMITS, manifestOf } from '../../cluster/data/manifest.js';
import { MAX_COLUMNS } from '../../cluster/protocol/limits.js';
import type { ManifestColumn } from '../../cluster/protocol/run-description.js';
import { SCHEMAS } from '../../cluster/protocol/schemas.js';
import { columnSha256, type Column } from '../../src/data/dataset.js';
import { runs } from './properties.js';

const images: Column = { values: new Uint8Array(24).fill(7), shape: [4, 3, 2], scale: 1 / 255 };
const labels: Column = { values: Int32Array.of(0, 1, 2, 1), shape: [4] };
const manifest = [...manifestOf([images], 'input', 'train'), ...manifestOf([labels], 'target', 'train')];

/** A column of the manifest that a stranger may send. */
function hostile(changes: Partial<Record<keyof ManifestColumn, unknown>>): ManifestColumn {
  return { ...manifest[0]!, ...changes } as ManifestColumn;
}

test('a manifest says what the columns are, and the protocol takes it', () => {
  expect(manifest).toEqual([
    { name: 'train input 0', role: 'input', split: 'train', sha256: columnSha256(images), byteLength: 24, type: 'uint8', shape: [3, 2], exampleCount: 4, scale: 1 / 255 },
    { name: 'train target 0', role: 'target', split: 'train', sha256: columnSha256(labels), byteLength: 16, type: 'int32', shape: [], exampleCount: 4, scale: 1 },
  ]);
  expect(SCHEMAS.welcome.shape.columns.parse(manifest)).toEqual(manifest);
  // Validation has examples of its own.
  checkManifest([...manifest, ...manifestOf([{ values: new Uint8Array(6), shape: [1, 3, 2] }], 'input', 'validation')]);
});

test('a column is hashed once for each ColumnHashes, whose life says how long its bytes stay', () => {
  const values = new Uint8Array(4);
  const column = { values, shape: [4] };
  const hashes = new ColumnHashes();
  const [first] = manifestOf([column], 'input', 'train', hashes);
  values[0] = 1;
  expect(manifestOf([column], 'input', 'validation', hashes)[0]!.sha256).toBe(first!.sha256);
  expect(manifestOf([column], 'input', 'validation')[0]!.sha256).not.toBe(first!.sha256);
});

test('a column that was hashed before costs nothing again', () => {
  const column = { values: new Uint8Array(47_040_000).fill(3), shape: [60_000, 28, 28] };
  const hashes = new ColumnHashes();
  const cpuMs = (): number => process.cpuUsage().user / 1_000;
  const [startMs] = [cpuMs(), manifestOf([column], 'input', 'train', hashes)];
  const hashedMs = cpuMs() - startMs;
  manifestOf([column], 'input', 'train', hashes);
  expect(cpuMs() - startMs - hashedMs).toBeLessThan(hashedMs / 3);
});

test('a hash in slices is that of the column', async () => {
  const shapes = fc.tuple(fc.constantFrom('uint8' as const, 'int32' as const, 'float32' as const), fc.integer({ min: 1, max: 9 }), fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }));
  await fc.assert(
    fc.asyncProperty(shapes, fc.nat({ max: 255 }), async ([type, exampleCount, axes], seed) => {
      const count = axes.reduce((product, size) => product * size, exampleCount);
      const numbers = Array.from({ length: count }, (_, index) => index * seed);
      const values = type === 'uint8' ? Uint8Array.from(numbers) : type === 'int32' ? Int32Array.from(numbers) : Float32Array.from(numbers);
      const [column] = manifestOf([{ values, shape: [exampleCount, ...axes] }], 'input', 'train');
      expect(await hashColumn(column!, new Uint8Array(values.buffer))).toBe(column!.sha256);
    }),
    runs(100),
  );
  // Slices are 8 MiB: one that is cut twice.
  const long = { values: new Uint8Array(17 * 1024 * 1024).fill(1, 5_000_000).fill(2, 10_000_000), shape: [17, 1024 * 1024] };
  expect(await hashColumn(manifestOf([long], 'input', 'train')[0]!, long.values)).toBe(columnSha256(long));
});

describe('a manifest is refused before anything is made of it', () => {
  test.each<[string, Partial<Record<keyof ManifestColumn, unknown>>, RegExp]>([
    ['a hash that climbs out of the folder', { sha256: `../../../${'a'.repeat(55)}` }, /"train input 0" has no SHA-256/],
    ['a hash in capitals', { sha256: 'A'.repeat(64) }, /has no SHA-256/],
    ['a hash and a new line', { sha256: `${'a'.repeat(64)}\n` }, /has no SHA-256/],
    ['another type', { type: 'float64' }, /has the type "float64"/],
    ['bytes that do not fit the shape', { byteLength: 25 }, /has 25 bytes, and type, shape and examples make 24/],
    ['a shape that does not fit the bytes', { shape: [3, 3] }, /has 24 bytes, and type, shape and examples make 36/],
    ['a shape whose product is beyond counting', { shape: [2 ** 40, 2 ** 40] }, /has 24 bytes, and type, shape and examples make 4\.8\d*e\+24/],
    ['a product that would come round to 24 in 32 bits', { shape: [2 ** 32 + 6], exampleCount: 4, byteLength: 24 }, /make 17179869208/],
    ['an axis of 0', { shape: [3, 0], byteLength: 24 }, /has sizes that are no whole numbers from 1/],
    ['half an axis', { shape: [1.5, 4] }, /has sizes that are no whole numbers from 1/],
    ['two negative axes', { shape: [-3, -2] }, /has sizes that are no whole numbers from 1/],
    ['no examples', { exampleCount: 0, byteLength: 0 }, /has sizes that are no whole numbers from 1/],
    ['nine axes', { shape: [3, 2, 1, 1, 1, 1, 1, 1, 1] }, /has 9 axes and may have 8/],
    ['the scale 0', { scale: 0 }, /has the scale 0/],
    ['an endless scale', { scale: Infinity }, /has the scale Infinity/],
    ['other examples than its fellows', { exampleCount: 2, byteLength: 12 }, /has 2 examples, and "train target 0" of the same split 4/],
    ['a name of control characters', { name: '\u001b[2J', scale: 0 }, /the column "\?\[2J" has the scale 0/],
  ])('with %s', (_, changes, problem) => {
    const check = (): void => { checkManifest([hostile(changes), manifest[1]!]); };
    expect(check).toThrow(expect.objectContaining({ code: 'ERR_MESSAGE', closeCode: 4001 }));
    expect(check).toThrow(problem);
  });

  test('with one hash for two contents', () => {
    const twin = hostile({ name: 'twin', shape: [6] });
    expect(() => { checkManifest([manifest[0]!, twin]); }).toThrow('the column "twin" has the SHA-256 of "train input 0", and another type or shape');
  });

  test('with more bytes than this node takes', () => {
    expect(() => { checkManifest(manifest, { maxTotalBytes: 39 }); }).toThrow('The data of the run has 40 bytes; at most 39 are allowed here.');
    checkManifest(manifest, { maxTotalBytes: 40 });
    const huge = hostile({ shape: [2 ** 31], exampleCount: 4, byteLength: 2 ** 33 });
    expect(() => { checkManifest([huge]); }).toThrow(expect.objectContaining({ code: 'ERR_TOO_LARGE' }));
    expect(MANIFEST_LIMITS.maxTotalBytes).toBe(2 ** 32);
  });

  test('with too many columns', () => {
    expect(() => { checkManifest(Array.from({ length: MAX_COLUMNS + 1 }, () => manifest[0]!)); }).toThrow('The data manifest has 65 columns; at most 64 are allowed here.');
  });
});

test('a content that is named twice is one: its bytes count once', () => {
  const twice = [manifest[0]!, hostile({ role: 'target', name: 'train target 0', scale: 1 })];
  expect(distinctColumns(twice)).toHaveLength(1);
  checkManifest(twice, { maxTotalBytes: 24 });
});
