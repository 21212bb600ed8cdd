// A node that is only numbers: it computes for a while of virtual time, and fails as it was told to.
import type { TreeNode } from '../../src/plan/tree.js';
import type { MemberKind } from '../../cluster/rounds/membership.js';
import { subtreeSum, withOneBitFlipped } from './rounds-arithmetic.js';
import type { VirtualTime } from './rounds-virtual-time.js';

export type Fault =
  /** The process ends: the coordinator sees the connection close, or (unnoticed) nothing at all. It may come back. */
  | { readonly kind: 'crash'; readonly atMs: number; readonly backAtMs?: number; readonly noticed: boolean }
  /** It stands still and goes on, as after SIGSTOP and SIGCONT. */
  | { readonly kind: 'freeze'; readonly atMs: number; readonly forMs: number }
  /** From this step on it flips a bit of its shares, each with this probability. */
  | { readonly kind: 'lie'; readonly fromStep: number; readonly probability: number }
  /** The first share that it computes of this step is not finite. */
  | { readonly kind: 'notFinite'; readonly step: number }
  /** Its link is slow: it computes from parameters up to three versions older than it could. */
  | { readonly kind: 'oldParameters' }
  /** Every share is sent twice. */
  | { readonly kind: 'repeat' }
  /** Every share of the step before is sent again with the next. */
  | { readonly kind: 'late' };

export interface NodePlan {
  readonly kind: MemberKind;
  /** Examples a second. */
  readonly speed: number;
  /** One way. */
  readonly latencyMs: number;
  readonly joinsAtMs?: number;
  readonly faults?: readonly Fault[];
}

export interface Task {
  readonly generation: number;
  readonly step: number;
  readonly subtree: TreeNode;
  readonly examples: number;
  readonly leafCount: number;
  /** To be computed from exactly this version; else from the newest that the node has. */
  readonly version?: number | undefined;
  /** With parameters of this version its step is over, and nobody wants it any more. */
  readonly uselessFrom: number;
}

export interface SentShare extends Task {
  readonly from: number;
  readonly values: Float32Array;
  readonly computeMs: number;
}

/** What the node says, with the connection over which it says it. */
export type Said =
  | { readonly kind: 'hello' | 'ready' | 'heartbeat' | 'closed' }
  | { readonly kind: 'share'; readonly share: SentShare };

/** Versions of the parameters that a node keeps. */
const KEPT_VERSIONS = 6;

/** From hello to ready: probe, data, parameters. */
const SET_UP_MS = 20;

export class VirtualNode {
  connection = 0;
  #isUp = false;
  #frozenUntilMs = 0;
  #isComputing = false;
  #generation = 0;
  #tasks: Task[] = [];
  #parameters = new Map<number, Float32Array>();
  #lastShare: SentShare | undefined;
  readonly #stumbledIn = new Set<number>();
  readonly #faults: readonly Fault[];

