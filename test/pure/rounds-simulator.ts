// A cluster in virtual time: the pure code of cluster/rounds, an executor of its actions, and nodes that are only numbers.
import type { TreeNode } from '../../src/plan/tree.js';
import { runTime, startClock, monotonicTime } from '../../cluster/rounds/clock.js';
import { actionRecords, memberRecord, roundRecord, shareRecord, startRecord, type EventRecord } from '../../cluster/rounds/events.js';
import { becomeReady, createMembers, endTurn, hear, join, leave, reach, speaker, type Member } from '../../cluster/rounds/membership.js';
import { asyncRate, type Mode } from '../../cluster/rounds/modes.js';
import { nextAction, type Action } from '../../cluster/rounds/next-action.js';
import { perform, restored } from '../../cluster/rounds/perform.js';
import { receiveShare } from '../../cluster/rounds/receive.js';
import { examplesOf, heldSlots, isLive, openRound, startRun, type Run } from '../../cluster/rounds/run.js';
import type { Share } from '../../cluster/rounds/share.js';
import { beginStretch } from '../../cluster/rounds/stretch.js';
import { add, bitsOf, descend, initialParameters, RATE, seededRandom } from './rounds-arithmetic.js';
import { VirtualNode, type NodePlan, type Said, type SentShare, type Task } from './rounds-virtual-node.js';
import { VirtualTime } from './rounds-virtual-time.js';

export interface SimulationOptions {
  readonly seed: number;
  readonly steps: number;
  readonly examples: number;
  readonly shardExamples: number;
  readonly nodes: readonly NodePlan[];
  readonly mode?: Mode;
  readonly backup?: boolean;
  readonly auditProbability?: number;
  readonly quorum?: number;
  /** Others are told of the training after every so many steps: what they were told is not redone. */
  readonly stretchSteps?: number;
  /** When the coordinator's process stands still, and for how long. */
  readonly freezes?: readonly { readonly atMs: number; readonly forMs: number }[];
  readonly limitMs?: number;
}

export interface Simulation {
  readonly parameters: Float32Array;
  readonly run: Run;
  readonly records: readonly EventRecord[];
  /** Virtual time at which each step was applied, by step. */
  readonly appliedAtMs: readonly number[];
  readonly finished: boolean;
  /** Actions that were performed, counted by kind. */
  readonly actions: ReadonlyMap<string, number>;
}

const HEARTBEAT_MS = 100;
const SILENCE_MS = 500;
const TICK_MS = 50;
const SHARE_MS = 2_000;
/** A checkpoint is kept every so many updates. */
const CHECKPOINT_EVERY = 4;

export function simulate(options: SimulationOptions): Simulation {
  return new Simulator(options).simulate();
}

class Simulator {
  readonly #time = new VirtualTime();
  readonly #clock = startClock(TICK_MS, 0);
  readonly #random: () => number;
  readonly #run: Run;
  readonly #nodes = new Map<number, VirtualNode>();
  readonly #numbers = new Map<VirtualNode, number>();
  readonly #connections = new Map<string, number>();
  #inbox: (() => void)[] = [];
  #frozenUntilMs = 0;
  #timerMs = Infinity;
  #parameters = initialParameters();
  readonly #checkpoints = new Map([[0, initialParameters()]]);
  readonly #slots = new Map<number, Float32Array>();
  #nextSlot = 0;
  #nextConnection = 0;
  readonly #records: EventRecord[] = [];
  readonly #appliedAtMs: number[] = [];
  readonly #actions = new Map<string, number>();
  #isDone = false;

