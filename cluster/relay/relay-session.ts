import type { NodeSize } from '../coordinator/attendance.js';
import type { NodeComputing } from '../node/computing.js';
import type { RunSession, Upward } from '../node/run-session.js';
import { ShareSender, type ShareHead } from '../node/share-sender.js';
import { clusterError } from '../protocol/errors.js';
import type { MessageOf } from '../protocol/messages.js';
import type { RelayRounds } from './relay-rounds.js';

/** A relay's part in a run over one connection to the coordinator. */
export class RelaySession implements RunSession {
  readonly #sender: ShareSender;
  /** Shares go up one after the other. */
  #sending: Promise<void> = Promise.resolve();
  #told: NodeSize | undefined;
  #isOver = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(private readonly rounds: RelayRounds, { outgoing }: NodeComputing, private readonly upward: Upward, private readonly done: (message: MessageOf<'done'>) => Promise<void>) {
    this.#sender = new ShareSender(outgoing, undefined, upward.send);
  }

  parameters(message: MessageOf<'parameters'>): Promise<void> {
    return this.rounds.parameters(message);
  }

  assign(message: MessageOf<'assign'>): Promise<void> {
    return this.rounds.assign(message);
  }

  rows(): Promise<void> {
    return Promise.reject(clusterError('ERR_MESSAGE', { type: 'rows', problem: 'a relay has the columns' }));
  }

  cancel(message: MessageOf<'cancel'>): void {
    this.rounds.cancel(message);
  }

  /** Nothing is held back in float32. */
  settled(): void {}

  async told(message: MessageOf<'pause' | 'resume' | 'done'>): Promise<void> {
    if (message.type === 'done') await this.done(message);
    else if (message.type === 'pause') this.rounds.pause(message.reason);
    else this.rounds.resume();
  }

  /** What there is to compute with has changed; where nothing is left, the coordinator gets back at once what it handed out. */
  tellSize({ workers, nodes }: NodeSize): void {
    if (this.#isOver || (this.#told?.workers === workers && this.#told.nodes === nodes)) return;
    if (workers > 0) {
      this.#told = { workers, nodes };
      this.upward.ready(this.#told);
    } else if (this.#told !== undefined) {
      this.#isOver = true;
      this.upward.failed(clusterError('ERR_NOBODY_BELOW', {}));
    }
  }

  /** Sends a share whose gradients are at an address. Resolves when they are no longer read. */
  async passUp(head: ShareHead, address: number, computeMs: number): Promise<void> {
    const sending = this.#sending.then(async () => { if (!this.#isOver) await this.#sender.share(head, address).reach(Infinity, computeMs); });
    this.#sending = sending.catch((error: unknown) => { this.fail(error); });
    await this.#sending;
    await this.#sender.sent();
  }

  /** Handing on has failed. */
  fail(error: unknown): void {
    this.#failure = { error };
    this.#isOver = true;
    this.upward.failed(error);
  }

  async drain(): Promise<void> {
    await this.rounds.drain();
    await this.#sending;
    await this.#sender.sent();
  }

  /** @throws what handing on has failed with */
  async close(): Promise<void> {
    this.#isOver = true;
    await this.rounds.giveUp();
    await this.#sending;
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
