import type { BenchModel } from '../cli/choices.js';
import { measure, type MeasuredRow, type MeasureOptions, type Row } from './harness.js';
import type { OwnContestant } from './own.js';
import type { PeerContestant, Peers } from './peers.js';
import { formatTable, type Base } from './table.js';
import { rivalAmong, type PeerSpeed, type Rival, type Speeds } from './targets.js';

/** All contestants of one model, measured in one interleaved run. */
export interface Comparison {
  readonly model: BenchModel;
  readonly batchSize: number;
  readonly rows: readonly Row[];
  readonly speeds: Speeds;
}

/** The ratios of the table: a column's title and whom it is to. */
const RATIOS: readonly { readonly title: string; readonly rival: Rival }[] = [
  { title: '/ torch', rival: 'torch-1' },
  { title: '/ sync', rival: 'fastest synchronous peer' },
  { title: '/ all', rival: 'fastest peer' },
];

export async function compare(
  { model, batchSize }: { readonly model: BenchModel; readonly batchSize: number },
  own: readonly OwnContestant[],
  peers: Peers,
  options: MeasureOptions,
): Promise<Comparison> {
  const measured = await measure([...own, ...peers.contestants], options);
  const absent = peers.absent.map(({ name, reason }) => ({ name, failure: reason }));
  const speeds = speedsOf(own, measured.slice(0, own.length), peers.contestants, measured.slice(own.length));
  return { model, batchSize, rows: [...measured, ...absent], speeds };
}

function speedsOf(own: readonly OwnContestant[], ownRows: readonly Row[], peers: readonly PeerContestant[], peerRows: readonly Row[]): Speeds {
  return {
    own: withMedians(own, ownRows).map(([{ workers, nodeMajor, engineFlags }, median]) => ({ workers, nodeMajor, engineFlags, median })),
    peers: withMedians(peers, peerRows).map(([{ id, name }, median]) => ({ id, name, median })),
  };
}

/** Contestants that were measured; rows are in the order of the contestants. */
function withMedians<C>(contestants: readonly C[], rows: readonly Row[]): (readonly [C, number])[] {
  return contestants.flatMap((contestant, index) => {
    const row = rows[index]!;
    return 'median' in row ? [[contestant, row.median] as const] : [];
  });
}

/** The table of one model under a heading that says whom its ratios are to. */
export function formatComparison({ model, batchSize, rows, speeds }: Comparison): string {
  const bases = basesOf(speeds.peers);
  const legend = bases.map(({ title, name }) => `"${title}" to ${name}`).join(', ');
  const heading = `${model}, batch ${batchSize}, examples a second${legend === '' ? '' : `; ratios: ${legend}`}`;
  return `${heading}\n${formatTable(rows, bases)}`;
}

/** The row of an event: all runs of a contestant, or why there are none. */
export function comparisonEvents({ model, batchSize, rows, speeds }: Comparison): Record<string, unknown>[] {
  return rows.map((row) => ('median' in row ? measuredEvent(row, basesOf(speeds.peers), { model, batchSize }) : { event: 'absent', model, name: row.name, reason: row.failure }));
}

function measuredEvent(row: MeasuredRow, bases: readonly Base[], workload: object): Record<string, unknown> {
  const { name, median, min, max, answers, ready } = row;
  const { version, threads, blas, flags } = ready;
  const ratios = Object.fromEntries(bases.map((base) => [base.title, median / base.median!]));
  const runs = answers.map(({ examplesPerSecond }) => examplesPerSecond);
  return { event: 'bench', ...workload, name, version, threads, blas, flags, median, min, max, ratios, runs, loss: answers.at(-1)!.loss };
}

function basesOf(peers: readonly PeerSpeed[]): (Base & { readonly name: string })[] {
  return RATIOS.flatMap(({ title, rival }) => {
    const peer = rivalAmong(peers, rival);
    return peer === undefined ? [] : [{ title, median: peer.median, name: peer.name }];
  });
}
