import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultCacheFolder } from '../../src/data/cache.js';
import type { ImageSet } from '../../src/data/image-sets.js';

/** Real files for checks may lie beside the checkout. */
const BESIDE_CHECKOUT = fileURLToPath(new URL('../../../../shared/data', import.meta.url));

/**
 * The cache folder with which a set is found on this machine without a download, or why the tests that need it are skipped.
 * A set that a system package holds is found with any.
 */
export function findRealSet(set: ImageSet): { readonly cacheFolder: string } | { readonly missing: string } {
  const usual = defaultCacheFolder(process.env);
  const cacheFolder = [usual, BESIDE_CHECKOUT].find((folder) => existsSync(join(folder, set.folder)));
  if (cacheFolder !== undefined) return { cacheFolder };
  if (set.systemFolders.some((folder) => existsSync(folder))) return { cacheFolder: usual };
  return { missing: `${set.title} is not on this machine: neither in ${join(usual, set.folder)} nor in ../shared/data; TENSORFLOCK_DATA names a folder with it` };
}
