import type { ClusterErrorCode } from '../protocol/errors.js';
import type { ReadyMessage } from '../protocol/messages.js';
import { monotonicTime, runTime, startClock, type RunClock } from '../rounds/clock.js';
import { becomeReady, createMembers, endTurn, hear, join, leave, present, reach, readyNodes, speaker, type Admission, type Arrival, type Member, type Members } from '../rounds/membership.js';
import type { NodeChannel } from './channel.js';
import { Nodes, type SentToNodes } from './nodes.js';
import { Chronicle, type RunObserver } from './observer.js';
import type { Register } from './register.js';

/** Time between two looks at the clock; a longer gap is time that this process lost. */
const TICK_MS = 250;

export interface AttendanceOptions {
  readonly sent: SentToNodes;
  /** Whether this machine's own workers are a source too. */
  readonly usesLocal: boolean;
  readonly heartbeatMs: number;
  readonly silenceMs: number;
  /** Are told everything that happens. */
  readonly observers?: readonly RunObserver[] | undefined;
  /** Who was here before has the same number, or may not come back. */
  readonly register: Register;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
}

/** What a node computes with, those below it included. */
export type NodeSize = Pick<ReadyMessage, 'workers' | 'nodes'>;

/** Who takes part in a run, and its time: what the executors of all modes have in common. */
export class Attendance {
  readonly members: Members;
  readonly nodes: Nodes;
  readonly chronicle: Chronicle;
  /** This machine's own pool. */
  readonly local: Member | undefined;
  /** The most nodes that were ready at once, those below relays included. */
  mostNodes = 0;
  /** By member, as it was ready last. */
  readonly #sizes = new Map<number, NodeSize>();
  readonly #clock: RunClock;
  #wake: () => void = () => undefined;

  constructor(private readonly options: AttendanceOptions) {
    const { sent, usesLocal, heartbeatMs, silenceMs, observers = [], register, now } = options;
    this.members = createMembers({ silenceMs, heartbeatMs, nextNumber: register.nextNumber });
    this.nodes = new Nodes(sent, (member, isBehind) => { this.#setBehind(member, isBehind); });
    this.chronicle = new Chronicle(this.members, observers, (member) => this.#sizes.get(member)?.workers);
    this.#clock = startClock(TICK_MS, now());
    if (!usesLocal) return;
    const admission = this.#join({ identity: 'this machine', kind: 'local', connection: -1 });
    this.local = (admission as Extract<typeof admission, { readonly member: Member }>).member;
    becomeReady(this.local, 0);
  }

  /** Run time, in milliseconds. */
  nowMs(): number {
    return runTime(this.#clock, this.options.now());
  }

  /** A node proved its key; it is counted in when it says that it is ready. @returns its number, or undefined where it may not come back */
  admit(channel: NodeChannel): number | undefined {
    if (this.options.register.isExpelled(channel.identity)) return undefined;
    const admission = this.#join({ identity: channel.identity, kind: channel.role, connection: channel.connection });
    if (admission.kind === 'refused') return undefined;
    const { member } = admission;
    if (admission.kind === 'rejoined' && admission.replaced !== undefined) this.nodes.close(member.number, 'ERR_DUPLICATE_IDENTITY');
    this.nodes.add(member.number, channel);
    this.#changed(member);
    return member.number;
  }

  #join(arrival: Arrival): Admission {
    const { register } = this.options;
    const admission = join(this.members, { ...arrival, number: register.numberOf(arrival.identity) }, this.nowMs());
    if (admission.kind === 'joined') register.enter(arrival.identity, admission.member.number);
    return admission;
  }

  /** Nobody gets newer parameters before the last ones have left for it. */
  #setBehind(number: number, isBehind: boolean): void {
    const member = this.members.byNumber.get(number);
    if (member === undefined) return;
    member.isBehind = isBehind;
    if (!isBehind) this.wake();
  }

  /** Takes note of everybody from whom anything came: heartbeats stay with the connections, and bytes of a long message count before it is whole. */
  hearAll(): void {
    for (const number of this.nodes.heard()) {
      const member = this.members.byNumber.get(number);
      if (member === undefined) continue;
      const isBack = member.suspectedTurn !== undefined;
      hear(member, this.nowMs());
      if (isBack) this.#changed(member);
    }
  }

  /** A message came of a member; undefined where another connection speaks for it, or none does. */
  hear(member: number, connection: number): Member | undefined {
    const known = speaker(this.members, member, connection);
    if (known === undefined) return undefined;
    hear(known, this.nowMs());
    this.#changed(known);
    return known;
  }

  probed(member: number, connection: number): void {
    const known = speaker(this.members, member, connection);
    if (known === undefined) return;
    reach(known, 'probed');
    this.#changed(known);
  }

  /** From the step `countsFrom` on the member is counted in. */
  ready(member: Member, countsFrom: number, { workers, nodes }: NodeSize): void {
    becomeReady(member, countsFrom);
    this.#sizes.set(member.number, { workers, nodes: member.kind === 'relay' ? nodes : 1 });
    this.#changed(member);
    this.mostNodes = Math.max(this.mostNodes, this.size.nodes);
  }

  /** Of all nodes that are ready. */
  get size(): NodeSize {
    const sizes = present(this.members).flatMap(({ number, stage }) => (stage === 'ready' ? (this.#sizes.get(number) ?? []) : []));
    return { workers: sizes.reduce((sum, { workers }) => sum + workers, 0), nodes: sizes.reduce((sum, { nodes }) => sum + nodes, 0) };
  }

  get readyNodes(): number {
    return readyNodes(this.members).length;
  }

  /** A node's connection ended. */
  gone(member: number, connection: number, departure: 'closed' | 'goodbye'): void {
    const known = speaker(this.members, member, connection);
    if (known === undefined) return;
    leave(known, departure);
    this.#changed(known);
    this.#forget(member);
    this.wake();
  }

  /** Closes the connection of a node that takes no part any more. */
  drop(member: number, code: ClusterErrorCode): void {
    this.nodes.close(member, code);
    this.#forget(member);
  }

  #forget(member: number): void {
    this.nodes.remove(member);
    this.#sizes.delete(member);
  }

  #changed(member: Member): void {
    this.chronicle.member(member, this.nowMs());
  }

  /** Whoever waits asks again what is to be done. */
  wake(): void {
    this.#wake();
  }

  /** Wakes at every tick while `act` goes on, in which nobody may ask for the time for long: workers that train alone take all of an epoch. */
  async ticking<T>(act: () => Promise<T>): Promise<T> {
    const tick = setInterval(() => {
      this.nowMs();
      this.wake();
    }, TICK_MS);
    try {
      return await act();
    } finally {
      clearInterval(tick);
    }
  }

  /** Lets everything be read that is there. */
  async read(): Promise<void> {
    await new Promise((resolve) => { setImmediate(resolve); });
    endTurn(this.members);
  }

  /** Until an event, a tick or a run time. */
  async wait(untilMs: number): Promise<void> {
    const delayMs = monotonicTime(this.#clock, untilMs) - this.options.now();
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (Number.isFinite(delayMs)) timer = setTimeout(resolve, Math.max(0, delayMs));
    });
    clearTimeout(timer);
    this.#wake = () => undefined;
  }
}
