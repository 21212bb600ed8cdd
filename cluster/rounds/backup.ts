// Near the end of a round: which leaves of a straggler idle sources compute too. Whoever comes first counts.
import { handOut, type HandedOut } from './assign.js';
import { rangesOverlap } from './coverage.js';
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
  const straggler = idle.length === 0 ? undefined : lastOf(live.filter((assignment) => isAlone(assignment, live)), nowMs);
  if (straggler === undefined) return undefined;
  const work = { free: [straggler.subtree], leafCount: round.coverage.leafCount, shardExamples: round.shardExamples };
  const handedOut = handOut(work, idle);
  const neededMs = Math.max(...handedOut.map(({ finishMs }) => finishMs));
  if (neededMs <= remainingMs(straggler, nowMs)) return { kind: 'now', handedOut };
  return { kind: 'later', atMs: Math.max(straggler.expectedMs, straggler.assignedMs + neededMs) };
}

/** An opinion is a second computation already, and a straggler that has a backup is not backed up again. */
function isAlone(assignment: Assignment, live: readonly Assignment[]): boolean {
  return assignment.purpose !== 'opinion' && live.every((other) => other === assignment || !rangesOverlap(other.leaves, assignment.leaves));
}

function lastOf(assignments: readonly Assignment[], nowMs: number): Assignment | undefined {
  let last: Assignment | undefined;
  for (const assignment of assignments) {
    if (last === undefined || remainingMs(assignment, nowMs) > remainingMs(last, nowMs)) last = assignment;
  }
  return last;
}

/**
 * From now until an assignment should be done. When that time is over nothing is known but how long it has taken: as long again.
 * A source whose speed is not known has given no reason to wait for it.
 */
function remainingMs({ assignedMs, expectedMs }: Assignment, nowMs: number): number {
  return nowMs < expectedMs ? expectedMs - nowMs : nowMs - assignedMs;
}
