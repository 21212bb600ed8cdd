// What a node is worth: a local worker alone, and with a node of one worker on another machine of a box.
import { fileURLToPath } from 'node:url';
import type { DistributeOptions } from '../../src/train/options.js';
import { wholeNumber } from '../../src/report/format.js';
import { openLan, type Lan, type Opened } from '../lan/lan.js';
import { GIGABIT, slowed, WIFI, type LinkProfile } from '../lan/profile.js';
import { pipelinedBound, unpipelinedBound, type RoundCosts } from './bound.js';
import { LINK, type Command, type Crew } from './crew.js';
import { CODEC_RATIO, exactSpeedup, localSpeedup, ROUND_OVERHEAD_MS, type StepCosts } from './prediction.js';
import { measure, type Contestant, type Row } from './harness.js';
import { LinkCounter, type Traffic } from './link-counter.js';
import { torchInBox } from './peers.js';
import { SMALL_BATCH, type RoundCostContestants } from './round-cost.js';
import { formatTable } from './table.js';
import { judgeAtLeast, judgeAtMost, type Verdict } from './targets.js';

export const CLUSTER_BATCH = 2_048;
const PREDICTION_LIMIT = 0.2;
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
  readonly link: LinkProfile;
  readonly options: Readonly<Record<string, unknown>>;
  /** Least ratio to the local worker alone. */
  readonly wanted?: number;
  /** Of one value, each way, on the wire; undefined where rounds do not bound the speed. */
  readonly bytesPerValue?: { readonly there: number; readonly back: number };
}

const WAYS: readonly Way[] = [
  { name: 'exact', link: GIGABIT, options: {}, wanted: 1.4, bytesPerValue: { there: 4, back: 4 } },
  { name: 'bfloat16', link: GIGABIT, options: { codec: 'bfloat16' }, wanted: 1.6, bytesPerValue: { there: 2, back: 2 } },
  { name: 'exact', link: WIFI, options: {}, bytesPerValue: { there: 4, back: 4 } },
  // An epoch has 30 steps: 15 for each of two.
  { name: 'local, period 15', link: WIFI, options: { mode: 'local', period: 15 }, wanted: 1.6 },
  { name: 'local, period 15, bfloat16', link: WIFI, options: { mode: 'local', period: 15, codec: 'bfloat16' }, wanted: 1.6 },
];

/**
 * Two machines have four cores at least, and a trainer on each: where they share the two of this one, its main threads wait for the
 * workers' cores. So all is measured again where every process has two cores, for one part in so many of the time, and the links are
 * as slow as those come out.
 */
const CORE_PARTS = 4;

/** Where machines are measured. */
interface Site {
  readonly link: LinkProfile;
  /** The link as it is there. */
  readonly profile: LinkProfile;
  /** Each core is there for one part in so many of the time, which makes it so many times as slow. */
  readonly coreParts: number;
  readonly slowness: number;
}

const CALIBRATION = { rounds: 3, seconds: 1 } as const;

async function sitesFor(dataFolder: string): Promise<Site[]> {
  const cores = [{ coreParts: 1, slowness: 1 }, { coreParts: CORE_PARTS, slowness: await slownessOfCores(dataFolder) }];
  return cores.flatMap((site) => [GIGABIT, WIFI].map((link) => ({ link, profile: slowed(link, site.slowness), ...site })));
}

/** The kernel grants parts of cores in turns of its own: how slow one worker is there is measured, or links would be too fast for it. */
async function slownessOfCores(dataFolder: string): Promise<number> {
  const { lan } = await openLan(slowed(GIGABIT, CORE_PARTS), 1, CORE_PARTS);
  if (lan === undefined) return CORE_PARTS;
  try {
    const rows = await measure([alone(undefined, dataFolder), { ...alone(lan, dataFolder), slowness: CORE_PARTS }], CALIBRATION);
    const [here, there] = rows.map((row) => ('median' in row ? row.median : undefined));
    return here === undefined || there === undefined ? CORE_PARTS : here / there;
  } finally {
    await lan.close();
  }
}

