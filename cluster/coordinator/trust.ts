import { randomInt } from 'node:crypto';
import type { Control } from '../../src/train/control.js';
import type { Program, Update } from '../../src/train/session.js';
import { versionToKeep } from '../rounds/audit.js';
import { present } from '../rounds/membership.js';
import type { Action } from '../rounds/next-action.js';
import type { Run } from '../rounds/run.js';
import { Findings } from './findings.js';
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
  readonly #findings: Findings;

  constructor(private readonly options: TrustOptions) {
    const { memory, control, update, run, program: { batchRows, examples, shardRows } } = options;
    this.#findings = new Findings({ ...options, steps: { exampleCount: examples, batchRows, shardRows } });
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

  /** Of an action before it is performed. */
  hear(action: Action): void {
    this.#findings.hear(action);
  }
}