  constructor(
    readonly identity: string,
    readonly plan: NodePlan,
    private readonly time: VirtualTime,
    private readonly random: () => number,
    private readonly heartbeatMs: number,
    /** Delivers to the coordinator, after the latency. */
    private readonly say: (node: VirtualNode, connection: number, said: Said) => void,
  ) {
    this.#faults = plan.faults ?? [];
    time.at(plan.joinsAtMs ?? 0, () => { this.#start(); });
    for (const fault of this.#faults) {
      if (fault.kind === 'crash') this.#planCrash(fault);
      if (fault.kind === 'freeze') time.at(fault.atMs, () => { this.#frozenUntilMs = Math.max(this.#frozenUntilMs, fault.atMs + fault.forMs); });
    }
  }

  #planCrash({ atMs, backAtMs, noticed }: Extract<Fault, { kind: 'crash' }>): void {
    this.time.at(atMs, () => { this.#stop(noticed); });
    if (backAtMs !== undefined) this.time.at(backAtMs, () => { this.#start(); });
  }

  #start(): void {
    if (this.#isUp) return;
    this.#isUp = true;
    this.connection++;
    [this.#tasks, this.#isComputing, this.#lastShare] = [[], false, undefined];
    this.#parameters.clear();
    const connection = this.connection;
    this.#send({ kind: 'hello' });
    this.#later(SET_UP_MS, connection, () => { this.#send({ kind: 'ready' }); });
    if (this.plan.kind !== 'local') this.#beat(connection);
  }

  #stop(noticed: boolean): void {
    if (!this.#isUp) return;
    if (noticed) this.#send({ kind: 'closed' });
    this.#isUp = false;
  }

  #beat(connection: number): void {
    this.#later(this.heartbeatMs, connection, () => {
      this.#send({ kind: 'heartbeat' });
      this.#beat(connection);
    });
  }

  /** Something that happens in this process, unless it has ended by then; while it is frozen, it waits. */
  #later(delayMs: number, connection: number, happen: () => void): void {
    this.time.at(this.time.nowMs + delayMs, () => { this.#whenAwake(connection, happen); });
  }

  #whenAwake(connection: number, happen: () => void): void {
    if (!this.#isUp || connection !== this.connection) return;
    if (this.time.nowMs < this.#frozenUntilMs) this.time.at(this.#frozenUntilMs, () => { this.#whenAwake(connection, happen); });
    else happen();
  }

  #send(said: Said): void {
    const { connection } = this;
    this.time.at(this.time.nowMs + this.plan.latencyMs, () => { this.say(this, connection, said); });
  }

  /** The coordinator closes the connection; a node whose connection is closed tries again. */
  disconnect(connection: number, retries: boolean): void {
    this.#later(this.plan.latencyMs, connection, () => {
      this.#isUp = false;
      if (retries) this.time.at(this.time.nowMs + SET_UP_MS, () => { this.#start(); });
    });
  }

  receiveParameters(connection: number, generation: number, version: number, parameters: Float32Array): void {
    this.#later(this.plan.latencyMs, connection, () => {
      this.#generation = generation;
      this.#parameters.set(version, parameters);
      for (const kept of this.#parameters.keys()) if (kept + KEPT_VERSIONS <= version || kept > version) this.#parameters.delete(kept);
      this.#computeNext();
    });
  }

  receiveTasks(connection: number, tasks: readonly Task[]): void {
    this.#later(this.plan.latencyMs, connection, () => {
      this.#tasks.push(...tasks);
      this.#computeNext();
    });
  }

  #computeNext(): void {
    const newest = Math.max(...this.#parameters.keys());
    this.#tasks = this.#tasks.filter(({ generation, uselessFrom }) => generation >= this.#generation && newest < uselessFrom);
    if (this.#isComputing || this.#tasks.length === 0 || this.#parameters.size === 0) return;
    const version = this.#tasks[0]!.version ?? this.#chooseVersion(newest);
    const parameters = this.#parameters.get(version);
    if (parameters === undefined) return;
    const task = this.#tasks.shift()!;
    const computeMs = (task.examples * 1000) / this.plan.speed;
    this.#isComputing = true;
    this.#later(computeMs, this.connection, () => {
      this.#isComputing = false;
      this.#deliver({ ...task, from: version, values: this.#valuesOf(task, parameters), computeMs });
      this.#computeNext();
    });
  }

  #chooseVersion(newest: number): number {
    if (!this.#faults.some(({ kind }) => kind === 'oldParameters')) return newest;
    const older = newest - Math.floor(this.random() * 4);
    return this.#parameters.has(older) ? older : newest;
  }

  #valuesOf({ step, subtree, leafCount }: Task, parameters: Float32Array): Float32Array {
    const values = subtreeSum(parameters, step, subtree, leafCount);
    if (this.#faults.some((fault) => fault.kind === 'lie' && step >= fault.fromStep && this.random() < fault.probability)) return withOneBitFlipped(values);
    const stumbles = this.#faults.some((fault) => fault.kind === 'notFinite' && step === fault.step) && !this.#stumbledIn.has(step);
    if (stumbles) values[0] = NaN;
    this.#stumbledIn.add(step);
    return values;
  }

  #deliver(share: SentShare): void {
    this.#send({ kind: 'share', share });
    for (const { kind } of this.#faults) {
      if (kind === 'repeat') this.#send({ kind: 'share', share });
      if (kind === 'late' && this.#lastShare !== undefined) this.#send({ kind: 'share', share: this.#lastShare });
    }
    this.#lastShare = share;
  }
}