/** A site, and the box there. */
interface Box extends Site {
  readonly opened: Opened;
}

export interface ClusterOptions {
  readonly dataFolder: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly notice: (sentence: string) => void;
}

/** A row, where it was measured, and what it has to do with a node. */
export interface ClusterRow {
  readonly row: Row;
  readonly box: Box;
  readonly trainer: Trainer;
  /** The same trainer on one machine alone, on the same cores. */
  readonly alone: Row;
  readonly way?: Way;
  /** Bytes a step to and from the node, all headers included. */
  readonly traffic?: Traffic | undefined;
}

export interface ClusterComparison {
  readonly rows: readonly ClusterRow[];
  readonly boxes: readonly Box[];
}

type Trainer = 'ours' | 'torch';

interface Entry {
  readonly contestant: Contestant;
  readonly box: Box;
  readonly trainer: Trainer;
  readonly way?: Way;
  readonly counter?: LinkCounter | undefined;
  readonly isAlone?: boolean;
}

/** Measures all of them in turns. Where there can be no box, nodes are on loopback; slower cores there are only in one. */
export async function compareCluster(options: ClusterOptions): Promise<ClusterComparison> {
  const sites = await sitesFor(options.dataFolder);
  const boxes = await Promise.all(sites.map(async (site) => ({ ...site, opened: await openLan(site.profile, 2, site.coreParts) })));
  try {
    const entries = boxes.flatMap((box) => entriesOf(box, options));
    options.notice(`warming up ${entries.length} contestants`);
    const of = (name: string): Entry => entries.find(({ contestant }) => contestant.name === name)!;
    const measured = await measure(entries.map(({ contestant }) => contestant), {
      rounds: options.rounds, seconds: options.seconds,
      beforeRun: (name) => { of(name).counter?.begin(); },
      onRun: (name, _round, answer) => { of(name).counter?.end(name, answer); },
    });
    const aloneOf = (entry: Entry): Row => measured[entries.findIndex(({ box, trainer, isAlone }) => isAlone && trainer === entry.trainer && box.slowness === entry.box.slowness)]!;
    return {
      boxes,
      rows: entries.map((entry, index) => {
        const { box, trainer, way, counter, contestant } = entry;
        return { row: measured[index]!, box, trainer, alone: aloneOf(entry), ...(way === undefined ? {} : { way }), traffic: counter?.perStep(contestant.name, CLUSTER_BATCH) };
      }),
    };
  } finally {
    await Promise.all(boxes.map(({ opened }) => opened.lan?.close()));
  }
}

function entriesOf(box: Box, { dataFolder }: ClusterOptions): Entry[] {
  const { link, slowness, opened: { lan } } = box;
  if (lan === undefined && slowness > 1) return [];
  const counter = lan === undefined ? undefined : new LinkCounter(lan, lan.machines[1]!);
  const own = link === GIGABIT ? [{ contestant: alone(lan, dataFolder), isAlone: true }] : [];
  const nodes = WAYS.filter((way) => way.link === link).map((way) => ({ contestant: withNode(way, lan, dataFolder), way, counter }));
  const torch = lan === undefined || link !== GIGABIT ? undefined : torchInBox({ model: MODEL, batchSize: CLUSTER_BATCH, dataFolder }, lan);
  const torches = torch === undefined ? [] : [{ contestant: torch.alone, isAlone: true }, { contestant: torch.together, counter }];
  const here = <Some extends Pick<Entry, 'contestant'>>(trainer: Trainer, some: Some) => ({ ...some, contestant: { ...some.contestant, slowness, name: `${some.contestant.name}${at(box)}` }, box, trainer });
  return [...[...own, ...nodes].map((entry) => here('ours', entry)), ...torches.map((entry) => here('torch', entry))];
}

