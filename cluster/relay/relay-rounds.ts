import { leavesOf, type TreeNode } from '../../src/plan/tree.js';
import { Arrivals } from '../coordinator/arrivals.js';
import { Attendance, type NodeSize } from '../coordinator/attendance.js';
import { Findings } from '../coordinator/findings.js';
import { LeafGroups } from '../coordinator/leaf-groups.js';
import { LocalShares } from '../coordinator/local-shares.js';
import type { Register } from '../coordinator/register.js';
import { RunSteering } from '../coordinator/run-steering.js';
import { ShareInbox } from '../coordinator/share-inbox.js';
import { ShareSlots } from '../coordinator/shares.js';
import { TakenNodes } from '../coordinator/taken-nodes.js';
import { rowsOfStep } from '../data/steps.js';
import type { NodeComputing } from '../node/computing.js';
import type { ShareHead } from '../node/share-sender.js';
import { clusterError } from '../protocol/errors.js';
import type { MessageOf } from '../protocol/messages.js';
import { bySource } from '../rounds/assign.js';
import { equalRanges, rangesOverlap } from '../rounds/coverage.js';
import { hasSuspects, nextSilenceMs } from '../rounds/membership.js';
import { nextAction, type Action } from '../rounds/next-action.js';
import { perform, restored } from '../rounds/perform.js';
import { openRound, startRun, type Round, type Run } from '../rounds/run.js';
import { RelayedParameters } from './relayed-parameters.js';

/** Half the time that a coordinator waits: who is slow below has been found, and others have its leaves, before the relay is slow itself. */
const SHARE_MS = 1_000;

export interface RelayRoundsOptions {
  /** Where parameters, columns and shares are; its workers are a source too, if it has any of its own. */
  readonly computing: NodeComputing;
  readonly usesLocal: boolean;
  readonly heartbeatMs: number;
  readonly silenceMs: number;
  /** Who was below before. */
  readonly register: Register;
  /** The sum of all leaves of an assigned subtree is at an address. Resolves when it is no longer read. */
  readonly passUp: (head: ShareHead, address: number, computeMs: number) => Promise<void>;
  /** Nodes have come or gone. */
  readonly sizeChanged: () => void;
  /** For people. */
  readonly notice: (sentence: string) => void;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
}

/** An assignment from above: what the rounds of its subtrees have in common. */
interface Errand {
  readonly assign: MessageOf<'assign'>;
  readonly epochStep: number;
  /** Run time, in milliseconds. */
  readonly beganMs: number;
  passedExamples: number;
}

/**
 * Hands on what is assigned from above: each subtree is a round, whose sum is passed up instead of making an update. As the
 * coordinator's runner it decides nothing; steps, versions and generations come from above.
 */
export class RelayRounds {
  readonly nodes: TakenNodes;
  readonly #slots: ShareSlots;
  readonly #run: Run;
  readonly #attendance: Attendance;
  readonly #leaves: LeafGroups;
  readonly #inbox: ShareInbox;
  readonly #localShares: LocalShares;
  readonly #arrivals: Arrivals;
  readonly #findings: Findings;
  readonly #steering: RunSteering;
  readonly #parameters = new RelayedParameters();
  readonly #errands = new Map<Round, Errand>();
  /** Why nothing is assigned, as those above have said. */
  #pausedFor: MessageOf<'pause'>['reason'] | undefined;
  /** Generation, above, of the parameters that are there. */
  #heard: number | undefined;
  /** What the workers, and rows for nodes without columns, are ready for. */
  #begun: { readonly step: number; readonly epochStep: number } | undefined;
  #isDraining = false;
  #isOver = false;
  /** Who waits until nothing is in work. */
  #waiting: (() => void)[] = [];

