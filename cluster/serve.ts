// A coordinator's door, put together.
import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { inputError } from '../src/errors.js';
import type { WorkerPool } from '../src/train/session.js';
import { ClusterPool, type PoolOptions } from './coordinator/cluster-pool.js';
import { isLoopback, parseServeAddress, type ServeAddress } from './net/address.js';
import { keepCluster, readCluster, type KeptCluster } from './net/kept-cluster.js';
import { describeLinks } from './net/links.js';
import { listen } from './net/listen.js';
import { describeMetrics } from './net/metrics-door.js';
import { drawRunKeys } from './net/run-keys.js';
import { observeRun, type ObservedOptions } from './operations/observe-run.js';
import { findKey, parseKey } from './protocol/keys.js';

export interface ServeOptions extends Omit<PoolOptions, 'generation' | 'keep' | 'observers'>, ObservedOptions {
  /** `[host:]port`; true: where the run of `serveFrom` was served. */
  readonly address: string | true;
  /** The folder of a run that was served before: its nodes know this coordinator again. */
  readonly serveFrom?: string | undefined;
  /** As a link has it after `k=`. */
  readonly joinKey?: string | undefined;
  /** As `joinKey`, of /metrics. */
  readonly metricsKey?: string | undefined;
  /** Bytes of the longest share. */
  readonly shareBytes: number;
}

/** How often both sides say that they live, and the silence after which a node counts as lost. */
export const LIVENESS = { heartbeatMs: 1_000, silenceMs: 5_000 };

/**
 * Listens, and wraps a pool so that nodes take part in its trainings. The links go to `notice`.
 * @throws ERR_LISTEN, ERR_KEY, ERR_OPTION, ERR_CLUSTER_FILE, ERR_EVENT_LOG
 */
export async function serveNodes(inner: WorkerPool, options: ServeOptions): Promise<WorkerPool> {
  const before = options.serveFrom === undefined ? undefined : await readCluster(options.serveFrom);
  const address = addressOf(options.address, before);
  const join = findKey({ option: options.joinKey });
  const metrics = options.metricsKey === undefined ? undefined : parseKey(options.metricsKey, 'metricsKey');
  const keys = drawRunKeys({ ...before?.keys, ...(join === undefined ? {} : { join }), ...(metrics === undefined ? {} : { metrics }) });
  const generation = (before?.generation ?? 0) + 1;
  const runId = before?.runId ?? randomBytes(16).toString('hex');
  const observed = await observeRun(options, { status: () => pool.status(), traffic: () => listener.traffic() });
  const pool = new ClusterPool(inner, {
    ...options, generation, observers: observed.observers,
    keep: (folder) => keepCluster(folder, { generation, runId, keys, tls: listener.tls ?? before?.tls, address: listener.address }),
  });
  const listener = await listen({
    address,
    runId,
    keys,
    metrics: { key: keys.metrics, ...observed.metrics },
    ...(before?.tls === undefined || isLoopback(address.host) ? {} : { tls: before.tls }),
    limits: { maxTensorBytes: options.shareBytes },
    receive: (peer, connection) => pool.receive(peer, connection),
    refused: (error) => { options.notice(error.message); },
  });
  const source = { ...listener, interfaces: networkInterfaces() };
  options.notice(describeLinks(keys, source));
  options.notice(describeMetrics(keys.metrics, source));
  pool.closes(async () => {
    await listener.close();
    await observed.close();
  });
  return pool;
}

/** Where no port is named, that of before, which the links name. */
function addressOf(given: string | true, before: KeptCluster | undefined): ServeAddress {
  if (given === true && before === undefined) {
    throw inputError('ERR_OPTION', 'Where to serve is not said, and this run was not served before; give [host:]port, such as 8080.');
  }
  if (given === true) return before!.address;
  const address = parseServeAddress(given);
  return address.port === 0 && address.host === before?.address.host ? before.address : address;
}
