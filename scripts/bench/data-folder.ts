import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { defaultCacheFolder } from '../../src/data/cache.js';
import { FASHION_MNIST } from '../../src/data/image-sets.js';
import { inputError, runError } from '../../src/errors.js';

const FILES = Object.values(FASHION_MNIST.files).map(({ name }) => `${name}.gz`);

/** The given folder. @throws ERR_OPTION where it lacks a file */
export function checkDataFolder(folder: string): string {
  const missing = FILES.find((name) => !existsSync(join(folder, name)));
  if (missing === undefined) return folder;
  throw inputError('ERR_OPTION', `--data "${folder}" has no ${missing}; give a folder with the four files of Fashion-MNIST, or leave --data out.`);
}

/** Where the files are that the library found or fetched. @throws ERR_DATASET_NOT_FOUND where they are not in gzip form, as the peers read them */
export function findDataFolder(environment: NodeJS.ProcessEnv): string {
  const folders = [join(defaultCacheFolder(environment), FASHION_MNIST.folder), ...FASHION_MNIST.systemFolders];
  const found = folders.find((folder) => FILES.every((name) => existsSync(join(folder, name))));
  if (found !== undefined) return found;
  throw runError('ERR_DATASET_NOT_FOUND', `no folder of ${folders.join(', ')} has all of ${FILES.join(', ')}; put them into one, or give their folder with --data.`);
}
