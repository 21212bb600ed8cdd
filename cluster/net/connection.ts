import { ClusterError, clusterError } from '../protocol/errors.js';
import { MAX_SENTENCE } from '../protocol/limits.js';
import type { ChallengeMessage, CoordinatorMessage, HeartbeatMessage, HelloMessage, LeaveMessage, Message, NodeMessage, ProofMessage } from '../protocol/messages.js';
import { encodeMessage } from '../protocol/wire.js';
import type { Clock } from './clock.js';
import { INTERNAL_FAULT, NORMAL_CLOSE, type Ending } from './ending.js';
import type { Frames } from './frames.js';
import { Impediment, type ImpedimentKind } from './impediment.js';
import type { Inbox } from './inbox.js';
import { Patience } from './patience.js';

/** What a node says after the handshake. */
export type FromNodeMessage = Exclude<NodeMessage, HelloMessage | ProofMessage | HeartbeatMessage>;
/** What a coordinator says after the handshake. */
export type FromCoordinatorMessage = Exclude<CoordinatorMessage, ChallengeMessage | HeartbeatMessage>;
/** A coordinator's connection to a node. */
export type ToNode = Connection<CoordinatorMessage, FromNodeMessage>;
/** A node's connection to the coordinator. */
export type ToCoordinator = Connection<NodeMessage, FromCoordinatorMessage>;

export interface Pace {
  /** Between two heartbeats of ours. */
  readonly heartbeatMs: number;
  /** Silence of the other side after which it counts as lost. */
  readonly deadlineMs: number;
  /** Time after which one who takes nothing of what waits for it counts as a slow reader. */
  readonly stallMs: number;
}

/** Of both ends, until there is a run, whose pace the welcome names. */
export const WAITING_PACE: Pick<Pace, 'heartbeatMs' | 'deadlineMs'> = { heartbeatMs: 2_000, deadlineMs: 10_000 };

/** Two ends that have proved themselves and speak in messages. */
export class Connection<Sent extends Message, Received extends Message> {
  /** How the socket ended, as soon as it did; messages may still be with `serve`, which knows more. */
  readonly ended: Promise<Ending>;

  #ending: Ending | undefined;
  #isClosing = false;
  #hasEnded = false;
  #heardHeartbeatMs = 0;
  #cancelTick = (): void => {};
  #impediment: Impediment | undefined;
  /** When it was last heard before it was frozen. */
  #frozenMs = 0;

  constructor(private readonly stream: Frames, private readonly inbox: Inbox<Message>, private readonly clock: Clock) {
    this.ended = stream.ended.then((ending) => {
      this.#hasEnded = true;
      this.#cancelTick();
      this.#impediment?.end();
      return ending;
    });
  }

  get address(): string {
    return this.stream.address;
  }

