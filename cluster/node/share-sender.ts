import { createHash } from 'node:crypto';
import { panelsOf, type Panel } from '../panels.js';
import type { MessageOf, NodeMessage } from '../protocol/messages.js';
import type { TensorCoding } from '../tensor-coding.js';
import type { Residual, SentShare } from './residual.js';

/** Sends a message; resolves when its bytes are no longer read. */
export type SendToCoordinator = (message: NodeMessage) => Promise<void>;

/** A share, without its gradients. */
export type ShareHead = Omit<MessageOf<'share'>, 'type' | keyof PanelFields>;

/** Where own steps have led, without the differences of the parameters. */
export type StateHead = Omit<MessageOf<'state'>, 'type' | keyof PanelFields>;

type PanelFields = Pick<MessageOf<'share'>, 'codec' | 'firstValue' | 'valueCount' | 'sha256' | 'bytes'>;

/** Panels on their way at once: beyond them it waits until the socket has taken some, so that no more are encoded than it can take. */
const MOST_PANELS = 16;

/** Sends shares and states in panels, as the codec writes them. */
export class ShareSender {
  readonly #underWay: Promise<void>[] = [];
  readonly #panels: readonly Panel[];

  /** @param residual where the codec needs one */
  constructor(private readonly coding: TensorCoding, private readonly residual: Residual | undefined, private readonly send: SendToCoordinator) {
    this.#panels = panelsOf(coding.codec, coding.values);
  }

  /** Sends the share whose gradients are at an address: they are read until `sent` resolves. */
  async share(head: ShareHead, address: number): Promise<void> {
    await this.#panelByPanel(head, address, (fields) => ({ type: 'share', ...head, ...fields }));
  }

  /** The same for where own steps have led. */
  async state(head: StateHead, subtree: SentShare['subtree'], address: number): Promise<void> {
    await this.#panelByPanel({ assignment: head.assignment, subtree }, address, (fields) => ({ type: 'state', ...head, ...fields }));
  }

  async #panelByPanel(share: SentShare, address: number, message: (fields: PanelFields) => NodeMessage): Promise<void> {
    for (const [panel, bytes] of this.#encoded(share, address)) {
      while (this.#underWay.length >= MOST_PANELS) await this.#underWay.shift();
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      this.#underWay.push(this.send(message({ codec: this.coding.codec.name, ...panel, sha256, bytes })));
    }
  }

  /** Resolves when nothing is read any more. */
  async sent(): Promise<void> {
    await Promise.all(this.#underWay.splice(0));
  }

  /** With a residual all at once, since what it was before belongs to the whole share. */
  #encoded(share: SentShare, address: number): Iterable<readonly [Panel, Uint8Array]> {
    const { residual } = this;
    if (residual === undefined) return this.#encodedOneByOne(address);
    return residual.remember(share, () => [...this.#encodedOneByOne(address, residual.address)]);
  }

  *#encodedOneByOne(address: number, residual?: number): Iterable<readonly [Panel, Uint8Array]> {
    for (const panel of this.#panels) yield [panel, this.coding.encode(address, panel, residual)];
  }
}
