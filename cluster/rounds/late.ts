// Shares that come when the update of their step has been made: too late to count, not to be compared.
import { leavesOf } from '../../src/plan/tree.js';
import { equalRanges } from './coverage.js';
import { settle, type Doubt } from './doubts.js';
import { isTrusted } from './membership.js';
import { incidentOf, type Answered, type Round, type Run } from './run.js';
import { NO_SLOT, type Share } from './share.js';

/** As many are remembered; of a source that left, nothing comes any more. */
const MOST_ANSWERED = 256;

export type LateVerdict = { readonly kind: 'duplicate' | 'differs'; readonly of: number };

/**
 * A share counts. It is remembered where another source was asked for its leaves too and may still send them: to name its bytes costs
 * as much as reading them, which no step pays whose shares are asked for once.
 */
export function remember(run: Run, round: Round, share: Share): void {
  if (!run.settings.exact) return;
  const { leafCount } = round.coverage;
  const leaves = leavesOf(share.subtree, leafCount);
  const asked = round.assignments.filter((assignment) => assignment.source !== share.source && assignment.state !== 'arrived' && equalRanges(assignment.leaves, leaves));
  const before = run.answered.findIndex(({ step, said }) => step === round.step && equalRanges(said.leaves, leaves));
  if (before >= 0) run.answered.splice(before, 1); // it was taken back
  if (asked.length === 0) return;
  const said: Doubt = { subtree: share.subtree, leaves, reason: 'differs', shares: [withoutBytes(share)] };
  run.answered.push({ step: round.step, version: share.version, leafCount, said, awaited: new Set(asked.map(({ source }) => source)) });
  if (run.answered.length > MOST_ANSWERED) run.answered.shift();
}

/**
 * Compares a share of a step that is over with the one that counted. A difference is an incident, and decided as among the shares of an
 * open step, but that nobody computes the leaves once more.
 * @returns undefined where nobody waits for it
 */
export function compareLate(run: Run, share: Share): LateVerdict | undefined {
  const found = run.answered.find((answered) => isAwaited(run, answered, share));
  if (found === undefined || share.slot === NO_SLOT) return undefined;
  const { said, awaited } = found;
  awaited.delete(share.source);
  if (awaited.size === 0) run.answered.splice(run.answered.indexOf(found), 1);
  said.shares.push(withoutBytes(share));
  const [counted, ...others] = said.shares;
  if (others.some(({ digest }) => digest !== counted!.digest)) judge(run, found);
  return { kind: share.digest === counted!.digest ? 'duplicate' : 'differs', of: counted!.source };
}

function isAwaited(run: Run, { step, version, leafCount, said, awaited }: Answered, share: Share): boolean {
  return share.step === step && share.generation === run.generation && share.version === version && awaited.has(share.source)
    && run.members.byNumber.get(share.source)?.stage === 'ready' && equalRanges(leavesOf(share.subtree, leafCount), said.leaves);
}

function judge(run: Run, { step, version, said }: Answered): void {
  run.incidents.push(incidentOf('differentBytes', { step, version }, said));
  const settlement = settle(said, true, (source) => isTrusted(run.members, source));
  if (settlement.kind === 'open') return;
  for (const source of settlement.wrong) if (run.members.byNumber.has(source)) run.liars.push({ source, step, subtree: said.subtree });
}

/** Its slot is used for others. */
function withoutBytes(share: Share): Share {
  return { ...share, slot: NO_SLOT };
}
