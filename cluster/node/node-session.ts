import { createHash } from 'node:crypto';
import type { StepRange } from '../own-steps.js';
import type { MessageOf, NodeMessage } from '../protocol/messages.js';
import { SHARE_SLOTS, type NodeComputing } from './computing.js';

/** Sends a message; resolves when its bytes are no longer read. */
export type SendToCoordinator = (message: NodeMessage) => Promise<void>;

/**
 * A node's part in one run over one connection, from the moment it has plan and data: keeps the parameters, computes what it is
 * assigned and sends the shares. Messages are handled one after the other; what is cancelled meanwhile is not begun.
 */
export class NodeSession {
  readonly #cancelled = new Set<number>();
  #version = -1;
  #isOver = false;
  /** Nothing more is begun. */
  #isDraining = false;
  #queue: Promise<void> = Promise.resolve();

  /** @param failed is told what went wrong in a message that was handled; nothing is handled after it */
  constructor(private readonly computing: NodeComputing, private readonly send: SendToCoordinator, private readonly failed: (error: unknown) => void) {}

  /** New parameters come into force before what is assigned after them. */
  parameters({ version, firstValue, bytes }: MessageOf<'parameters'>): void {
    const values = bytes.slice(); // the frame goes; assignments before them may still compute with the old ones
    this.#then(() => {
      this.computing.writeParameters(firstValue, values);
      this.#version = version;
    });
  }

  /** @throws ERR_MESSAGE for steps that the run does not have */
  assign(message: MessageOf<'assign'>): void {
    if (this.computing.mode.kind === 'local') {
      const steps = this.computing.ownSteps(message);
      this.#then(() => this.#makeSteps(message, steps));
    } else this.#then(() => this.#carryOut(message));
  }

  cancel({ assignments }: MessageOf<'cancel'>): void {
    for (const assignment of assignments) this.#cancelled.add(assignment);
  }

  /** Lets the shares that are being computed be sent, and begins no others. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    await this.#queue.catch(() => undefined);
  }

  /** Begins nothing more, and resolves when nothing is computed any more. @throws what it failed with */
  async close(): Promise<void> {
    this.#isOver = true;
    this.computing.cancel();
    await this.#queue;
  }

  #then(act: () => void | Promise<void>): void {
    this.#queue = this.#queue.then(act);
    this.#queue.catch(this.failed);
  }

  async #carryOut({ generation, assignment, epoch, step, version, subtrees }: MessageOf<'assign'>): Promise<void> {
    for (let first = 0; first < subtrees.length; first += SHARE_SLOTS) {
      if (this.#isOver || this.#isDraining || this.#cancelled.delete(assignment) || version !== this.#version) return;
      const part = subtrees.slice(first, first + SHARE_SLOTS);
      const startMs = performance.now();
      const shares = await this.computing.compute({ epoch, step, version, subtrees: part });
      const computeMs = (performance.now() - startMs) / part.length;
      await Promise.all(shares.map(({ subtree, exampleCount, sums, bytes }) => this.send({
        type: 'share', generation, assignment, step, version, subtree, exampleCount, sums, computeMs, codec: 'float32',
        firstValue: 0, valueCount: bytes.byteLength / 4, sha256: createHash('sha256').update(bytes).digest('hex'), bytes,
      })));
    }
  }

  /** Mode `local`: what came of steps of its own, with the examples of these steps for its weight in the mean. */
  async #makeSteps({ generation, assignment, version }: MessageOf<'assign'>, steps: StepRange): Promise<void> {
    if (this.#cancelled.delete(assignment) || version !== this.#version || this.#isOver || this.#isDraining) return;
    const startMs = performance.now();
    const { difference, exampleCount, sums } = await this.computing.makeSteps(steps);
    if (this.#isOver) return;
    const bytes = new Uint8Array(difference.buffer);
    await this.send({
      type: 'state', generation, assignment, version, stepCount: steps.stepCount, exampleCount, sums: Float32Array.from(sums), computeMs: performance.now() - startMs, codec: 'float32',
      firstValue: 0, valueCount: difference.length, sha256: createHash('sha256').update(bytes).digest('hex'), bytes,
    });
  }
}
