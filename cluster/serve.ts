// A coordinator's door, put together.
import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import type { WorkerPool } from '../src/train/session.js';
import { ClusterPool, type PoolOptions } from './coordinator/cluster-pool.js';
import { parseServeAddress } from './net/address.js';
import { describeLinks } from './net/links.js';
import { listen } from './net/listen.js';
import { drawRunKeys } from './net/run-keys.js';
import { findKey } from './protocol/keys.js';

export interface ServeOptions extends PoolOptions {
  /** `[host:]port`. */
  readonly address: string;
  /** As a link has it after `k=`. */
  readonly joinKey?: string | undefined;
  /** Bytes of the longest share. */
  readonly shareBytes: number;
}

/** How often both sides say that they live, and the silence after which one counts as lost. */
export const HEARTBEAT_MS = 1_000;
export const SILENCE_MS = 5_000;

/**
 * Listens, and wraps a pool so that nodes take part in its trainings. The links go to `notice`.
 * @throws ERR_LISTEN, ERR_KEY, ERR_OPTION
 */
export async function serveNodes(inner: WorkerPool, options: ServeOptions): Promise<WorkerPool> {
  const join = findKey({ option: options.joinKey });
  const keys = drawRunKeys(join === undefined ? {} : { join });
  const pool = new ClusterPool(inner, options);
  const listener = await listen({
    address: parseServeAddress(options.address),
    runId: randomBytes(16).toString('hex'),
    keys,
    limits: { maxTensorBytes: options.shareBytes },
    receive: (peer, connection) => pool.receive(peer, connection),
    refused: (error) => { options.notice(error.message); },
  });
  options.notice(describeLinks(keys, { ...listener, interfaces: networkInterfaces() }));
  pool.closes(() => listener.close());
  return pool;
}
