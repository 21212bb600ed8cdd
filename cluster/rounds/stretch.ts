// A stretch: the updates between two times at which others are told of the training (its callbacks, the disk). What they were
// told is not redone, so the last step of a stretch is audited throughout.
import { present } from './membership.js';
import type { Run } from './run.js';

export interface Stretch {
  readonly version: number;
  readonly nextStep: number;
  readonly endStep: number;
}

/** What was made before stays as it is, whoever turns out to have given wrong bytes. */
export function beginStretch(run: Run, { version, nextStep, endStep }: Stretch): void {
  run.version = version;
  run.nextStep = nextStep;
  run.endStep = endStep;
  run.closeFrom = endStep - 1;
  run.unverified.clear();
}

/** Whether somebody who is there gave shares of this stretch that nobody has vouched for. */
export function owesAudit({ members, unverified }: Run): boolean {
  return present(members).some(({ number, stage }) => stage === 'ready' && unverified.has(number));
}

/** Whether the next step must be audited throughout, though the local pool would rather make it alone. */
export function mustClose(run: Run): boolean {
  return run.nextStep >= run.closeFrom && owesAudit(run);
}

/**
 * Somebody wants the stretch to end between two steps, before its end.
 * @returns whether it may; else the next step is audited throughout, and it may end after that
 */
export function endEarly(run: Run): boolean {
  if (!owesAudit(run) || run.nextStep > run.closeFrom) return true;
  run.closeFrom = run.nextStep;
  return false;
}
