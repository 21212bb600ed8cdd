import { describe, expect, test } from 'vitest';
import { ColumnCache } from '../../cluster/data/column-cache.js';
import { findColumns, type FindOptions, type Findings } from '../../cluster/data/find-data.js';
import { manifestOf } from '../../cluster/data/manifest.js';
import type { ManifestColumn } from '../../cluster/protocol/run-description.js';
import { createDataset, take, withScale, type Column, type DatasetSplit } from '../../src/data/dataset.js';
import { loadImageSet } from '../../src/data/image-set-loader.js';
import { Places } from '../pure/cluster-data.js';
import { DECODED, fakeMachine, fakeSet, fill, temporaryFolder } from './fake-set.js';

const set = fakeSet();

/** The fake set as a coordinator has it, on a machine of its own. */
async function loaded(): Promise<DatasetSplit> {
  const cacheFolder = await temporaryFolder();
  await fill(`${cacheFolder}/fake-set`, DECODED);
  return loadImageSet(set, { cacheFolder, fetch: 'none' }, fakeMachine());
}

const bytesOf = ({ values }: Column): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Looks on a machine with the set in its cache folder, or without it. */
async function find(columns: readonly ManifestColumn[], machine: 'with the set' | 'without it', options: Partial<FindOptions> = {}): Promise<Findings & { places: Places; notices: string[] }> {
  const cacheFolder = await temporaryFolder();
  if (machine === 'with the set') await fill(`${cacheFolder}/fake-set`, DECODED);
  const [places, notices] = [new Places(), [] as string[]];
  const findings = await findColumns(columns, {
    placeOf: places.of,
    sets: [set],
    loadSet: (each) => loadImageSet(each, { cacheFolder, fetch: 'none' }, fakeMachine()),
    notice: (sentence) => notices.push(sentence),
    ...options,
  });
  return { ...findings, places, notices };
}

describe('a set that this machine has', () => {
  test('is found by its content, whole', async () => {
    const { train } = await loaded();
    const columns = [...manifestOf(train.x, 'input', 'train'), ...manifestOf(train.y, 'target', 'train')];
    const { found, missing, places } = await find(columns, 'with the set');
    expect(found).toEqual(columns.map((column) => ({ column, where: 'Fake-Set' })));
    expect(missing).toEqual([]);
    expect(places.of(columns[0]!)).toEqual(bytesOf(train.x[0]!));
    expect(places.of(columns[1]!)).toEqual(bytesOf(train.y[0]!));
  });

  test('is found where the run trains on its first examples and validates on its last, and the scale is no part of it', async () => {
    const { train } = await loaded();
    const images = train.x[0]!;
    const first = withScale(take(train, 25).x[0]!, 2);
    const last = { ...images, values: images.values.subarray(30 * 36), shape: [10, 6, 6] };
    const columns = [...manifestOf([first], 'input', 'train'), ...manifestOf([last], 'input', 'validation')];
    const { missing, places } = await find(columns, 'with the set');
    expect(missing).toEqual([]);
    expect([places.of(columns[0]!), places.of(columns[1]!)]).toEqual([bytesOf(first), bytesOf(last)]);
  });

  test.each<[string, (column: Column) => Column]>([
    ['other bytes', (column) => ({ ...column, values: Uint8Array.from(column.values, (value) => value ^ 1) })],
    ['another shape', (column) => ({ ...column, shape: [40, 36] })],
    ['another type', (column) => ({ ...column, values: Float32Array.from(column.values) })],
    ['examples from its middle', (column) => ({ ...column, values: column.values.subarray(36, 20 * 36), shape: [19, 6, 6] })],
    ['more examples', (column) => ({ ...column, values: new Uint8Array(41 * 36), shape: [41, 6, 6] })],
  ])('does not do for a column with %s', async (_, change) => {
    const { train } = await loaded();
    const columns = manifestOf([change(train.x[0]!)], 'input', 'train');
    const { found, missing } = await find(columns, 'with the set');
    expect([found, missing]).toEqual([[], columns]);
  });
});

test('a machine without the set says nothing and lacks the columns, each content once', async () => {
  const { train } = await loaded();
  const columns = [...manifestOf(train.x, 'input', 'train'), ...manifestOf(train.x, 'target', 'train')];
  const { found, missing, notices } = await find(columns, 'without it');
  expect([found, notices]).toEqual([[], []]);
  expect(missing.map(({ sha256 }) => sha256)).toEqual([columns[0]!.sha256]);
});

test('a set that cannot be loaded for another reason is said, and no fault of the node', async () => {
  const columns = manifestOf((await loaded()).train.x, 'input', 'train');
  const { missing, notices } = await find(columns, 'without it', { loadSet: () => Promise.reject(new Error('EIO: i/o error')) });
  expect(missing).toEqual(columns);
  expect(notices).toEqual(['Fake-Set on this machine cannot be used, so its data are fetched: EIO: i/o error']);
});

test('no set is loaded for columns that it cannot have', async () => {
  const big = { values: new Uint8Array(2_000), shape: [2_000] };
  const numbers = { values: new Float32Array(4), shape: [4] };
  const columns = [...manifestOf([big], 'input', 'train'), ...manifestOf([numbers], 'target', 'train')];
  const { missing, notices } = await find(columns, 'with the set', { loadSet: () => Promise.reject(new Error('it was loaded')) });
  expect([missing, notices]).toEqual([columns, []]);
});

test('the cache is looked into first', async () => {
  const { train } = await loaded();
  const own = createDataset('own', [{ values: Float32Array.of(1, 2), shape: [2] }], []);
  const columns = [...manifestOf(own.x, 'input', 'train'), ...manifestOf(train.x, 'input', 'validation')];
  const cache = new ColumnCache(await temporaryFolder());
  await cache.store(columns[0]!, bytesOf(own.x[0]!));
  const { found, missing, places } = await find(columns, 'with the set', { cache });
  expect(found.map(({ where }) => where)).toEqual(['cache', 'Fake-Set']);
  expect(missing).toEqual([]);
  expect(places.of(columns[0]!)).toEqual(bytesOf(own.x[0]!));
});