  /** When bytes last came from the other side, whatever they were, or now where it is not listened to; monotonic, in ms. */
  get heardMs(): number {
    if (this.#impediment?.kind === 'freeze') return this.#frozenMs;
    return this.stream.isReading ? this.stream.readMs : this.clock.nowMs();
  }

  /** What makes trouble for the other side, if anything does. */
  get impediment(): ImpedimentKind | undefined {
    return this.#impediment?.kind;
  }

  /** Makes trouble for the other side, or ends it. One that is frozen is given up as one that is silent. */
  impede(kind: ImpedimentKind | undefined): void {
    this.#frozenMs = this.heardMs;
    this.#impediment?.end();
    this.#impediment = kind && new Impediment(kind, this.clock);
  }

  /** Bytes that wait here or in the socket, tensors in lent slots included. */
  get bufferedBytes(): number {
    return this.stream.bufferedBytes;
  }

  /**
   * Sends a message after those before it. Its tensor is lent until the promise resolves: true where the socket has taken all
   * bytes, false where the connection ended before. It never rejects. Too much that waits ends the connection with ERR_SLOW_READER.
   * @throws ERR_MESSAGE for a message that the other side would refuse
   */
  send(message: Sent): Promise<boolean> {
    if (this.#isClosing) return Promise.resolve(false);
    const parts = encodeMessage(message);
    this.inbox.said(message.type);
    return this.stream.send(parts);
  }

  /** Sends a message if it need not wait, otherwise does nothing and returns undefined. */
  trySend(message: Sent): Promise<boolean> | undefined {
    return this.stream.isFull ? undefined : this.send(message);
  }

  /** The longest tensor that may come from now on, in bytes. */
  allow(maxTensorBytes: number): void {
    this.inbox.allow(maxTensorBytes);
  }

  /** Begins to send heartbeats, and to expect a sign of life, unless it has ended. */
  beat(pace: Pace): void {
    if (this.#hasEnded) return;
    this.#cancelTick();
    const nowMs = this.clock.nowMs();
    this.#watch(pace, new Patience(pace.deadlineMs, pace.heartbeatMs, nowMs), new Patience(pace.stallMs, pace.heartbeatMs, nowMs));
  }

  /**
   * The next message, heartbeats aside; undefined when the connection has ended, or ends for what came instead. Reading pauses while
   * nobody asks.
   */
  async receive(): Promise<Received | undefined> {
    try {
      for (;;) {
        const frame = await this.stream.receive();
        if (frame === undefined) return undefined;
        await this.#impediment?.passed();
        const message = this.inbox.read(frame);
        if (message.type !== 'heartbeat') return this.#noticed(message) as Received;
        this.#heardHeartbeatMs = message.sentMs;
      }
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }

  /**
   * Hands over every message in order, each when the one before is done with; an error of the handler ends the connection.
   * @returns when the connection has ended and the last message is done with
   */
  async serve(handle: (message: Received) => void | Promise<void>): Promise<Ending> {
    for (let message = await this.receive(); message !== undefined; message = await this.receive()) {
      try {
        await handle(message);
      } catch (error) {
        this.fail(error);
      }
      if (this.#ending !== undefined) this.stream.end();
    }
    const ending = await this.ended;
    return this.#ending ?? ending;
  }

  /** A node's farewell: `leave`, then the end as of `close`. */
  async leave(this: ToCoordinator, reason: LeaveMessage['reason']): Promise<void> {
    void this.send({ type: 'leave', reason });
    await this.close();
  }

  /** Sends what waits, as far as the other side reads it, and ends; for an error if there is one. */
  async close(error?: ClusterError, drainMs = 2_000): Promise<void> {
    if (error === undefined || this.stream.bufferedBytes > 0) await this.#drained(drainMs);
    if (error === undefined) this.stream.end(NORMAL_CLOSE);
    else this.fail(error);
    await this.ended;
  }

  /** Ends it now. The other side learns the code and, where nothing else waits for it, the sentence. */
  fail(error: unknown): void {
    if (!(error instanceof ClusterError)) {
      const fault = error instanceof Error ? error : new Error(String(error));
      return this.stream.end(INTERNAL_FAULT, '', { how: 'failed', by: 'us', error: fault });
    }
    if (!this.stream.isFull) void this.stream.send(encodeMessage({ type: 'error', code: error.code, sentence: printable(error.message) }));
    this.stream.fail(error);
  }

  async #drained(drainMs: number): Promise<void> {
    this.#isClosing = true;
    let cancel = (): void => {};
    const late = new Promise<void>((resolve) => { cancel = this.clock.after(drainMs, resolve); });
    await Promise.race([this.stream.settled(), late]);
    cancel();
  }

  /** Remembers what a message says of the connection's end, which its close code does not. */
  #noticed(message: Message): Message {
    if (message.type === 'leave') this.#ending = { how: 'left', reason: message.reason };
    if (message.type === 'done') this.#ending = { how: 'done', outcome: message.outcome };
    if (message.type === 'error') this.#ending = { how: 'failed', by: 'them', error: new ClusterError(message.code, message.sentence) };
    return message;
  }

  #watch(pace: Pace, hearing: Patience, draining: Patience): void {
    const renew = (): void => {
      const { stream } = this;
      // Who is not listened to cannot be heard, and who owes nothing cannot be slow.
      hearing.renew(this.heardMs);
      draining.renew(stream.bufferedBytes > 0 ? stream.takenMs : this.clock.nowMs());
    };
    const tick = (): void => {
      renew();
      hearing.tick(this.clock.nowMs());
      draining.tick(this.clock.nowMs());
      this.#sendHeartbeat();
      this.#cancelTick = this.clock.after(pace.heartbeatMs, tick);
      if (hearing.isOverdue(this.clock.nowMs()) || draining.isOverdue(this.clock.nowMs())) this.clock.afterReading(judge);
    };
    const judge = (): void => {
      renew();
      const nowMs = this.clock.nowMs();
      if (draining.isOverdue(nowMs)) this.stream.fail(this.stream.slowReader());
      if (!hearing.isOverdue(nowMs)) return;
      this.stream.fail(clusterError('ERR_NODE_TIMEOUT', { address: this.address, silentMs: Math.round(hearing.waitedMs(nowMs)), deadlineMs: pace.deadlineMs }));
    };
    this.#cancelTick = this.clock.after(pace.heartbeatMs, tick);
  }

  /** Bytes on their way are a sign of life too, so none is sent behind others. */
  #sendHeartbeat(): void {
    if (this.#isClosing || this.stream.bufferedBytes > 0) return;
    void this.stream.send(encodeMessage({ type: 'heartbeat', sentMs: this.clock.nowMs(), echoMs: this.#heardHeartbeatMs }));
  }
}

function printable(sentence: string): string {
  return sentence.slice(0, MAX_SENTENCE).replace(/[^\x20-\x7e]/g, '?');
}
