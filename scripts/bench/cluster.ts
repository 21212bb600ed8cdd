// What a node is worth: a local worker alone, and with a node of one worker on another machine of a box.
import { fileURLToPath } from 'node:url';
import type { DistributeOptions } from '../../src/train/options.js';
import { wholeNumber } from '../../src/report/format.js';
import { openLan, type Lan, type Opened } from '../lan/lan.js';
import { GIGABIT, WIFI, type LinkProfile } from '../lan/profile.js';
import { pipelinedBound, unpipelinedBound, type RoundCosts } from './bound.js';
import { LINK, type Command, type Crew } from './crew.js';
import { measure, type Contestant, type Row } from './harness.js';
import { LinkCounter, type Traffic } from './link-counter.js';
import { distributedTorch } from './peers.js';
import { SMALL_BATCH, type RoundCostContestants } from './round-cost.js';
import { formatTable } from './table.js';
import { judgeAtLeast, type Verdict } from './targets.js';

export const CLUSTER_BATCH = 2_048;
const MODEL = 'mlp';
/** Of 784-100-10: what a round of exact float32 carries each way. */
const MODEL_BYTES = (785 * 100 + 101 * 10) * 4;
const OURS = fileURLToPath(new URL('./ours.js', import.meta.url));
const WITH_NODES = fileURLToPath(new URL('./with-nodes.js', import.meta.url));
const TENSORFLOCK = fileURLToPath(new URL('../tensorflock.js', import.meta.url));
/** Long enough that a node outlives a pause of the harness, and ends by itself when its coordinator was killed. */
const GIVE_UP_SECONDS = '60';
const JOIN = [TENSORFLOCK, 'join', LINK, '--workers', '1', '--once', '--give-up-after', GIVE_UP_SECONDS];

/** A way to train with a node: options of `distribute` that name it, and what is expected of it. */
interface Way {
  readonly name: string;
  readonly profile: LinkProfile;
  readonly options: Readonly<Record<string, unknown>>;
  /** Least ratio to the local worker alone. */
  readonly wanted?: number;
  /** Of one value, each way, on the wire; undefined where rounds do not bound the speed. */
  readonly bytesPerValue?: { readonly there: number; readonly back: number };
}

const WAYS: readonly Way[] = [
  { name: 'exact', profile: GIGABIT, options: {}, wanted: 1.4, bytesPerValue: { there: 4, back: 4 } },
  { name: 'bfloat16', profile: GIGABIT, options: { codec: 'bfloat16' }, wanted: 1.6, bytesPerValue: { there: 2, back: 2 } },
  { name: 'exact', profile: WIFI, options: {}, bytesPerValue: { there: 4, back: 4 } },
  // An epoch has 30 steps: 15 for each of two.
  { name: 'local, period 15', profile: WIFI, options: { mode: 'local', period: 15 }, wanted: 1.6 },
  { name: 'local, period 15, bfloat16', profile: WIFI, options: { mode: 'local', period: 15, codec: 'bfloat16' }, wanted: 1.6 },
];

export interface ClusterOptions {
  readonly dataFolder: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly notice: (sentence: string) => void;
}

/** A row, and what it has to do with a node. */
export interface ClusterRow {
  readonly row: Row;
  readonly way?: Way;
  /** Bytes a step to and from the node, all headers included. */
  readonly traffic?: Traffic | undefined;
}

export interface ClusterComparison {
  readonly rows: readonly ClusterRow[];
  /** What each box's links do, or why there is none. */
  readonly boxes: readonly { readonly profile: LinkProfile; readonly description: string; readonly isShaped: boolean }[];
}

interface Entry {
  readonly contestant: Contestant;
  readonly way?: Way;
  readonly counter?: LinkCounter | undefined;
}

