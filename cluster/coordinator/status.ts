import { FIELD, type Control } from '../../src/train/control.js';
import type { Program } from '../../src/train/session.js';
import { present, stateOf, type Members } from '../rounds/membership.js';

/** What a training looks like at one moment, for whoever watches it. */
export interface RunStatus {
  /** From 0. */
  readonly epoch: number;
  /** Of the whole run, what an earlier start made included. */
  readonly steps: number;
  readonly examples: number;
  readonly version: number;
  /** How many nodes there are of each state. */
  readonly nodes: ReadonlyMap<string, number>;
}

export function statusOf({ fields }: Pick<Control, 'fields'>, { examples, batchRows }: Pick<Program, 'examples' | 'batchRows'>, members: Members): RunStatus {
  const [epoch, epochStep] = [fields[FIELD.epoch]!, fields[FIELD.epochStep]!];
  const nodes = new Map<string, number>();
  for (const member of present(members)) {
    if (member.kind !== 'local') nodes.set(stateOf(member), (nodes.get(stateOf(member)) ?? 0) + 1);
  }
  return {
    epoch, nodes,
    steps: epoch * Math.ceil(examples / batchRows) + epochStep,
    examples: epoch * examples + Math.min(examples, epochStep * batchRows),
    version: fields[FIELD.version]!,
  };
}
