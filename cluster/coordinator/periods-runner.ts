import { COMMAND, FIELD, viewControl, type CommandKind, type Control } from '../../src/train/control.js';
import type { TreeNode } from '../../src/plan/tree.js';
import type { OuterOptimizer } from '../../src/train/mode.js';
import type { Diagnosis, Program, RunOutcome, SessionRunner } from '../../src/train/session.js';
import { examplesOf, OwnSteps } from '../own-steps.js';
import { clusterError } from '../protocol/errors.js';
import type { MessageOf } from '../protocol/messages.js';
import { wholeTree } from '../rounds/coverage.js';
import { outerUpdate } from '../rounds/modes.js';
import { nextPeriodAction, performPeriod, receivePart, type LocalRun, type Part, type PartResult, type PeriodAction } from '../rounds/period.js';
import { Attendance } from './attendance.js';
import type { JoinableRunner, RoundsOptions } from './rounds-runner.js';
import { RunSteering } from './run-steering.js';
import type { Sender } from './share-inbox.js';
import { StateInbox } from './state-inbox.js';
import { statusOf, type RunStatus } from './status.js';
import { TakenNodes } from './taken-nodes.js';
import { tensorsOf, type Tensors } from './tensors.js';

/** A part is overdue so long after the time that it should take, stretched: what leaves is found out sooner. */
const PART_MS = 30_000;

/** The coordinator's own part of mode `local`. */
export interface OuterState {
  readonly optimizer: OuterOptimizer;
  /** Address of the momentum of each updated parameter. */
  readonly momentum: number;
}

export interface PeriodsOptions extends RoundsOptions {
  readonly period: number;
  readonly outer: OuterState;
}

/** What a source brought: where the parameters should go, and its sums of loss and metrics. */
interface Brought {
  readonly difference: Float32Array;
  readonly sums: ArrayLike<number>;
  /** Of a node. */
  readonly assignment?: number;
}

/**
 * Trains in periods, mode `local`: every source makes steps of its own from the same parameters, this machine's pool as one of
 * them, and what comes of them is joined. An executor of the actions of cluster/rounds/period.ts: it decides nothing.
 */
export class PeriodsRunner implements JoinableRunner {
  readonly #control: Control;
  readonly #program: Program;
  readonly #tensors: Tensors;
  readonly #inbox: StateInbox;
  readonly #attendance: Attendance;
  readonly #run: LocalRun;
  readonly #own: OwnSteps;
  readonly steering: RunSteering;
  readonly nodes: TakenNodes;
  /** By source. */
  readonly #brought = new Map<number, Brought>();
  #ownWork: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;
  /** Number of the epoch's first step. */
  #first = 0;
  /** All shards of a step. */
  #root: TreeNode = { level: 0, index: 0 };