function at({ slowness }: Site): string {
  return slowness === 1 ? '' : `, cores of its own`;
}

function ours(dataFolder: string, { batch = CLUSTER_BATCH, workers = 1 } = {}, ...more: string[]): string[] {
  return [OURS, '--model', MODEL, '--data', dataFolder, '--batch', String(batch), '--workers', String(workers), '--engine-flags', ...more];
}

function alone(lan: Lan | undefined, dataFolder: string): Contestant {
  return { name: 'ours, 1 worker', ...on(lan, 0, ours(dataFolder)), env: process.env };
}

function withNode({ name, link, options }: Way, lan: Lan | undefined, dataFolder: string): Contestant {
  const served: DistributeOptions = { ...options, serve: lan === undefined ? '127.0.0.1:0' : `${lan.machines[0]!.address}:0` };
  const crew: Crew = { main: on(lan, 0, ours(dataFolder, {}, ...serving(served))), helpers: [on(lan, 1, JOIN)] };
  return { name: `ours, 1 worker and a node of 1, ${link.name}, ${name}`, ...contestantOf(crew) };
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

/** The tables, and why the rows are as they are. */
export function formatCluster(comparison: ClusterComparison): string {
  const sites = new Set(comparison.boxes.map(({ slowness }) => slowness));
  return [...sites].flatMap((slowness) => formatSites(comparison, slowness)).join('\n');
}

function formatSites({ rows, boxes }: ClusterComparison, slowness: number): string[] {
  const measured = rows.filter(({ box }) => box.slowness === slowness);
  const described = boxes.filter((box) => box.slowness === slowness).map((box) => `${box.link.name}: ${descriptionOf(box)}`);
  const [first] = measured;
  if (first === undefined) return described;
  const title = slowness === 1 ? 'machines that share the cores of this one' : `machines with cores and links of their own, ${slowness.toFixed(1)} times as slow as this one's`;
  const table = formatTable(measured.map(({ row }) => row), [{ title: '/ alone', median: 'median' in first.alone ? first.alone.median : undefined }]);
  return [`${MODEL}, batch ${CLUSTER_BATCH}, ${title}, examples a second; "/ alone" to one worker of ours`, table, ...described, ...measured.flatMap(explain)];
}

export function clusterEvents({ rows }: ClusterComparison): Record<string, unknown>[] {
  return rows.map((measured) => {
    const { row, box, traffic } = measured;
    if ('failure' in row) return { event: 'absent', model: MODEL, name: row.name, reason: row.failure };
    const { name, median, min, max, ready: { version, flags } } = row;
    return {
      event: 'cluster', model: MODEL, batchSize: CLUSTER_BATCH, name, version, flags, median, min, max, ratio: ratioTo(measured.alone, row),
      slowness: box.slowness, link: descriptionOf(box), bytesPerStep: traffic, bounds: boundsOf(measured), predicted: predictedOf(measured),
    };
  });
}

function descriptionOf({ slowness, opened: { lan, missing } }: Box): string {
  return lan?.description ?? `${slowness === 1 ? 'loopback' : 'not measured'}: ${missing}`;
}

function explain(measured: ClusterRow): string[] {
  const { row, way, trainer, alone: own, traffic } = measured;
  if (trainer === 'torch' && row !== own && 'median' in row) return [`${row.name}: ${ratioTo(own, row).toFixed(2)} times PyTorch alone`];
  if (way === undefined || !('median' in row)) return [];
  const bounds = boundsOf(measured);
  const bytes = traffic === undefined ? '' : `; ${kilobytes(traffic.received)} to the node and ${kilobytes(traffic.sent)} from it a step, with all headers`;
  const of = bounds === undefined ? '' : `; bounds: ${bounds.unpipelined.toFixed(2)} one after the other, ${bounds.pipelined.toFixed(2)} overlapped, where a step takes ${bounds.stepMs.toFixed(1)} ms`;
  const predicted = predictedOf(measured);
  const forecast = predicted === undefined ? '' : `; doctor would have said ${predicted.toFixed(2)}`;
  return [`${way.link.name}, ${way.name}: ${ratioTo(own, row).toFixed(2)} times the worker alone${forecast}${of}${bytes}`];
}

/** The ways that have something to reach. */
export function judgeCluster({ rows }: ClusterComparison): Verdict[] {
  return [...judgeWays(rows), ...rows.flatMap(judgePrediction)];
}

function judgePrediction(measured: ClusterRow): Verdict[] {
  const { row, way, box, alone: own } = measured;
  const predicted = predictedOf(measured);
  if (way === undefined || predicted === undefined || !('median' in row)) return [];
  const ratio = ratioTo(own, row);
  const what = `doctor's prediction off by, ${way.link.name}, ${way.name}${at(box)}`;
  return [judgeAtMost(what, PREDICTION_LIMIT, Math.abs(predicted / ratio - 1), `${predicted.toFixed(2)} predicted, ${ratio.toFixed(2)} measured`)];
}

function judgeWays(rows: readonly ClusterRow[]): Verdict[] {
  return rows.flatMap((measured) => {
    const { row, way, box, alone: own } = measured;
    if (way?.wanted === undefined) return [];
    const what = `one worker and a node of one to one worker, ${way.link.name}, ${way.name}${at(box)}`;
    const ratio = 'median' in row ? ratioTo(own, row) : undefined;
    const verdict = judgeAtLeast(what, way.wanted, ratio, 'failure' in row ? row.failure : descriptionOf(box));
    const bounds = boundsOf(measured);
    if (bounds === undefined || ratio === undefined) return [verdict];
    return [verdict, judgeAtLeast(`${what}: part of the overlapped bound`, 0.9, ratio / bounds.pipelined, `${ratio.toFixed(2)} / ${bounds.pipelined.toFixed(2)}`)];
  });
}

function boundsOf({ way, alone: own, box: { profile, opened: { lan } } }: ClusterRow): { unpipelined: number; pipelined: number; stepMs: number } | undefined {
  if (way?.bytesPerValue === undefined || !('median' in own) || lan === undefined) return undefined;
  const stepMs = (CLUSTER_BATCH / own.median) * 1000;
  const costs: RoundCosts = {
    stepMs, parameterBytes: (MODEL_BYTES / 4) * way.bytesPerValue.there, gradientBytes: (MODEL_BYTES / 4) * way.bytesPerValue.back, rateMbps: profile.rateMbps, delayMs: profile.delayMs,
  };
  return { unpipelined: unpipelinedBound(costs), pipelined: pipelinedBound(costs), stepMs };
}

/** What doctor says of the link; of machines with cores of their own alone, since it knows no others. */
function predictedOf({ way, alone: own, box: { profile, slowness, opened: { lan } } }: ClusterRow): number | undefined {
  if (way === undefined || slowness === 1 || !('median' in own) || lan === undefined) return undefined;
  const { mode, period, codec } = way.options as { readonly mode?: string; readonly period?: number; readonly codec?: string };
  const costs: StepCosts = {
    stepMs: (CLUSTER_BATCH / own.median) * 1000, batchSize: CLUSTER_BATCH, fixedMs: 0, parameterBytes: MODEL_BYTES,
    roundTripMs: 2 * lan.delayMs, rateMbps: profile.rateMbps, overheadMs: ROUND_OVERHEAD_MS * slowness, relativeSpeed: 1,
  };
  const ratio = codec === undefined ? 1 : CODEC_RATIO;
  return mode === 'local' ? localSpeedup(costs, period, ratio) : exactSpeedup(costs, ratio);
}

function ratioTo(own: Row, row: { readonly median: number }): number {
  return 'median' in own ? row.median / own.median : NaN;
}

function kilobytes(byteLength: number): string {
  return `${wholeNumber(byteLength / 1000)} kB`;
}
