import type { Fault } from '../src/train/session.js';

/** Does to this worker what a test of recovery asked for, if this is the point. */
export function causeFault(faults: readonly Fault[], worker: number, version: number, phase: Fault['phase']): void {
  const fault = faults.find((each) => each.worker === worker && each.version === version && each.phase === phase);
  if (fault === undefined) return;
  if (fault.kind === 'exit') process.exit(1);
  if (fault.kind === 'throw') throw new Error(`fault in worker ${worker} at version ${version}`);
  const hoard: number[][] = [];
  for (;;) hoard.push(new Array<number>(1_000_000).fill(version));
}
