// cluster.json in a run's folder: what a coordinator must be again after a restart, so that links stay valid and its nodes come
// back. It holds secrets: it is the owner's alone, and no part of the checkpoint beside it, which may be given away.
import { open, readFile, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { inputError, runError } from '../../src/errors.js';
import { codeOf, nodeFiles } from '../../src/train/durable-files.js';
import { formatKey, parseKey } from '../protocol/keys.js';
import type { ServeAddress } from './address.js';
import type { TlsIdentity } from './certificate.js';
import type { RunKeys } from './run-keys.js';

/** Somebody who was a member: its number, and whether it gave wrong bytes and may not come back. */
export interface KeptMember {
  readonly identity: string;
  readonly number: number;
  readonly isExpelled: boolean;
}

/** What is given once and never again. */
export interface KeptRegister {
  /** Of its start, or the latest return to an earlier state: shares of others are refused. */
  readonly generation: number;
  readonly nextNumber: number;
  /** In the order in which they came. */
  readonly members: readonly KeptMember[];
}

export interface KeptCluster {
  /** The next start's generation is one higher. */
  readonly register: KeptRegister;
  /** 32 hex digits. */
  readonly runId: string;
  readonly keys: RunKeys;
  /** The certificate that the coordinator made for itself, where it made one. */
  readonly tls?: TlsIdentity | undefined;
  /** As bound. */
  readonly address: ServeAddress;
}

const FILE = 'cluster.json';
const FORMAT = 'tensorflock-cluster';
const FORMAT_VERSION = 1;
/** Of an identity. */
const MAX_CHARACTERS = 64;
/** Read and written by the owner of the run. */
const OWNER_ALONE = 0o600;

const key = z.string().transform((text) => parseKey(text, FILE));
const schema = z.strictObject({
  format: z.literal(FORMAT),
  formatVersion: z.literal(FORMAT_VERSION),
  generation: z.int().min(1),
  nextNumber: z.int().min(0),
  members: z.array(z.strictObject({ identity: z.string().max(MAX_CHARACTERS), number: z.int().min(0), isExpelled: z.boolean() })),
  runId: z.string().regex(/^[0-9a-f]{32}$/),
  keys: z.strictObject({ join: key, operator: key, metrics: key }),
  tls: z.strictObject({ certificatePem: z.string(), privateKeyPem: z.string() }).optional(),
  address: z.strictObject({ host: z.string().min(1), port: z.int().min(1).max(65_535) }),
});

/**
 * What the run in `folder` was served with; undefined where it never was.
 * @throws ERR_CLUSTER_FILE
 */
export async function readCluster(folder: string): Promise<KeptCluster | undefined> {
  const path = join(resolve(folder), FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return undefined;
    throw unusable(path, `cannot be read (${codeOf(cause) ?? 'unknown'})`, cause);
  }
  return decode(text, path);
}

function decode(text: string, path: string): KeptCluster {
  try {
    const { generation, nextNumber, members, runId, keys, tls, address } = schema.parse(JSON.parse(text));
    return { register: { generation, nextNumber, members }, runId, keys, tls, address };
  } catch {
    throw unusable(path, 'is damaged, or of another version'); // without the cause, which may quote a key
  }
}

function unusable(path: string, problem: string, cause?: unknown): Error {
  return inputError('ERR_CLUSTER_FILE', `${path} ${problem}; restore it, or remove it: the run is then served with new keys, and every node needs the new link.`, { cause });
}

/**
 * Makes `kept` the folder's; it is durable when the promise resolves.
 * @throws ERR_CHECKPOINT_WRITE where the disk refuses
 */
export async function keepCluster(folder: string, { register: { generation, nextNumber, members }, runId, keys, tls, address }: KeptCluster): Promise<void> {
  const { join: joinKey, operator, metrics } = keys;
  const written: z.input<typeof schema> = {
    format: FORMAT, formatVersion: FORMAT_VERSION, generation, nextNumber, members: [...members], runId, keys: { join: formatKey(joinKey), operator: formatKey(operator), metrics: formatKey(metrics) },
    ...(tls === undefined ? {} : { tls }), address,
  };
  try {
    await replaceSecret(resolve(folder), `${JSON.stringify(written, null, 1)}\n`);
  } catch (cause) {
    throw runError('ERR_CHECKPOINT_WRITE', `The keys of the coordinator could not be written to ${join(resolve(folder), FILE)} (${codeOf(cause) ?? String(cause)}); free space or repair the folder.`, { cause });
  }
}

async function replaceSecret(folder: string, text: string): Promise<void> {
  const temporary = join(folder, `${FILE}.tmp`);
  await rm(temporary, { force: true }); // of a process that was killed
  const file = await open(temporary, 'wx', OWNER_ALONE);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, join(folder, FILE));
  await nodeFiles.syncFolder(folder);
}
