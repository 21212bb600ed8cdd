// The keys of a run, drawn at its start or given.
import { readFile } from 'node:fs/promises';
import { clusterError } from '../protocol/errors.js';
import { drawKey, findKey, parseKey } from '../protocol/keys.js';

export interface RunKeys {
  /** To compute, and to fetch data. */
  readonly join: Uint8Array;
  /** To pause, stop and write checkpoints. */
  readonly operator: Uint8Array;
  /** To read `/metrics`, and nothing else. */
  readonly metrics: Uint8Array;
}

export interface GivenKey {
  /** Path of `--key-file`. */
  readonly keyFile?: string | undefined;
  /** `TENSORFLOCK_KEY`. */
  readonly environment?: string | undefined;
  /** Of a link. */
  readonly link?: Uint8Array | undefined;
}

/**
 * The join key that link, file or environment give, in this order. A link with a key needs no file, and none is read.
 * @throws ERR_KEY for a file that cannot be read, or a key that is none or too short
 */
export async function givenKey({ keyFile, environment, link }: GivenKey): Promise<Uint8Array | undefined> {
  return findKey({ link, environment, keyFile: link === undefined && keyFile !== undefined ? await textOf(keyFile) : undefined });
}

/** The key in the file of `--metrics-key-file`. @throws ERR_KEY */
export async function metricsKeyOf(path: string): Promise<Uint8Array> {
  return parseKey(await textOf(path), '--metrics-key-file');
}

/** 128 bits for each that is not given. */
export function drawRunKeys(given: Partial<RunKeys> = {}): RunKeys {
  return { join: given.join ?? drawKey(), operator: given.operator ?? drawKey(), metrics: given.metrics ?? drawKey() };
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw clusterError('ERR_KEY', { source: `the file ${path}`, problem: `cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})` }, { cause });
  }
}
