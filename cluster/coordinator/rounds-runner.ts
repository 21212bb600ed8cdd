import { isLossless } from '../../src/codecs/choice.js';
import { ALL_FLOATS, COMMAND, FIELD, viewControl, type CommandKind, type Control, type UpdateOrder } from '../../src/train/control.js';
import type { Diagnosis, Program, RunOutcome, SessionRunner } from '../../src/train/session.js';
import type { TreeNode } from '../../src/plan/tree.js';
import { bySource } from '../rounds/assign.js';
import { nextAction, type Action } from '../rounds/next-action.js';
import { perform, restored } from '../rounds/perform.js';
import { lookAhead, openRound, startRun, type Round, type Run, type Settings } from '../rounds/run.js';
import { beginStretch, endEarly } from '../rounds/stretch.js';
import { Arrivals } from './arrivals.js';
import { ArrivingUpdate, type ComingShare } from './arriving-update.js';
import { Attendance, type AttendanceOptions } from './attendance.js';
import { LeafGroups } from './leaf-groups.js';
import { LocalShares } from './local-shares.js';
import { LoneTraining } from './lone-training.js';
import { RunSteering } from './run-steering.js';
import { ShareInbox } from './share-inbox.js';
import { ShareSlots } from './shares.js';
import type { SnapshotPlace } from './snapshots.js';
import { statusOf, type RunStatus } from './status.js';
import { TakenNodes } from './taken-nodes.js';
import { tensorsOf, type Tensors, type TensorsOptions } from './tensors.js';
import { Trust } from './trust.js';

/** A share is overdue so long after the time that it should take, stretched. */
const SHARE_MS = 2_000;

/** What of the rounds' settings a run may choose. */
export type RoundsRules = Pick<Settings, 'mode' | 'quorum' | 'backup' | 'auditProbability' | 'checkShares'>;

export interface RoundsOptions extends Omit<AttendanceOptions, 'sent'>, TensorsOptions {
  readonly rules: RoundsRules;
  /** From [0, 1), and not to be known before: decides on audits. */
  readonly draw: () => number;
  /** What happens with nodes: for people. */
  readonly notice: (sentence: string) => void;
}

/** A training that nodes may join while it lasts, in any mode. */
export interface JoinableRunner extends SessionRunner {
  readonly generation: number;
  /** Updates made so far. */
  readonly version: number;
  readonly status: RunStatus;
  /** The most nodes that were ready at once. */
  readonly mostNodes: number;
  readonly steering: RunSteering;
  readonly nodes: TakenNodes;
  /** An epoch (from 1) has ended, with these means. */
  noteEpoch(epoch: number, logs: Readonly<Record<string, number>>): void;
}

/**
 * Trains with nodes: while some are there, step by step in rounds; while none is, as the local pool alone does. An executor of
 * the actions of cluster/rounds: it decides nothing.
 */
export class RoundsRunner implements JoinableRunner {
  readonly #control: Control;
  readonly #program: Program;
  readonly #tensors: Tensors;
  readonly #inbox: ShareInbox;
  readonly #attendance: Attendance;
  readonly #run: Run;
  readonly #localShares: LocalShares;
  readonly #leaves: LeafGroups;
  readonly steering: RunSteering;
  readonly nodes: TakenNodes;
  readonly #trust: Trust;
  readonly #arrivals: Arrivals;
  readonly #arriving: ArrivingUpdate;
  readonly #lone: LoneTraining;
  /** Number of the epoch's first step, as the rounds count. */
  #first = 0;