  constructor(private readonly options: RelayRoundsOptions) {
    const { computing, sizeChanged } = options;
    const { outgoing, parts: { program, control, runner, room }, task: { mode } } = computing;
    this.#slots = new ShareSlots(program, room.memory, room.kernels);
    this.#leaves = new LeafGroups(program, mode);
    this.#inbox = new ShareInbox(this.#slots, outgoing);
    this.#attendance = new Attendance({ ...options, sent: { parameters: this.#parameters, fates: undefined } });
    const settings = { mode, exact: true, quorum: 0, backup: false, auditProbability: 0, checkShares: false, shareMs: SHARE_MS, passesUp: true };
    this.#run = startRun(settings, this.#attendance.members, { generation: 1, version: -1, nextStep: 0, endStep: 0 });
    this.#steering = new RunSteering(this.#run, control, this.#attendance);
    this.#localShares = new LocalShares({
      control, runner, now: () => this.#nowMs(),
      isOpen: (step) => this.#run.rounds.some((round) => round.step === step),
      freeSlots: () => this.#arrivals.freeSlots(),
      computed: (orders) => { this.#arrivals.fromLocal(orders); },
      rested: () => { this.#attendance.wake(); },
    });
    this.#arrivals = new Arrivals({ run: this.#run, attendance: this.#attendance, leaves: this.#leaves, slots: this.#slots, inbox: this.#inbox, computing: () => this.#localShares.computing, draw: () => undefined });
    const { exampleCount, batchRows, shardSize: shardRows } = computing.task;
    this.#findings = new Findings({ ...options, run: this.#run, steps: { exampleCount, batchRows, shardRows }, leaves: this.#leaves });
    this.nodes = new TakenNodes(this.#attendance, {
      ready: (member, size) => {
        this.#attendance.ready(member, this.#run.nextStep, size);
        if (this.#pausedFor !== undefined) this.#steering.rests(this.#pausedFor);
        sizeChanged();
      },
      brought: (sender, message) => { if (message.type === 'share') this.#arrivals.fromNode(sender, message); },
      dropped: (connection) => {
        this.#inbox.drop(connection);
        sizeChanged();
      },
    });
  }

  /** Counts what begins anew above, each connection too: nodes below never take parameters of one for those of another. */
  get generation(): number {
    return this.#run.generation;
  }

  /** Updates made, as far as this relay has heard. */
  get version(): number {
    return Math.max(0, this.#run.version);
  }

  /** Of the nodes below that are ready. */
  get size(): NodeSize {
    return this.#attendance.size;
  }

  /** Hands on until `end` is called. @throws what the workers threw */
  async run(): Promise<void> {
    await this.#attendance.ticking(async () => {
      while (!this.#isOver) {
        this.#attendance.hearAll();
        await this.#act(nextAction(this.#run, this.#nowMs()));
        this.#localShares.throwFailure();
        this.#localShares.goOn();
      }
    });
  }

  /** Nothing is handed on any more. Resolves when nothing is computed here. */
  async end(): Promise<void> {
    this.#isOver = true;
    await this.giveUp();
  }

  /** Whoever assigned is gone: what it asked for is nobody's any more. Resolves when nothing is computed here. */
  async giveUp(): Promise<void> {
    this.#isDraining = false;
    this.#heard = undefined;
    this.#pausedFor = undefined;
    this.#drop(() => true);
    this.#attendance.wake();
    await this.#localShares.stop();
  }