  constructor(private readonly options: SimulationOptions) {
    const { mode = { kind: 'sync' }, seed, backup = false, auditProbability = 0, quorum = 0 } = options;
    this.#random = seededRandom(seed);
    const members = createMembers({ silenceMs: SILENCE_MS, heartbeatMs: HEARTBEAT_MS });
    const settings = { mode, exact: mode.kind === 'sync', quorum, backup, auditProbability, checkShares: false, shareMs: SHARE_MS, passesUp: false };
    const start = { generation: 1, version: 0, nextStep: 0, endStep: 0 };
    this.#run = startRun(settings, members, start);
    this.#beginStretch();
    this.#records.push(startRecord(start, mode, 0));
    options.nodes.forEach((plan, index) => new VirtualNode(`node ${String(index)}`, plan, this.#time, this.#random, HEARTBEAT_MS, (node, connection, said) => { this.#arrive(node, connection, said); }));
    for (const { atMs, forMs } of options.freezes ?? []) this.#time.at(atMs, () => { this.#freeze(forMs); });
    this.#tick();
  }

  simulate(): Simulation {
    while (!this.#isDone && this.#time.step(this.options.limitMs ?? 120_000));
    return { parameters: this.#parameters, run: this.#run, records: this.#records, appliedAtMs: this.#appliedAtMs, finished: this.#run.version > 0 && this.#run.nextStep >= this.options.steps && this.#run.rounds.length === 0, actions: this.#actions };
  }

  #tick(): void {
    this.#time.at(this.#time.nowMs + TICK_MS, () => {
      if (!this.#isFrozen()) this.#pump();
      this.#tick();
    });
  }

  #isFrozen(): boolean {
    return this.#time.nowMs < this.#frozenUntilMs;
  }

  /** When a process goes on, its timers fire before it reads what came meanwhile. */
  #freeze(forMs: number): void {
    this.#frozenUntilMs = this.#time.nowMs + forMs;
    this.#time.at(this.#frozenUntilMs, () => {
      this.#pump();
      this.#time.at(this.#time.nowMs, () => { this.#readAll(); });
    });
  }

  #readAll(): void {
    if (this.#isFrozen()) return;
    const messages = this.#inbox;
    this.#inbox = [];
    for (const read of messages) read();
    this.#pump();
  }

  #nowMs(): number {
    return runTime(this.#clock, this.#time.nowMs);
  }

  #arrive(node: VirtualNode, connection: number, said: Said): void {
    this.#inbox.push(() => { this.#read(node, connection, said); });
    if (this.#isFrozen()) return;
    // After a heartbeat there is nothing new to ask for.
    if (said.kind === 'heartbeat') this.#inbox.pop()!();
    else this.#readAll();
  }

  #read(node: VirtualNode, connection: number, said: Said): void {
    const nowMs = this.#nowMs();
    const key = `${node.identity}#${String(connection)}`;
    if (said.kind === 'hello') {
      this.#admit(node, key, nowMs);
      return;
    }
    const member = speaker(this.#run.members, this.#numbers.get(node) ?? -1, this.#connections.get(key) ?? -1);
    if (member === undefined) return;
    hear(member, nowMs);
    if (said.kind === 'ready') {
      reach(member, 'probed');
      becomeReady(member, this.#run.nextStep);
      node.receiveParameters(connection, this.#run.generation, this.#run.version, this.#parameters);
    }
    if (said.kind === 'closed') leave(member, 'closed');
    if (said.kind === 'share') this.#receive(member.number, said.share, nowMs);
    if (said.kind === 'ready' || said.kind === 'closed') this.#records.push(memberRecord(member, nowMs));
  }

  #admit(node: VirtualNode, key: string, nowMs: number): void {
    const connection = this.#nextConnection++;
    this.#connections.set(key, connection);
    const admission = join(this.#run.members, { identity: node.identity, kind: node.plan.kind, connection }, nowMs);
    if (admission.kind === 'refused') return;
    this.#nodes.set(admission.member.number, node);
    this.#numbers.set(node, admission.member.number);
    this.#records.push(memberRecord(admission.member, nowMs));
  }

  #receive(source: number, { generation, step, from, subtree, values, computeMs }: SentShare, nowMs: number): void {
    const slot = this.#nextSlot++;
    const share: Share = { source, generation, step, version: from, subtree, digest: bitsOf(values), isFinite: values.every(Number.isFinite), computeMs, encodeMs: 0, slot };
    this.#slots.set(slot, values);
    const draw = this.#random();
    const verdict = receiveShare(this.#run, share, nowMs, draw);
    this.#records.push(shareRecord(share, verdict, draw, nowMs));
    if (verdict.kind === 'refused' || verdict.kind === 'duplicate' || verdict.kind === 'differs') this.#slots.delete(slot);
  }

  /** Asks and does until there is nothing to do but to wait. */
  #pump(): void {
    for (let turns = 0; !this.#isDone; turns++) {
      if (turns > 10_000) throw new Error('the actions never end');
      const nowMs = this.#nowMs();
      const action = nextAction(this.#run, nowMs);
      this.#actions.set(action.kind, (this.#actions.get(action.kind) ?? 0) + 1);
      this.#records.push(...actionRecords(action, nowMs));
      if (!this.#do(action, nowMs)) return;
    }
  }

  /** @returns whether to ask again at once */
  #do(action: Action, nowMs: number): boolean {
    switch (action.kind) {
      case 'open': {
        const { examples, shardExamples } = this.options;
        this.#records.push(roundRecord(openRound(this.#run, { step: action.step, examples, shardExamples }), nowMs));
        return true;
      }
      case 'rollBack':
        this.#rollBack(action.version, nowMs);
        return true;
      case 'read':
        this.#time.at(this.#time.nowMs, () => {
          endTurn(this.#run.members);
          this.#readAll();
        });
        return false;
      case 'wait':
      case 'pause':
        this.#setTimer(action.untilMs);
        return false;
      case 'done':
        if (this.#run.nextStep < this.options.steps) {
          this.#beginStretch();
          return true;
        }
        this.#isDone = true;
        return false;
      case 'stop':
        this.#isDone = true;
        return false;
      default:
        perform(this.#run, action, nowMs);
        this.#afterwards(action, nowMs);
        return true;
    }
  }

  #beginStretch(): void {
    const { version, nextStep } = this.#run;
    const { steps, stretchSteps = steps } = this.options;
    beginStretch(this.#run, { version, nextStep, endStep: Math.min(steps, nextStep + stretchSteps) });
    this.#checkpoints.clear();
    this.#checkpoints.set(version, this.#parameters);
  }

  #afterwards(action: Action, nowMs: number): void {
    switch (action.kind) {
      case 'suspect':
        this.#records.push(memberRecord(this.#member(action.member), nowMs));
        return;
      case 'lose':
        this.#close(action.member, true, nowMs);
        return;
      case 'expel':
        this.#close(action.liar.source, false, nowMs);
        return;
      case 'assign':
        this.#expectLive(action.step, action.handedOut.length);
        for (const { source, subtree } of action.handedOut) this.#give(source, action.step, subtree);
        return;
      case 'recompute':
        this.#give(action.source, action.step, action.subtree, action.version);
        return;
      case 'apply':
        this.#apply(action);
        return;
      case 'applyShare': {
        const { share, examples, batchExamples, age } = action;
        this.#publish(descend(this.#parameters, this.#slots.get(share.slot)!, examples, asyncRate({ rate: RATE, examples, batchExamples, age })));
        return;
      }
      case 'close':
        this.#appliedAtMs[action.step] = this.#time.nowMs;
        return;
      default:
    }
  }

  #member(number: number): Member {
    return this.#run.members.byNumber.get(number)!;
  }

  #close(number: number, retries: boolean, nowMs: number): void {
    const node = this.#nodes.get(number)!;
    node.disconnect(node.connection, retries);
    this.#records.push(memberRecord(this.#member(number), nowMs));
  }

  /** What nobody would take is never asked for. */
  #expectLive(step: number, count: number): void {
    const round = this.#run.rounds.find((each) => each.step === step)!;
    if (!round.assignments.slice(-count).every((assignment) => isLive(this.#run, round, assignment))) throw new Error('leaves were handed out in vain');
  }

  #give(source: number, step: number, subtree: TreeNode, version?: number): void {
    const round = this.#run.rounds.find((each) => each.step === step)!;
    const node = this.#nodes.get(source)!;
    const isAsync = this.#run.settings.mode.kind === 'async';
    const task: Task = {
      generation: this.#run.generation, step, subtree, examples: examplesOf(round, subtree), leafCount: round.coverage.leafCount,
      version, uselessFrom: isAsync ? Infinity : round.version + 1,
    };
    node.receiveTasks(node.connection, [task]);
  }

  #apply({ step, examples, shares, additions, version }: Extract<Action, { kind: 'apply' }>): void {
    const sums = shares.map(({ slot }) => this.#slots.get(slot)!);
    for (const { into, from } of additions) sums[into] = add(sums[into]!, sums[from]!);
    this.#appliedAtMs[step] = this.#time.nowMs;
    this.#publish(descend(this.#parameters, sums[0]!, examples));
    if ((version + 1) % CHECKPOINT_EVERY === 0) this.#checkpoints.set(version + 1, this.#parameters);
  }

  /** Sends new parameters to all, and forgets shares that nobody needs. */
  #publish(parameters: Float32Array): void {
    this.#parameters = parameters;
    for (const [number, node] of this.#nodes) if (this.#member(number).stage === 'ready') node.receiveParameters(node.connection, this.#run.generation, this.#run.version, parameters);
    const held = heldSlots(this.#run);
    for (const slot of this.#slots.keys()) if (!held.has(slot)) this.#slots.delete(slot);
  }

  #rollBack(toVersion: number, nowMs: number): void {
    const version = Math.max(...[...this.#checkpoints.keys()].filter((kept) => kept <= toVersion));
    for (const kept of this.#checkpoints.keys()) if (kept > version) this.#checkpoints.delete(kept);
    restored(this.#run, { version, nextStep: version });
    this.#records.push(startRecord(this.#run, this.#run.settings.mode, nowMs));
    this.#publish(this.#checkpoints.get(version)!);
  }

  #setTimer(untilRunMs: number): void {
    const atMs = monotonicTime(this.#clock, untilRunMs);
    if (!Number.isFinite(atMs) || (atMs >= this.#timerMs && this.#timerMs > this.#time.nowMs)) return;
    this.#timerMs = atMs;
    this.#time.at(atMs, () => { if (!this.#isFrozen()) this.#pump(); });
  }
}