/** Measures all of them in turns. Where there can be no box, nodes are on loopback. */
export async function compareCluster(options: ClusterOptions): Promise<ClusterComparison> {
  const boxes = await Promise.all([GIGABIT, WIFI].map(async (profile) => ({ profile, opened: await openLan(profile) })));
  try {
    const entries = boxes.flatMap(({ profile, opened }) => entriesOf(profile, opened, options));
    options.notice(`warming up ${entries.length} contestants`);
    const of = (name: string): Entry => entries.find(({ contestant }) => contestant.name === name)!;
    const measured = await measure(entries.map(({ contestant }) => contestant), {
      rounds: options.rounds, seconds: options.seconds,
      beforeRun: (name) => { of(name).counter?.begin(); },
      onRun: (name, _round, answer) => { of(name).counter?.end(name, answer); },
    });
    return {
      rows: entries.map(({ way, counter, contestant }, index) => ({
        row: measured[index]!, ...(way === undefined ? {} : { way }), traffic: counter?.perStep(contestant.name, CLUSTER_BATCH),
      })),
      boxes: boxes.map(({ profile, opened: { lan, missing } }) => ({ profile, isShaped: lan !== undefined, description: lan?.description ?? `loopback: ${missing}` })),
    };
  } finally {
    await Promise.all(boxes.map(({ opened }) => opened.lan?.close()));
  }
}

function entriesOf(profile: LinkProfile, { lan }: Opened, { dataFolder }: ClusterOptions): Entry[] {
  const counter = lan === undefined ? undefined : new LinkCounter(lan, lan.machines[1]!);
  const nodes = WAYS.filter((way) => way.profile === profile).map((way) => ({ contestant: withNode(way, lan, dataFolder), way, counter }));
  if (profile !== GIGABIT) return nodes;
  const torch = lan === undefined ? [] : distributedTorch({ model: MODEL, batchSize: CLUSTER_BATCH, dataFolder }, lan).map((contestant) => ({ contestant, counter }));
  return [{ contestant: alone(lan, dataFolder) }, ...nodes, ...torch];
}

function ours(dataFolder: string, { batch = CLUSTER_BATCH, workers = 1 } = {}, ...more: string[]): string[] {
  return [OURS, '--model', MODEL, '--data', dataFolder, '--batch', String(batch), '--workers', String(workers), '--engine-flags', ...more];
}

function alone(lan: Lan | undefined, dataFolder: string): Contestant {
  return { name: 'ours, 1 worker', ...on(lan, 0, ours(dataFolder)), env: process.env };
}

function withNode({ name, profile, options }: Way, lan: Lan | undefined, dataFolder: string): Contestant {
  const served: DistributeOptions = { ...options, serve: lan === undefined ? '127.0.0.1:0' : `${lan.machines[0]!.address}:0` };
  const crew: Crew = { main: on(lan, 0, ours(dataFolder, {}, ...serving(served))), helpers: [on(lan, 1, JOIN)] };
  return { name: `ours, 1 worker and a node of 1, ${profile.name}, ${name}`, ...contestantOf(crew) };
}

/** For what a round costs by itself. */
export function loopbackRound(dataFolder: string): RoundCostContestants {
  const main: Command = { command: process.execPath, args: ours(dataFolder, { batch: SMALL_BATCH, workers: 0 }, ...serving({ serve: '127.0.0.1:0' })) };
  return {
    alone: { name: 'ours, 1 worker', command: process.execPath, args: ours(dataFolder, { batch: SMALL_BATCH }), env: process.env },
    byNode: { name: 'ours, a node of 1', ...contestantOf({ main, helpers: [on(undefined, 1, JOIN)] }) },
    byteLength: MODEL_BYTES,
  };
}

function serving(options: DistributeOptions): string[] {
  return ['--nodes', '1', '--options', JSON.stringify(options)];
}

function contestantOf(crew: Crew): Omit<Contestant, 'name'> {
  return { command: process.execPath, args: [WITH_NODES, JSON.stringify(crew)], env: process.env };
}

/** This Node.js on a machine of the box, or here. */
function on(lan: Lan | undefined, machine: number, args: readonly string[]): Command {
  return lan === undefined ? { command: process.execPath, args } : lan.on(lan.machines[machine]!, process.execPath, args);
}