  constructor(private readonly inner: SessionRunner, private readonly options: PeriodsOptions) {
    const { session, register: { generation }, rules: { quorum }, period } = options;
    const { memory } = session;
    this.#program = session.train!;
    this.#control = viewControl(memory, session.control);
    this.#tensors = tensorsOf(options);
    this.#inbox = new StateInbox(this.#tensors.room, this.#tensors.arriving, this.#program.plan.sumCount);
    this.#attendance = new Attendance({ ...options, sent: this.#tensors });
    this.#own = new OwnSteps({ memory, update: session.update!, control: this.#control, runner: inner, sumCount: this.#program.plan.sumCount });
    const { batchRows, examples } = this.#program;
    this.#run = {
      members: this.#attendance.members, period, quorum, batchExamples: Math.min(batchRows, examples), partMs: PART_MS, generation, version: 0, nextStep: 0, endStep: 0, parts: [], isPaused: false,
    };
    this.steering = new RunSteering(this.#run, this.#control, this.#attendance);
    this.nodes = new TakenNodes(this.#attendance, {
      ready: (member, size) => { this.#attendance.ready(member, this.#run.nextStep, size); },
      brought: (sender, message) => { if (message.type === 'state') this.#receiveState(sender, message); },
      dropped: (connection) => { this.#inbox.drop(connection); },
    });
  }

  async run(kind: CommandKind): Promise<Diagnosis | undefined> {
    if (kind !== COMMAND.train) return this.inner.run(kind);
    await this.steering.training(() => this.#train(this.#control.fields[FIELD.stepLimit]!));
    return undefined;
  }

  async end(outcome: RunOutcome = 'finished'): Promise<void> {
    this.#own.cancel();
    await this.#ownWork;
    this.#attendance.chronicle.end(outcome, this.#run.version, this.#attendance.nowMs());
    await this.inner.end();
  }

  get generation(): number {
    return this.#run.generation;
  }

  get status(): RunStatus {
    return statusOf(this.#control, this.#program, this.#attendance.members);
  }

  noteEpoch(epoch: number, logs: Readonly<Record<string, number>>): void {
    this.#attendance.chronicle.epoch(epoch, this.version, logs, this.#attendance.nowMs());
  }

  get version(): number {
    return this.#control.fields[FIELD.version]!;
  }

  get mostNodes(): number {
    return this.#attendance.mostNodes;
  }

  /** A request to stop ends it at the next border of periods, where there is one state and not one for each source. */
  async #train(limit: number): Promise<void> {
    const { fields } = this.#control;
    this.#first = fields[FIELD.firstStep]!;
    this.#run.version = this.#run.nextStep = this.#first + fields[FIELD.epochStep]!;
    this.#attendance.chronicle.begin(this.#run, { kind: 'local', period: this.options.period }, this.#attendance.nowMs());
    for (;;) {
      this.#run.endStep = Atomics.load(fields, FIELD.stopRequested) === 0 ? this.#first + limit : this.#run.nextStep;
      this.steering.throwIfAbandoned();
      this.#attendance.hearAll();
      const action = nextPeriodAction(this.#run, this.#attendance.nowMs());
      if (action.kind === 'done') return;
      if (action.kind === 'stop') return this.#diverge(action.step);
      await this.#act(action);
      if (this.#failure !== undefined) throw this.#failure.error;
    }
  }

  async #act(action: Exclude<PeriodAction, { readonly kind: 'done' | 'stop' }>): Promise<void> {
    switch (action.kind) {
      case 'deal':
        this.steering.goesOn();
        this.#note(action);
        this.#deal(this.#run.parts);
        return;
      case 'dealAgain':
        await this.#ownWork;
        this.#own.goBack();
        this.#tensors.fates?.closeAll();
        this.#note(action);
        return;
      case 'applyPeriod': return this.#apply(action);
      case 'lose':
        this.#note(action);
        this.#attendance.drop(action.member, 'ERR_NODE_TIMEOUT');
        return;
      case 'suspect': case 'suspectPart': case 'dropPart': return this.#note(action);
      case 'read': return this.#attendance.read();
      case 'pause':
        this.steering.rests(action.reason);
        this.steering.stands();
        return this.#attendance.wait(action.untilMs);
      case 'wait': return this.#attendance.wait(action.untilMs);
      default: action satisfies never;
    }
  }

  #note(action: PeriodAction): void {
    const nowMs = this.#attendance.nowMs();
    performPeriod(this.#run, action, nowMs);
    this.#attendance.chronicle.periodAction(action, nowMs);
  }

  /** To the nodes first: this machine's own steps write over the parameters that they are sent. */
  #deal(parts: readonly Part[]): void {
    this.#brought.clear();
    const { local, nodes } = this.#attendance;
    const { generation, version } = this.#run;
    const { batchRows, shardRows, examples } = this.#program;
    this.#root = wholeTree(Math.ceil(Math.min(batchRows, examples) / shardRows));
    const epoch = this.#control.fields[FIELD.epoch]!;
    for (const { source, firstStep, steps } of parts) if (source !== local?.number) nodes.assign(source, { generation, version, epoch, step: firstStep, stepCount: steps, subtrees: [this.#root] });
    const own = parts.find(({ source }) => source === local?.number);
    if (own !== undefined) this.#ownWork = this.#makeSteps(own, epoch);
  }

  async #makeSteps(part: Part, epoch: number): Promise<void> {
    const { generation, version } = this.#run;
    const startMs = this.#attendance.nowMs();
    try {
      const sums = this.#control.sums.slice();
      const made = await this.#own.make({ epoch, firstStep: this.#first, epochStep: part.firstStep - this.#first, stepCount: part.steps });
      this.#control.sums.set(sums); // they count when they are joined with the others'
      this.#take(part, { generation, version, isFinite: made.isFinite, computeMs: this.#attendance.nowMs() - startMs }, made);
    } catch (error) {
      this.#failure = { error };
    }
    this.#attendance.wake();
  }

  #receiveState(sender: Sender, message: MessageOf<'state'>): void {
    const source = sender.member;
    const { assignment, generation, version, stepCount, exampleCount, sums, computeMs } = message;
    const difference = this.#inbox.take(sender, message);
    if (difference !== undefined) this.#attendance.nodes.delivered(source, assignment);
    const part = this.#run.parts.find((each) => each.source === source);
    if (difference === undefined || part === undefined || generation !== this.#run.generation || version !== this.#run.version) return; // the last three: its period is over
    if (stepCount !== part.steps || exampleCount !== this.#examplesOf(part)) {
      throw clusterError('ERR_SHARE', { step: part.firstStep, node: source, problem: `it is of ${stepCount} steps and ${exampleCount} examples, and was to be of ${part.steps} and ${this.#examplesOf(part)}` });
    }
    const isFinite = difference.every(Number.isFinite) && sums.every(Number.isFinite);
    this.#take(part, { generation, version, isFinite, computeMs }, { difference, sums, assignment });
  }

  #take(part: Part, told: Pick<PartResult, 'generation' | 'version' | 'isFinite' | 'computeMs'>, brought: Brought): void {
    const { source, connection } = part;
    const verdict = receivePart(this.#run, { ...told, source, connection, examples: this.#examplesOf(part), slot: source }, this.#attendance.nowMs());
    if (verdict === 'accepted') this.#brought.set(source, brought);
  }

  #examplesOf({ firstStep, steps }: Part): number {
    const { batchRows, examples } = this.#program;
    return examplesOf({ epochStep: firstStep - this.#first, stepCount: steps }, batchRows, examples);
  }

  /** The outer update, from the parameters that all began with. */
  #apply(action: Extract<PeriodAction, { readonly kind: 'applyPeriod' }>): void {
    const { session: { memory }, outer: { optimizer, momentum } } = this.options;
    const { fields, sums } = this.#control;
    const results = action.results.map(({ source, examples }) => ({ ...this.#brought.get(source)!, examples }));
    this.#tellFates();
    this.#own.goBack();
    const { parameters } = this.#own;
    outerUpdate(parameters, new Float32Array(memory.buffer, momentum, parameters.length), results, optimizer);
    for (const result of results) {
      sums[0] = sums[0]! + result.examples;
      for (let index = 0; index < result.sums.length; index++) sums[index + 1] = sums[index + 1]! + result.sums[index]!;
    }
    this.#note(action);
    fields[FIELD.badLoss] = 0; // of a source that is left out
    fields[FIELD.packedVersion] = -1;
    fields[FIELD.epochStep] = this.#run.nextStep - this.#first;
  }

  /** Nodes that hold back what an encoding lost learn which of their results are in the mean. */
  #tellFates(): void {
    const { fates } = this.#tensors;
    for (const { source, firstStep } of this.#run.parts) {
      const assignment = this.#brought.get(source)?.assignment;
      if (assignment !== undefined) fates?.count(firstStep, { member: source, assignment, subtree: this.#root });
      fates?.close(firstStep);
    }
  }

  /** Nothing that came is finite. Where this machine has a step of it, the parameters stay those before it, so that it can be named. */
  #diverge(step: number): void {
    const { fields } = this.#control;
    if (fields[FIELD.badLoss] === 0) {
      this.#own.goBack();
      fields[FIELD.epochStep] = step - this.#first;
    }
    fields[FIELD.badLoss] = 1;
  }
}
