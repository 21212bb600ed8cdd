import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';

export const TYPESCRIPT_EXTENSIONS: readonly string[] = ['.ts', '.mts', '.cts'];
export const MODULE_EXTENSIONS: readonly string[] = ['.js', '.mjs', '.cjs', ...TYPESCRIPT_EXTENSIONS];

/** Runs a module that a user wrote and gives its exports; TypeScript loses its types on the way, unchecked. */
export async function loadUserModule(file: string): Promise<unknown> {
  return TYPESCRIPT_EXTENSIONS.includes(extname(file)) ? loadTypeScript(file) : import(pathToFileURL(file).href);
}

/**
 * What an experiment imports is what this program runs with, whatever lies near the file: two copies of tfjs would not know each other's
 * tensors. The compiler behind jiti takes 0.2 s to load, which experiments in JavaScript do not pay.
 */
async function loadTypeScript(file: string): Promise<unknown> {
  const [{ createJiti }, tensorflock, core, layers] = await Promise.all([
    import('jiti'), import('../../src/index.js'), import('@tensorflow/tfjs-core'), import('@tensorflow/tfjs-layers'),
  ]);
  const virtualModules = { tensorflock, '@tensorflow/tfjs-core': core, '@tensorflow/tfjs-layers': layers };
  return createJiti(import.meta.url, { fsCache: false, virtualModules }).import(file);
}