  /** Takes no assignment any more; resolves when those before are passed up, or dropped. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    if (this.#run.rounds.length > 0) await new Promise<void>((resolve) => { this.#waiting.push(resolve); });
  }

  /** A panel of parameters. Resolves when the next may come. @throws ERR_MESSAGE */
  async parameters(message: MessageOf<'parameters'>): Promise<void> {
    const { computing } = this.options;
    const isWhole = computing.inbox.take(message);
    this.#parameters.take(message);
    if (!isWhole) return;
    // What was assigned before is of older ones.
    this.#drop(() => true);
    await this.#localShares.exclusively(() => {
      computing.useParameters();
      this.#parameters.complete();
      this.#follow(message);
      return Promise.resolve();
    });
  }

  /** @throws ERR_MESSAGE for steps or shards that the run does not have */
  async assign(assign: MessageOf<'assign'>): Promise<void> {
    this.options.computing.rowsFor(assign);
    const roots = assign.subtrees.map((subtree) => this.#rootOf(subtree));
    if (this.#isDraining || assign.generation !== this.#heard || assign.version !== this.#run.version) return;
    const epochStep = await this.#begin(assign);
    const errand: Errand = { assign, epochStep, beganMs: this.#nowMs(), passedExamples: 0 };
    for (const root of roots) this.#open(errand, root);
    this.#attendance.wake();
  }

  cancel({ assignments }: MessageOf<'cancel'>): void {
    this.#drop((round) => assignments.includes(this.#errands.get(round)!.assign.assignment));
  }

  /** Nodes are told too, and those that come later. */
  pause(reason: MessageOf<'pause'>['reason']): void {
    this.#pausedFor = reason;
    this.#steering.rests(reason);
  }

  resume(): void {
    this.#pausedFor = undefined;
    this.#steering.goesOn();
  }

  #nowMs(): number {
    return this.#attendance.nowMs();
  }

  #rootOf(subtree: TreeNode): TreeNode {
    const root = this.#leaves.toLeaves(subtree);
    if (root === undefined) throw clusterError('ERR_MESSAGE', { type: 'assign', problem: 'a subtree is smaller than those that are handed out' });
    return root;
  }

  /** Parameters have come; of another generation, the coordinator was started again or went back. */
  #follow({ generation, version }: MessageOf<'parameters'>): void {
    if (generation !== this.#heard) restored(this.#run, { version, nextStep: 0 });
    this.#heard = generation;
    this.#run.version = version;
    this.#begun = undefined;
  }

  /** Makes the workers ready for a step, which is the only one in work, and returns its place in its epoch. */
  async #begin(assign: MessageOf<'assign'>): Promise<number> {
    const { step } = assign;
    if (this.#begun?.step !== step) {
      this.#drop(() => true);
      this.#begun = await this.#localShares.exclusively(() => Promise.resolve({ step, epochStep: this.options.computing.beginStep(assign) }));
    }
    return this.#begun.epochStep;
  }

  /** A subtree that is asked for again is not begun again; one that overlaps it takes its place, because nobody waits for the old one. */
  #open(errand: Errand, root: TreeNode): void {
    const { step, version } = errand.assign;
    const examples = rowsOfStep(this.options.computing.task, errand.epochStep);
    const leaves = leavesOf(root, Math.ceil(examples / this.#leaves.examples));
    const same = this.#run.rounds.find((round) => round.step === step && equalRanges(round.coverage.leaves, leaves));
    this.#drop((round) => round !== same && round.step === step && rangesOverlap(round.coverage.leaves, leaves));
    const round = same ?? openRound(this.#run, { step, examples, shardExamples: this.#leaves.examples, root, version, oldestVersion: version });
    this.#errands.set(round, errand);
  }

  /** Sums of these rounds are wanted no more. */
  #drop(isUnwanted: (round: Round) => boolean): void {
    for (const round of this.#run.rounds.filter(isUnwanted)) {
      this.#run.rounds.splice(this.#run.rounds.indexOf(round), 1);
      this.#errands.delete(round);
    }
    this.#rest();
  }

  /** Nodes leave out what they have not begun with of steps that are over. */
  #rest(): void {
    const { rounds, generation } = this.#run;
    this.#attendance.nodes.cancel(generation, (step) => !rounds.some((round) => round.step === step));
    if (rounds.length === 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #act(action: Action): Promise<void> {
    this.#findings.hear(action);
    switch (action.kind) {
      case 'assign': return this.#assign(action);
      case 'recompute':
        this.#note(action);
        return this.#give(action.source, action.step, [action.subtree]);
      case 'apply': return this.#passUp(action);
      case 'lose':
        this.#note(action);
        return this.#lose(action.member, 'ERR_NODE_TIMEOUT');
      case 'expel':
        this.#note(action);
        this.#lose(action.liar.source, 'ERR_EXPELLED');
        return this.options.register.expel(this.#run.members.byNumber.get(action.liar.source)!);
      case 'incident': case 'suspect': case 'suspectShares': case 'revoke': return this.#note(action);
      case 'read': return this.#attendance.read();
      case 'pause': case 'wait': return this.#attendance.wait(action.untilMs);
      case 'done': return hasSuspects(this.#run.members) ? this.#attendance.read() : this.#attendance.wait(nextSilenceMs(this.#run.members));
      // Above, steps are begun, updates made and gone back for.
      case 'open': case 'applyShare': case 'close': case 'rollBack': case 'stop': throw new Error(`a relay does not ${action.kind}`);
      default: action satisfies never;
    }
  }

  #note(action: Action): void {
    perform(this.#run, action, this.#nowMs());
  }

  #lose(member: number, code: 'ERR_NODE_TIMEOUT' | 'ERR_EXPELLED'): void {
    this.#attendance.drop(member, code);
    this.options.sizeChanged();
  }

  /** This machine's workers, whose number is the first, are at work before the nodes are sent to. */
  async #assign(action: Extract<Action, { readonly kind: 'assign' }>): Promise<void> {
    this.#note(action);
    for (const [source, subtrees] of bySource(action.handedOut)) {
      this.#give(source, action.step, subtrees);
      await Promise.resolve();
    }
  }

  /** What was dropped meanwhile is not given. */
  #give(source: number, step: number, leaves: readonly TreeNode[]): void {
    const errand = [...this.#errands.values()].find(({ assign }) => assign.step === step);
    if (errand === undefined) return;
    this.#steering.goesOn();
    const { epochStep, assign: { epoch, version } } = errand;
    const work = leaves.map((subtree) => ({ step, epochStep, subtree, shards: this.#leaves.toShards(subtree) }));
    if (source === this.#attendance.local?.number) this.#localShares.order(work);
    else this.#attendance.nodes.assign(source, { generation: this.generation, version, epoch, step, subtrees: work.map(({ shards }) => shards) });
  }

  #passUp(action: Extract<Action, { readonly kind: 'apply' }>): void {
    const { step, root, version, examples, shares, additions } = action;
    const round = this.#run.rounds.find((open) => open.step === step && open.coverage.root === root)!;
    const errand = this.#errands.get(round)!;
    for (const { into, from } of additions) this.#slots.add(shares[into]!.slot, shares[from]!.slot);
    errand.passedExamples += examples;
    // Its subtrees are computed side by side: each counts for its part of the time.
    const computeMs = ((this.#nowMs() - errand.beganMs) * examples) / errand.passedExamples;
    const { generation, assignment } = errand.assign;
    const { slot } = shares[0]!;
    const head = { generation, assignment, step, version, subtree: this.#leaves.toShards(root), exampleCount: examples, sums: this.#slots.sums(slot) };
    this.#lend(slot, (address) => this.options.passUp(head, address, computeMs));
    this.#note(action);
    this.#errands.delete(round);
    this.#rest();
  }

  /** Nothing is written into the slot until it is no longer read. */
  #lend(slot: number, read: (address: number) => Promise<void>): void {
    const { lent } = this.#slots;
    lent.add(slot);
    void read(this.#slots.address(slot)).then(() => {
      lent.delete(slot);
      this.#attendance.wake();
    });
  }
}
