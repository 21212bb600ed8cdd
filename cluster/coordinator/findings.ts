import { leavesOf, type TreeNode } from '../../src/plan/tree.js';
import { rowsOfStep, type StepSizes } from '../data/steps.js';
import { isTrusted } from '../rounds/membership.js';
import type { Action } from '../rounds/next-action.js';
import type { Run } from '../rounds/run.js';
import type { LeafGroups } from './leaf-groups.js';

export interface FindingsOptions {
  readonly run: Run;
  readonly steps: StepSizes & { readonly shardRows: number };
  readonly leaves: LeafGroups;
  /** For people. */
  readonly notice: (sentence: string) => void;
}

/** What the rounds find out about wrong bytes: people are told. */
export class Findings {
  /** The step for which the lack of a judge was told of. */
  #toldOfStep = -1;

  constructor(private readonly options: FindingsOptions) {}

  /** Of an action before it is performed. */
  hear(action: Action): void {
    const { notice } = this.options;
    if (action.kind === 'incident') {
      const { kind, step, subtree, claims } = action.incident;
      const said = claims.map(({ source, digest }) => `${this.#name(source)} ${digest.slice(0, 12)}`).join(', ');
      const what = kind === 'differentBytes' ? 'different bytes' : 'numbers that nobody confirmed';
      notice(`${what} for ${this.#place(step, subtree)}: ${said}`);
    } else if (action.kind === 'expel') {
      const { source, step, subtree } = action.liar;
      notice(`${this.#name(source)} gave wrong bytes for ${this.#place(step, subtree)} and is expelled`);
    } else if (action.kind === 'pause' && action.reason === 'judge') this.#tellOfDoubt();
  }

  #tellOfDoubt(): void {
    const { run, notice } = this.options;
    const round = run.rounds.find(({ doubts }) => doubts.length > 0);
    if (round === undefined || round.step === this.#toldOfStep) return;
    this.#toldOfStep = round.step;
    const { subtree, shares } = round.doubts[0]!;
    const names = [...new Set(shares.map(({ source }) => this.#name(source)))].join(' and ');
    notice(`${names} stand by different bytes for ${this.#place(round.step, subtree)}, and nobody else is there to judge: the run waits until another node joins; --workers 1 or more lets the coordinator judge`);
  }

  #name(source: number): string {
    return isTrusted(this.options.run.members, source) ? 'this machine' : `node ${source}`;
  }

  #place(step: number, subtree: TreeNode): string {
    const { steps: { batchRows, exampleCount, shardRows }, leaves } = this.options;
    const rows = rowsOfStep(this.options.steps, step % Math.ceil(exampleCount / batchRows));
    const { start, end } = leavesOf(leaves.toShards(subtree), Math.ceil(rows / shardRows));
    return `shards ${start} to ${end - 1} of step ${step + 1}`;
  }
}
