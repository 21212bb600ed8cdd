// The data of a run that a node has already: in its column cache, or as a published set on this machine.
import type { Notice } from '../../src/data/cache.js';
import { columnType, valuesPerExample, type Column, type DatasetSplit } from '../../src/data/dataset.js';
import { loadImageSet } from '../../src/data/image-set-loader.js';
import { FASHION_MNIST, MNIST, type ImageSet } from '../../src/data/image-sets.js';
import { TensorflockError } from '../../src/errors.js';
import type { ManifestColumn } from '../protocol/run-description.js';
import type { ColumnCache } from './column-cache.js';
import { hashColumn } from './column-hash.js';
import { distinctColumns, type PlaceOf } from './columns.js';

export interface FindOptions {
  /** Where the bytes of a column belong; asked for when they are there. */
  readonly placeOf: PlaceOf;
  readonly cache?: ColumnCache;
  /** Sets that this machine may have. Default: the image sets of src/data. */
  readonly sets?: readonly ImageSet[];
  /** Loads a set without network; rejects where it is not there. */
  readonly loadSet?: (set: ImageSet) => Promise<DatasetSplit>;
  readonly notice?: Notice;
}

export interface Finding {
  readonly column: ManifestColumn;
  /** For people: `cache`, or the set's title. */
  readonly where: string;
}

/** What was put into place, and what has to be fetched, each content once. */
export interface Findings {
  readonly found: readonly Finding[];
  readonly missing: readonly ManifestColumn[];
}

/** Puts the columns that this machine has into place. Only contents with the hash of the manifest count. */
export async function findColumns(columns: readonly ManifestColumn[], options: FindOptions): Promise<Findings> {
  const found: Finding[] = [];
  let missing = distinctColumns(columns);
  const take = async (where: string, has: (column: ManifestColumn) => Promise<boolean>): Promise<void> => {
    const left: ManifestColumn[] = [];
    for (const column of missing) {
      if (await has(column)) found.push({ column, where });
      else left.push(column);
    }
    missing = left;
  };
  const { cache, placeOf, sets = [FASHION_MNIST, MNIST] } = options;
  if (cache) await take('cache', (column) => cache.read(column, placeOf(column)));
  for (const set of sets) {
    const ofSet = missing.some((column) => couldBeOf(column, set)) ? await columnsOf(set, options) : [];
    if (ofSet.length > 0) await take(set.title, (column) => placeFrom(ofSet, column, placeOf));
  }
  return { found, missing };
}

/** Whether loading a set is worth 0.2 s: all of its columns are bytes, and none is longer than its files. */
function couldBeOf({ type, byteLength }: ManifestColumn, { files }: ImageSet): boolean {
  return type === 'uint8' && Object.values(files).some((file) => byteLength <= file.byteLength);
}

async function columnsOf(set: ImageSet, { loadSet, notice }: FindOptions): Promise<Column[]> {
  const load = loadSet ?? ((each) => loadImageSet(each, { fetch: 'none', ...(notice && { onNotice: notice }) }));
  try {
    const { train, test } = await load(set);
    return [train, test].flatMap(({ x, y }) => [...x, ...y]);
  } catch (error) {
    const isNotThere = error instanceof TensorflockError && error.code === 'ERR_DATASET_NOT_FOUND';
    if (!isNotThere) notice?.(`${set.title} on this machine cannot be used, so its data are fetched: ${(error as Error).message}`);
    return [];
  }
}

async function placeFrom(candidates: readonly Column[], column: ManifestColumn, placeOf: PlaceOf): Promise<boolean> {
  for (const bytes of candidates.flatMap((candidate) => slicesLike(column, candidate))) {
    if ((await hashColumn(column, bytes)) !== column.sha256) continue;
    placeOf(column).set(bytes);
    return true;
  }
  return false;
}

/** The first and the last so many examples: a run may train on some of a set, or validate on its end. */
function slicesLike({ type, shape, exampleCount }: ManifestColumn, candidate: Column): Uint8Array[] {
  const [count = 0, ...axes] = candidate.shape;
  if (columnType(candidate) !== type || axes.join() !== shape.join() || exampleCount > count) return [];
  const starts = exampleCount === count ? [0] : [0, count - exampleCount];
  return starts.map((start) => {
    const { buffer, byteOffset, byteLength } = candidate.values.subarray(start * valuesPerExample(candidate), (start + exampleCount) * valuesPerExample(candidate));
    return new Uint8Array(buffer, byteOffset, byteLength);
  });
}