/** The table, and why the rows are as they are. */
export function formatCluster(comparison: ClusterComparison): string {
  const { rows } = comparison;
  const own = rows[0]!.row;
  const table = formatTable(rows.map(({ row }) => row), [{ title: '/ alone', median: 'median' in own ? own.median : undefined }]);
  return [`${MODEL}, batch ${CLUSTER_BATCH}, examples a second; "/ alone" to one worker of ours`, table, ...explain(comparison)].join('\n');
}

export function clusterEvents(comparison: ClusterComparison): Record<string, unknown>[] {
  const { rows, boxes } = comparison;
  return rows.map(({ row, way, traffic }) => {
    if ('failure' in row) return { event: 'absent', model: MODEL, name: row.name, reason: row.failure };
    const { name, median, min, max, ready: { version, flags } } = row;
    const bounds = way === undefined ? undefined : boundsOf(way, rows, boxes);
    const link = boxes.find(({ profile }) => profile === way?.profile)?.description;
    return { event: 'cluster', model: MODEL, batchSize: CLUSTER_BATCH, name, version, flags, median, min, max, ratio: ratioTo(rows, row), link, bytesPerStep: traffic, bounds };
  });
}

function explain({ rows, boxes }: ClusterComparison): string[] {
  const links = boxes.map(({ profile, description }) => `${profile.name}: ${description}`);
  return [...links, ...rows.flatMap(({ row, way, traffic }) => {
    if (way === undefined || !('median' in row)) return [];
    const bounds = boundsOf(way, rows, boxes);
    const bytes = traffic === undefined ? '' : `; ${kilobytes(traffic.received)} to the node and ${kilobytes(traffic.sent)} from it a step, with all headers`;
    const of = bounds === undefined ? '' : `; bounds: ${bounds.unpipelined.toFixed(2)} one after the other, ${bounds.pipelined.toFixed(2)} overlapped, where a step takes ${bounds.stepMs.toFixed(1)} ms`;
    return [`${way.profile.name}, ${way.name}: ${ratioTo(rows, row).toFixed(2)} times the worker alone${of}${bytes}`];
  })];
}

/** The ways that have something to reach. */
export function judgeCluster({ rows, boxes }: ClusterComparison): Verdict[] {
  return rows.flatMap(({ row, way }) => {
    if (way?.wanted === undefined) return [];
    const what = `one worker and a node of one to one worker, ${way.profile.name}, ${way.name}`;
    const reason = 'failure' in row ? row.failure : boxes.find(({ profile }) => profile === way.profile)!.description;
    const measured = 'median' in row ? ratioTo(rows, row) : undefined;
    const verdict = judgeAtLeast(what, way.wanted, measured, reason);
    const bounds = boundsOf(way, rows, boxes);
    if (bounds === undefined || measured === undefined) return [verdict];
    return [verdict, judgeAtLeast(`${what}: part of the overlapped bound`, 0.9, measured / bounds.pipelined, `${measured.toFixed(2)} / ${bounds.pipelined.toFixed(2)}`)];
  });
}

function boundsOf({ profile, bytesPerValue }: Way, rows: readonly ClusterRow[], boxes: ClusterComparison['boxes']): { unpipelined: number; pipelined: number; stepMs: number } | undefined {
  const own = rows[0]!.row;
  if (bytesPerValue === undefined || !('median' in own) || !boxes.find((box) => box.profile === profile)!.isShaped) return undefined;
  const stepMs = (CLUSTER_BATCH / own.median) * 1000;
  const costs: RoundCosts = {
    stepMs, parameterBytes: (MODEL_BYTES / 4) * bytesPerValue.there, gradientBytes: (MODEL_BYTES / 4) * bytesPerValue.back, rateMbps: profile.rateMbps, delayMs: profile.delayMs,
  };
  return { unpipelined: unpipelinedBound(costs), pipelined: pipelinedBound(costs), stepMs };
}

function ratioTo(rows: readonly ClusterRow[], row: { readonly median: number }): number {
  const own = rows[0]!.row;
  return 'median' in own ? row.median / own.median : NaN;
}

function kilobytes(byteLength: number): string {
  return `${wholeNumber(byteLength / 1000)} kB`;
}