  constructor(private readonly inner: SessionRunner, private readonly options: RoundsOptions) {
    const { session, kernels, register: { generation }, rules, codecs } = options;
    this.#program = session.train!;
    this.#control = viewControl(session.memory, session.control);
    const slots = new ShareSlots(this.#program, session.memory, kernels);
    this.#leaves = new LeafGroups(this.#program, rules.mode);
    this.#tensors = tensorsOf(options);
    this.#inbox = new ShareInbox(slots, this.#tensors.arriving);
    this.#attendance = new Attendance({ ...options, sent: this.#tensors });
    this.#localShares = new LocalShares({
      control: this.#control, runner: inner, now: () => this.#nowMs(),
      isOpen: (step) => this.#run.rounds.some((round) => round.step === step),
      freeSlots: () => this.#arrivals.freeSlots(),
      computed: (orders) => { this.#arrivals.fromLocal(orders); },
      rested: () => { this.#attendance.wake(); },
    });
    const settings = { ...rules, exact: rules.mode.kind === 'sync' && isLossless(codecs), shareMs: SHARE_MS, passesUp: false };
    this.#run = startRun(settings, this.#attendance.members, { generation, version: 0, nextStep: 0, endStep: 0 });
    this.steering = new RunSteering(this.#run, this.#control, this.#attendance);
    this.#trust = new Trust({ ...options, run: this.#run, memory: session.memory, control: this.#control, program: this.#program, update: session.update!, leaves: this.#leaves });
    this.#arrivals = new Arrivals({
      run: this.#run, attendance: this.#attendance, leaves: this.#leaves, slots, inbox: this.#inbox, draw: () => this.#trust.draw(),
      computing: () => [...this.#localShares.computing, ...this.#arriving.slots],
      came: (slot) => {
        if (slot !== undefined) this.#arriving.arrived(slot, ALL_FLOATS);
        for (const { slot: filling, floats } of this.#inbox.coming()) this.#arriving.arrived(filling, floats);
      },
    });
    this.#arriving = new ArrivingUpdate({ session, control: this.#control, runner: inner, run: this.#run, attendance: this.#attendance, localShares: this.#localShares, isSentAhead: codecs.toNode.name === 'float32' });
    this.#lone = new LoneTraining({ run: this.#run, control: this.#control, attendance: this.#attendance, runner: inner, notice: options.notice });
    this.nodes = new TakenNodes(this.#attendance, {
      ready: (member, size) => {
        this.#attendance.ready(member, this.#run.nextStep, size);
        this.#lone.nodeIsReady();
      },
      brought: (sender, message) => { if (message.type === 'share') this.#arrivals.fromNode(sender, message); },
      dropped: (connection) => { this.#inbox.drop(connection); },
    });
  }

  async run(kind: CommandKind): Promise<Diagnosis | undefined> {
    if (kind !== COMMAND.train) return this.inner.run(kind);
    await this.#train();
    return undefined;
  }

  async end(outcome: RunOutcome = 'finished'): Promise<void> {
    await this.#localShares.idle();
    this.#attendance.chronicle.end(outcome, this.version, this.#nowMs());
    await this.inner.end();
  }

  get generation(): number {
    return this.#run.generation;
  }

  get status(): RunStatus {
    return statusOf(this.#control, this.#program, this.#attendance.members);
  }

  noteEpoch(epoch: number, logs: Readonly<Record<string, number>>): void {
    this.#attendance.chronicle.epoch(epoch, this.version, logs, this.#nowMs());
  }

  get version(): number {
    return this.#control.fields[FIELD.version]!;
  }

  get mostNodes(): number {
    return this.#attendance.mostNodes;
  }

  #nowMs(): number {
    return this.#attendance.nowMs();
  }

  async #train(): Promise<void> {
    const { fields } = this.#control;
    this.#first = fields[FIELD.epoch]! * Math.ceil(this.#program.examples / this.#program.batchRows);
    const limit = fields[FIELD.stepLimit]!;
    beginStretch(this.#run, { version: this.version, nextStep: this.#first + fields[FIELD.epochStep]!, endStep: this.#first + limit });
    this.#trust.begin();
    this.#lone.roundsGoOn();
    this.#attendance.chronicle.begin(this.#run, this.options.rules.mode, this.#nowMs());
    try {
      await this.steering.training(() => this.#trainSteps(limit));
    } finally {
      await this.#arriving.callOff();
      await this.#localShares.stop();
    }
  }

  async #trainSteps(limit: number): Promise<void> {
    const { fields } = this.#control;
    while (fields[FIELD.badLoss] === 0) {
      // A last step is audited throughout, unless nobody is there to make it.
      const isStopped = Atomics.load(fields, FIELD.stopRequested) !== 0 && (!this.#canFinish() || endEarly(this.#run));
      const isAlone = this.#lone.isDue;
      if (this.#run.rounds.length === 0) {
        if (fields[FIELD.epochStep]! >= limit || isStopped) return;
        this.#trust.keep();
        if (isAlone) {
          await this.#trainAlone(limit);
          continue;
        }
      }
      if (isStopped && !this.#canFinish()) return;
      // Where steps overlap there is always an open one, until no further one may be opened.
      this.#run.endStep = isStopped || isAlone ? this.#run.nextStep : this.#first + limit;
      this.steering.throwIfAbandoned();
      this.#attendance.hearAll();
      await this.#act(nextAction(this.#run, this.#nowMs()));
      if (this.#arriving.hasFailed) await this.#concludeFailed();
      this.#localShares.throwFailure();
      this.#localShares.goOn();
    }
  }

  /** Takes version and next step from where the workers are. */
  #follow(): void {
    const { fields } = this.#control;
    this.#run.version = fields[FIELD.version]!;
    this.#run.nextStep = this.#first + fields[FIELD.epochStep]!;
  }

  /** Whether somebody is there for what an open round lacks. */
  #canFinish(): boolean {
    const { readyNodes, local } = this.#attendance;
    return readyNodes >= this.options.rules.quorum && (readyNodes > 0 || local !== undefined);
  }

  async #trainAlone(limit: number): Promise<void> {
    const { version, nextStep } = this.#run;
    this.steering.goesOn();
    await this.#lone.train(limit, this.#first);
    // A worker died, and the last whole state was from before.
    if (this.version < version) await this.#wentBack();
    else this.#attendance.chronicle.alone(nextStep, version, this.version - version, this.#nowMs());
    this.#follow();
    this.#lone.roundsGoOn();
  }

  /** The state is an earlier one. What is assigned from now on is of a generation that no other start will have. */
  async #restored({ version, epochStep }: SnapshotPlace): Promise<void> {
    this.#tensors.fates?.closeAll();
    restored(this.#run, { version, nextStep: this.#first + epochStep });
    this.#attendance.chronicle.restored(this.#run, this.#nowMs());
    await this.options.register.raise(this.#run.generation);
  }

  /** Because a worker died. */
  async #wentBack(): Promise<void> {
    const { fields } = this.#control;
    this.#trust.wentBack();
    await this.#restored({ version: fields[FIELD.version]!, epochStep: fields[FIELD.epochStep]! });
  }

  /** Because updates may hold wrong shares. */
  async #rollBack(toVersion: number): Promise<void> {
    await this.#localShares.stop();
    await this.#restored(this.#trust.restore(toVersion));
    this.#cancel();
  }

  async #act(action: Action): Promise<void> {
    this.#trust.hear(action);
    if (!isHarmless(action) && !(action.kind === 'apply' && this.#arriving.isOf(action))) await this.#arriving.callOff();
    switch (action.kind) {
      case 'open': return this.#open(action.step);
      case 'assign': return this.#assign(action);
      case 'recompute': return this.#recompute(action);
      case 'apply': return this.#apply(action);
      case 'applyShare': return this.#applyShare(action);
      case 'close': return this.#close(action);
      case 'lose': return this.#lose(action);
      case 'expel': return this.#expel(action);
      case 'incident': case 'suspect': case 'suspectShares': case 'revoke': return this.#note(action);
      case 'stop': return this.#stop(action.step);
      case 'read': return this.#attendance.read();
      case 'pause':
        if (action.reason !== 'judge') this.steering.rests(action.reason);
        if (this.#run.rounds.length === 0) this.steering.stands();
        return this.#attendance.wait(action.untilMs);
      case 'wait':
        this.#arriving.begin((round) => this.#comingOf(round), () => this.#arrivals.freeSlots(this.#localShares.computing));
        return this.#attendance.wait(action.untilMs);
      case 'done': return;
      case 'rollBack': return this.#rollBack(action.version);
      default: action satisfies never;
    }
  }

  #stop(step: number): void {
    const { fields } = this.#control;
    fields[FIELD.epochStep] = step - this.#first; // where a diagnosis looks
    fields[FIELD.badLoss] = 1;
  }

  #note(action: Action): void {
    const nowMs = this.#nowMs();
    perform(this.#run, action, nowMs);
    this.#attendance.chronicle.action(action, nowMs);
  }

  #open(step: number): void {
    const { batchRows, examples } = this.#program;
    const round = openRound(this.#run, { step, examples: Math.min(batchRows, examples - (step - this.#first) * batchRows), shardExamples: this.#leaves.examples });
    this.#attendance.chronicle.round(round, this.#nowMs());
  }

  /** Nodes, whose way is longer, before this machine's workers, which may then take the core that this thread is on. */
  #assign(action: Extract<Action, { readonly kind: 'assign' }>): void {
    this.#note(action);
    const given = bySource(action.handedOut);
    const local = this.#attendance.local?.number ?? -1;
    const own = given.get(local);
    given.delete(local);
    for (const [source, subtrees] of given) this.#give(source, action.step, subtrees);
    if (own !== undefined) this.#give(local, action.step, own);
    if (action.purpose === 'share' && own !== undefined && given.size === 0 && !this.#expectsNodes()) this.#lone.restNodes();
  }

  /** Some node owes something of an open step. */
  #expectsNodes(): boolean {
    return [...lookAhead(this.#run, this.#nowMs()).busyUntilMs.keys()].some((source) => source !== this.#attendance.local?.number);
  }

  #recompute(action: Extract<Action, { readonly kind: 'recompute' }>): void {
    this.#note(action);
    this.#give(action.source, action.step, [action.subtree]);
  }

  #give(source: number, step: number, subtrees: readonly TreeNode[]): void {
    this.steering.goesOn();
    const work = subtrees.map((subtree) => ({ step, epochStep: step - this.#first, subtree, shards: this.#leaves.toShards(subtree) }));
    if (source === this.#attendance.local?.number) {
      this.#localShares.order(work);
      return;
    }
    const { generation, version } = this.#run;
    this.#attendance.nodes.assign(source, { generation, version, epoch: this.#control.fields[FIELD.epoch]!, step, subtrees: work.map(({ shards }) => shards) });
  }

  /** Shares of a round that have begun to come. */
  #comingOf(round: Round): ComingShare[] {
    const { generation } = this.#run;
    return [...this.#inbox.coming()].flatMap(({ subtree, sums, ...coming }) => {
      const leaves = this.#leaves.toLeaves(subtree);
      const isOfRound = coming.generation === generation && coming.step === round.step && coming.version === round.version;
      return leaves !== undefined && isOfRound && sums.every(Number.isFinite) ? [{ ...coming, subtree: leaves }] : [];
    });
  }

  /** A worker died in an update before it was known whether it counts. */
  async #concludeFailed(): Promise<void> {
    await this.#arriving.callOff();
    await this.#wentBack();
  }

  async #apply(action: Extract<Action, { readonly kind: 'apply' }>): Promise<void> {
    if (this.#arriving.isOf(action)) {
      await this.#arriving.conclude();
      return this.#concluded(action);
    }
    const slots = action.shares.map(({ slot }) => slot);
    const additions = action.additions.map(({ into, from }) => ({ into: slots[into]!, from: slots[from]! }));
    await this.#update(action, { rows: action.examples, result: slots[0]!, additions });
  }

  async #applyShare(action: Extract<Action, { readonly kind: 'applyShare' }>): Promise<void> {
    const { step, examples, age, share: { slot } } = action;
    await this.#update(action, { rows: examples, result: slot, additions: [], single: { step: step - this.#first, age } });
  }

