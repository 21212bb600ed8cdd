// A coordinator's door, put together.
import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { inputError } from '../src/errors.js';
import type { WorkerPool } from '../src/train/session.js';
import { announced } from './announced.js';
import { ClusterPool, type PoolOptions } from './coordinator/cluster-pool.js';
import { isLoopback, parseServeAddress, type ServeAddress } from './net/address.js';
import { systemClock } from './net/clock.js';
import { checkDoor, checkReach, type DoorOptions } from './net/door-options.js';
import { keepCluster, readCluster, type KeptCluster } from './net/kept-cluster.js';
import { describeLinks } from './net/links.js';
import { listen } from './net/listen.js';
import { describeMetrics } from './net/metrics-door.js';
import { RefusalLog } from './net/refusal-log.js';
import { drawRunKeys } from './net/run-keys.js';
import { outboxFor } from './net/stream.js';
import { RunFeed } from './feed/run-feed.js';
import { observeRun, type ObservedOptions } from './operations/observe-run.js';
import { findKey, NO_KEY, parseKey } from './protocol/keys.js';

export interface ServeOptions extends Omit<PoolOptions, 'register' | 'keep' | 'observers' | 'fitWatcher' | 'watch'>, ObservedOptions {
  readonly door: DoorOptions;
  /** As the join key, of /metrics. */
  readonly metricsKey?: string | undefined;
  /** A pool of one worker on the calling thread, for looks into the network. */
  readonly createInlinePool: () => Promise<WorkerPool>;
  /** Bytes of the longest share. */
  readonly shareBytes: number;
}

/** How often both sides say that they live, and the silence after which a node counts as lost. */
export const LIVENESS = { heartbeatMs: 1_000, silenceMs: 5_000 };

/**
 * Listens, and wraps a pool so that nodes take part in its trainings. The links go to `notice`.
 * @throws ERR_LISTEN, ERR_PORT_BUSY, ERR_KEY, ERR_OPTION, ERR_CLUSTER_FILE, ERR_EVENT_LOG
 */
export async function serveNodes(inner: WorkerPool, options: ServeOptions): Promise<WorkerPool> {
  const { door, notice } = options;
  checkDoor(door);
  const { insecure = false, hosts: names = [] } = door;
  const before = door.serveFrom === undefined ? undefined : await readCluster(door.serveFrom);
  const address = addressOf(door.address, before);
  checkReach(address.host, door.announce);
  const join = findKey({ option: door.joinKey });
  const metrics = options.metricsKey === undefined ? undefined : parseKey(options.metricsKey, 'metricsKey');
  const keys = drawRunKeys({ ...before?.keys, ...(join === undefined ? {} : { join }), ...(metrics === undefined ? {} : { metrics }) });
  const register = before === undefined ? undefined : { ...before.register, generation: before.register.generation + 1 };
  const runId = before?.runId ?? randomBytes(16).toString('hex');
  const tls = door.tls ?? (insecure || isLoopback(address.host) ? undefined : before?.tls);
  const observed = await observeRun(options, { status: () => pool.status(), traffic: () => listener.traffic() });
  const feed: RunFeed = new RunFeed({
    localWorkers: options.usesLocal ? inner.workers : 0, createPool: options.createInlinePool, mayChaos: options.mayChaos === true,
    chaosOf: (member) => pool.impedimentOf(member), clock: systemClock, unixMs: () => Date.now(),
  });
  const pool = new ClusterPool(inner, {
    ...options, ...(register === undefined ? {} : { register }), observers: [...observed.observers, feed], fitWatcher: feed, watch: (connection) => feed.feed.watch(connection),
    // A given private key stays where it is.
    keep: (folder, state) => keepCluster(folder, { register: state, runId, keys, tls: (door.tls === undefined ? listener.tls : undefined) ?? before?.tls, address: listener.address }),
  });
  const refusals = new RefusalLog(systemClock, notice);
  const listener = await listen({
    address, runId, keys, names, insecure, metrics: { key: keys.metrics, ...observed.metrics }, ...(tls === undefined ? {} : { tls }),
    limits: { maxTensorBytes: options.shareBytes, outbox: outboxFor(options.parameterFloats * 4) },
    receive: (peer, connection) => pool.receive(peer, connection),
    refused: (error) => { refusals.note(error); },
  });
  const source = { ...listener, names, interfaces: networkInterfaces() };
  notice(describeLinks(insecure ? { join: NO_KEY, operator: NO_KEY } : keys, source));
  notice(describeMetrics(insecure ? NO_KEY : keys.metrics, source));
  const silence = door.announce === true ? await announced(listener, runId, insecure, notice) : undefined;
  pool.closes(async () => {
    refusals.close();
    await Promise.all([listener.close(), silence?.()]);
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
