// Near the end of a round: which leaves of a straggler idle sources compute too. Whoever comes first counts.
import { handOut, type HandedOut, type Source } from './assign.js';
import { sourcesFor, type Assignment, type Outlook, type Round, type Run } from './run.js';

export type Backup =
  /** To be done now. */
  | { readonly kind: 'now'; readonly handedOut: readonly HandedOut[] }
  /** Not worth it before this run time. */
  | { readonly kind: 'later'; readonly atMs: number };

/**
 * The straggler is whoever is expected last, after Zaharia et al., Improving MapReduce Performance in Heterogeneous Environments,
 * 2008. Idle sources of known speed take its leaves when they expect to be done before it. Nobody's leaves are computed by more
 * than two at a time, as long as their sources are there.
 */
export function backupOf(run: Run, round: Round, live: readonly Assignment[], outlook: Outlook): Backup | undefined {
  const { nowMs, busyUntilMs } = outlook;
  const idle = sourcesFor(run, round, outlook).filter(({ number, pace }) => pace.speed !== undefined && !busyUntilMs.has(number));
  const straggler = idle.length === 0 ? undefined : lastOf(computedOnce(round, live), nowMs);
  if (straggler === undefined) return undefined;
  const { subtree, leaves: { start, end }, expectedMs } = straggler;
  const work = { free: [subtree], leafCount: round.coverage.leafCount, shardExamples: round.shardExamples };
  const handedOut = handOut(work, quickest(idle, end - start, round.shardExamples));
  const neededMs = Math.max(...handedOut.map(({ finishMs }) => finishMs));
  if (neededMs <= remainingMs(straggler, nowMs)) return { kind: 'now', handedOut };
  return { kind: 'later', atMs: expectedMs + neededMs };
}

/** No more than `most` sources, those that would be done first with one leaf. */
function quickest(idle: readonly Source[], most: number, shardExamples: number): Source[] {
  const oneLeafMs = ({ pace }: Source): number => pace.latencyMs + (shardExamples * 1000) / pace.speed!;
  return idle.map((source) => ({ source, ms: oneLeafMs(source) })).sort((a, b) => a.ms - b.ms || a.source.number - b.source.number).slice(0, most).map(({ source }) => source);
}

/** A straggler that has a backup is not backed up again; leaves that are doubted are being computed a second time already. */
function computedOnce({ coverage: { leaves }, doubts }: Round, live: readonly Assignment[]): Assignment[] {
  const copies = new Uint32Array(leaves.end - leaves.start);
  for (const { leaves: { start, end } } of [...live, ...doubts]) for (let leaf = start; leaf < end; leaf++) copies[leaf - leaves.start]!++;
  return live.filter(({ leaves: { start, end } }) => copies.subarray(start - leaves.start, end - leaves.start).every((count) => count === 1));
}

function lastOf(assignments: readonly Assignment[], nowMs: number): Assignment | undefined {
  let last: Assignment | undefined;
  for (const assignment of assignments) {
    if (last === undefined || remainingMs(assignment, nowMs) > remainingMs(last, nowMs)) last = assignment;
  }
  return last;
}

/**
 * From now until an assignment should be done; when it is late, as much again as it is late already, so that waiting for it in
 * vain never costs more than twice what it would have cost not to wait. Infinity for a source of unknown speed: it has given no
 * reason to wait for it.
 */
function remainingMs({ expectedMs }: Assignment, nowMs: number): number {
  return Math.abs(expectedMs - nowMs);
}