  async #update(action: Extract<Action, { readonly kind: 'apply' | 'applyShare' }>, order: UpdateOrder): Promise<void> {
    await this.#localShares.exclusively(async () => {
      this.#control.orders.writeUpdate(order);
      await this.inner.run(COMMAND.apply);
      await this.#concluded(action);
    });
  }

  async #concluded(action: Extract<Action, { readonly kind: 'apply' | 'applyShare' }>): Promise<void> {
    const { fields } = this.#control;
    if (fields[FIELD.badLoss] !== 0) fields[FIELD.epochStep] = action.step - this.#first; // where a diagnosis looks
    else if (fields[FIELD.version] === action.version + 1) this.#noteUpdate(action);
    // A worker died in the update, and the state is an earlier one.
    else await this.#wentBack();
    this.#cancel();
  }

  /** Nodes leave out what they have not begun with of steps that are over. */
  #cancel(): void {
    this.#attendance.nodes.cancel(this.#run.generation, (step) => !this.#run.rounds.some((round) => round.step === step));
  }

  #noteUpdate(action: Extract<Action, { readonly kind: 'apply' | 'applyShare' }>): void {
    const { fates } = this.#tensors;
    for (const name of this.#inbox.namesOf(action.kind === 'apply' ? action.shares : [action.share])) fates?.count(action.step, name);
    if (action.kind === 'apply') fates?.close(action.step);
    this.#note(action);
    if (action.kind === 'apply') this.#lone.roundMade(action.examples);
  }

  /** Mode `async`: the epoch has got as far as its first step that is still open. */
  #close(action: Extract<Action, { readonly kind: 'close' }>): void {
    this.#tensors.fates?.close(action.step);
    this.#note(action);
    this.#cancel();
    this.#control.fields[FIELD.epochStep] = Math.min(this.#run.nextStep, ...this.#run.rounds.map(({ step }) => step)) - this.#first;
  }

  #lose(action: Extract<Action, { readonly kind: 'lose' }>): void {
    this.#note(action);
    this.#attendance.drop(action.member, 'ERR_NODE_TIMEOUT');
  }

  async #expel(action: Extract<Action, { readonly kind: 'expel' }>): Promise<void> {
    this.#note(action);
    const { source } = action.liar;
    this.#attendance.drop(source, 'ERR_EXPELLED');
    await this.options.register.expel(this.#attendance.members.byNumber.get(source)!);
  }
}

/** What changes nothing of the parameters, and asks for nothing that is computed from them. */
function isHarmless({ kind }: Action): boolean {
  return kind === 'wait' || kind === 'pause' || kind === 'read' || kind === 'suspect' || kind === 'suspectShares' || kind === 'done';
}
