import { randomInt } from 'node:crypto';
import { leavesOf, type TreeNode } from '../../src/plan/tree.js';
import type { Control } from '../../src/train/control.js';
import type { Program, Update } from '../../src/train/session.js';
import { versionToKeep } from '../rounds/audit.js';
import { isTrusted, present } from '../rounds/membership.js';
import type { Action } from '../rounds/next-action.js';
import type { Run } from '../rounds/run.js';
import type { LeafGroups } from './leaf-groups.js';
import { Snapshots, type SnapshotPlace } from './snapshots.js';

export interface TrustOptions {
  readonly run: Run;
  readonly memory: WebAssembly.Memory;
  readonly control: Control;
  readonly program: Pick<Program, 'batchRows' | 'examples' | 'shardRows'>;
  readonly update: Update;
  readonly leaves: LeafGroups;
  /** From [0, 1), and not to be known before. */
  readonly draw: () => number;
  /** For people. */
  readonly notice: (sentence: string) => void;
}

const DRAWS = 2 ** 47;

/** From [0, 1), from the system's randomness. */
export function drawSecretly(): number {
  return randomInt(DRAWS) / DRAWS;
}

/** What the coordinator does about wrong bytes, beside what the rounds decide: draws, states to go back to, sentences. */
export class Trust {
  /** Only where there are audits something is redone. */
  readonly #snapshots: Snapshots | undefined;
  /** The step for which the lack of a judge was told of. */
  #toldOfStep = -1;

  constructor(private readonly options: TrustOptions) {
    const { memory, control, update, run } = options;
    if (run.settings.auditProbability > 0) this.#snapshots = new Snapshots({ memory, control, update });
  }

  /** For a share that has arrived; undefined where none is audited. */
  draw(): number | undefined {
    return this.#snapshots === undefined ? undefined : this.options.draw();
  }

  /** A stretch begins. */
  begin(): void {
    this.#snapshots?.begin();
  }

  /** No step is in work. */
  keep(): void {
    const { run } = this.options;
    this.#snapshots?.keep(versionToKeep(run.unverified, present(run.members).map(({ number }) => number)));
  }

  /** The workers went back to a state of their own. */
  wentBack(): void {
    this.#snapshots?.wentBack();
  }

  /** Nobody computes. @returns where the training stands now */
  restore(version: number): SnapshotPlace {
    const place = this.#snapshots!.restore(version);
    this.options.notice(`the training goes on from step ${place.version + 1}: what came later may hold wrong shares, and is computed again`);
    return place;
  }

  /** Tells people of an action before it is performed. */
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
    const { program: { batchRows, examples, shardRows }, leaves } = this.options;
    const rows = Math.min(batchRows, examples - (step % Math.ceil(examples / batchRows)) * batchRows);
    const { start, end } = leavesOf(leaves.toShards(subtree), Math.ceil(rows / shardRows));
    return `shards ${start} to ${end - 1} of step ${step + 1}`;
  }
}
