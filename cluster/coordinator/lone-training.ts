import { COMMAND, FIELD, type Control } from '../../src/train/control.js';
import { wholeNumber } from '../../src/report/format.js';
import type { SessionRunner } from '../../src/train/session.js';
import { observe } from '../rounds/pace.js';
import { Worth, type Loss, type Trial } from '../rounds/worth.js';
import type { Run } from '../rounds/run.js';
import { mustClose, owesAudit } from '../rounds/stretch.js';
import type { Attendance } from './attendance.js';

/**
 * Where a round gave the nodes nothing to do, because they are too far away for so little work, the local pool goes on alone for
 * so long; then they are measured anew.
 */
const REST_MS = 2_000;

export interface LoneTrainingOptions {
  readonly run: Run;
  readonly control: Control;
  readonly attendance: Attendance;
  readonly runner: SessionRunner;
  /** For people. */
  readonly notice: (sentence: string) => void;
}

/** The local pool alone: without nodes, or while they are left alone, it needs no rounds. */
export class LoneTraining {
  /** Run time until which nodes are left alone. */
  #restUntilMs = 0;
  readonly #worth = new Worth();

  constructor(private readonly options: LoneTrainingOptions) {}

  /** Nobody else computes, and the run does not wait for anybody. */
  get isDue(): boolean {
    const { run, attendance } = this.options;
    if (attendance.local === undefined || run.settings.quorum > 0 || run.isPaused || mustClose(run)) return false;
    return attendance.readyNodes === 0 || attendance.nowMs() < this.#restUntilMs;
  }

  /** Nodes are left alone for a while. */
  restNodes(restMs = REST_MS): void {
    this.#restUntilMs = this.options.attendance.nowMs() + restMs;
  }

  /** Rounds begin, or go on after something else. */
  roundsGoOn(): void {
    this.#worth.goOn(this.options.attendance.nowMs());
  }

  /** A step was made in a round. Where rounds turn out to be slower than this machine alone, nodes are left alone, unless somebody has said what a run waits or pays for. */
  roundMade(examples: number): void {
    const { run: { settings: { mode, quorum, auditProbability } }, attendance: { local } } = this.options;
    if (local === undefined || mode.kind !== 'sync' || quorum > 0 || auditProbability > 0) return;
    this.#heed(this.#worth.round(examples, this.options.attendance.nowMs(), local.pace.speed));
  }

  #heed(found: Trial | Loss | undefined): void {
    if (found === undefined) return;
    this.restNodes(found.restMs);
    if (found.kind === 'trial') return;
    const [together, alone] = [found.together, found.alone].map((speed) => wholeNumber(speed * 1_000));
    this.options.notice(`with the nodes a step takes longer than without (${together} examples a second, ${alone} alone): this machine goes on alone for ${found.restMs / 1_000} s; larger batches or another mode give nodes more to do`);
  }

  /** A node is ready: workers that train alone hand back after their step. */
  nodeIsReady(): void {
    this.#restUntilMs = 0;
    this.#worth.forget();
    this.#handBack(1);
  }

  /**
   * Trains until somebody is ready, the nodes have been left alone for long enough, or the epoch has made `limit` steps.
   * @param first number of the epoch's first step, as the rounds count
   */
  async train(limit: number, first: number): Promise<void> {
    const { run, control: { fields, sums }, attendance, runner } = this.options;
    const [startMs, startExamples] = [attendance.nowMs(), sums[0]!];
    this.#handBack(0);
    if (!this.isDue) return; // somebody became ready in between
    fields[FIELD.stepLimit] = owesAudit(run) ? limit - 1 : limit; // the last step is audited then
    const rest = setTimeout(() => { this.#handBack(1); }, Math.max(0, this.#restUntilMs - startMs));
    if (attendance.readyNodes === 0) clearTimeout(rest);
    await runner.run(COMMAND.train);
    clearTimeout(rest);
    fields[FIELD.stepLimit] = limit; // whoever hands back early brings it down
    const [elapsedMs, examples] = [attendance.nowMs() - startMs, sums[0]! - startExamples];
    this.#heed(this.#worth.alone(examples, elapsedMs));
    if (examples <= 0) return;
    const local = attendance.local!;
    local.pace = observe(local.pace, { examples, elapsedMs, computeMs: elapsedMs, wasIdle: true });
    local.lastStep = first + fields[FIELD.epochStep]!;
  }

  #handBack(whether: 0 | 1): void {
    Atomics.store(this.options.control.fields, FIELD.handBack, whether);
  }
}
