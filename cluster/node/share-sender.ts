import { sha256Hex } from '../../src/sha256.js';
import { panelsOf, type Panel } from '../panels.js';
import type { MessageOf, NodeMessage } from '../protocol/messages.js';
import type { TensorCoding } from '../tensor-coding.js';
import type { Residual, SentShare } from './residual.js';

/** Sends a message; resolves when its bytes are no longer read. */
export type SendToCoordinator = (message: NodeMessage) => Promise<void>;

/** A share, without its gradients and the times that it took. */
export type ShareHead = Omit<MessageOf<'share'>, 'type' | 'computeMs' | 'encodeMs' | keyof PanelFields>;

/** Where own steps have led, without the differences of the parameters. */
export type StateHead = Omit<MessageOf<'state'>, 'type' | keyof PanelFields>;

type EncodedPanel = readonly [Panel, Uint8Array];

type PanelFields = Pick<MessageOf<'share'>, 'codec' | 'firstValue' | 'valueCount' | 'sha256' | 'bytes'>;

/** Panels on their way at once: beyond them it waits until the socket has taken some, so that no more are encoded than it can take. */
const MOST_PANELS = 16;

/** A share that is sent as it is made. */
export interface LeavingShare {
  /** So many of its gradients, from the first on, are there, and so much time was spent on it. */
  reach(floats: number, computeMs: number): Promise<void>;
}

/** Sends shares and states in panels, as the codec writes them. */
export class ShareSender {
  readonly #underWay: Promise<void>[] = [];
  readonly #panels: readonly Panel[];

  /** @param residual where the codec needs one */
  constructor(private readonly coding: TensorCoding, private readonly residual: Residual | undefined, private readonly send: SendToCoordinator) {
    this.#panels = panelsOf(coding.codec, coding.values);
  }

  /** Begins to send the share whose gradients come to an address: they are read until `sent` resolves. */
  share(head: ShareHead, address: number): LeavingShare {
    const panels = this.#encoded(head, address)[Symbol.iterator]();
    let [next, encodeMs] = [0, 0];
    return {
      reach: async (floats, computeMs) => {
        while (next < this.#panels.length && this.#needed(next) <= floats) {
          next++;
          const startMs = performance.now();
          const fields = this.#fieldsOf((panels.next() as IteratorYieldResult<EncodedPanel>).value);
          encodeMs += performance.now() - startMs;
          await this.#sendPanel({ type: 'share', ...head, computeMs, encodeMs, ...fields });
        }
      },
    };
  }

  /** The same for where own steps have led. */
  async state(head: StateHead, subtree: SentShare['subtree'], address: number): Promise<void> {
    for (const panel of this.#encoded({ assignment: head.assignment, subtree }, address)) await this.#sendPanel({ type: 'state', ...head, ...this.#fieldsOf(panel) });
  }

  /** Floats that must be there for a panel; with a residual all are encoded at once. */
  #needed(panel: number): number {
    const { firstValue, valueCount } = this.#panels[panel]!;
    return this.residual === undefined ? firstValue + valueCount : this.coding.values;
  }

  #fieldsOf([panel, bytes]: EncodedPanel): PanelFields {
    return { codec: this.coding.codec.name, ...panel, sha256: sha256Hex(bytes), bytes };
  }

  async #sendPanel(message: NodeMessage): Promise<void> {
    while (this.#underWay.length >= MOST_PANELS) await this.#underWay.shift();
    this.#underWay.push(this.send(message));
  }

  /** Resolves when nothing is read any more. */
  async sent(): Promise<void> {
    await Promise.all(this.#underWay.splice(0));
  }

  /** With a residual all at once, since what it was before belongs to the whole share. */
  *#encoded(share: SentShare, address: number): Iterable<EncodedPanel> {
    const { residual } = this;
    if (residual === undefined) yield* this.#encodedOneByOne(address);
    else yield* residual.remember(share, () => [...this.#encodedOneByOne(address, residual.address)]);
  }

  *#encodedOneByOne(address: number, residual?: number): Iterable<EncodedPanel> {
    for (const panel of this.#panels) yield [panel, this.coding.encode(address, panel, residual)];
  }
}
