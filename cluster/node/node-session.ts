import { createHash } from 'node:crypto';
import type { StepRange } from '../own-steps.js';
import type { MessageOf, NodeMessage } from '../protocol/messages.js';
import { NodeComputing, SHARE_SLOTS, type NodeTask, type NodeTools } from './computing.js';

/** Sends a message; resolves when its bytes are no longer read. */
export type SendToCoordinator = (message: NodeMessage) => Promise<void>;

/**
 * A node's part in one run, from the moment it has plan and data: keeps the parameters, computes what it is assigned and sends
 * the shares. Messages are handled one after the other; what is cancelled meanwhile is not begun.
 */
export class NodeSession {
  readonly #computing: NodeComputing;
  readonly #cancelled = new Set<number>();
  #version = -1;
  #isClosing = false;
  #queue: Promise<void> = Promise.resolve();

  constructor(private readonly task: NodeTask, tools: NodeTools, private readonly send: SendToCoordinator) {
    this.#computing = new NodeComputing(task, tools);
  }

  /** Computes a shard for nothing, so that the first share is not as slow as threads that start; to be awaited before `ready`. */
  async warmUp(): Promise<void> {
    await this.#computing.compute({ epoch: 0, step: 0, version: 0, subtrees: [{ level: 0, index: 0 }] });
  }

  /** New parameters come into force before what is assigned after them. */
  parameters({ version, firstValue, bytes }: MessageOf<'parameters'>): void {
    const values = bytes.slice(); // the frame goes; assignments before them may still compute with the old ones
    this.#then(() => {
      this.#computing.writeParameters(firstValue, values);
      this.#version = version;
    });
  }

  /** @throws ERR_MESSAGE for steps that the run does not have */
  assign(message: MessageOf<'assign'>): void {
    if (this.task.mode.kind === 'local') {
      const steps = this.#computing.ownSteps(message);
      this.#then(() => this.#makeSteps(message, steps));
    } else this.#then(() => this.#carryOut(message));
  }

  cancel({ assignments }: MessageOf<'cancel'>): void {
    for (const assignment of assignments) this.#cancelled.add(assignment);
  }

  /** Rejects with what went wrong in a message that was handled. */
  async idle(): Promise<void> {
    await this.#queue;
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    this.#computing.cancel();
    await this.#queue.catch(() => undefined);
    await this.#computing.close();
  }

  #then(act: () => void | Promise<void>): void {
    this.#queue = this.#queue.then(act);
  }

  async #carryOut({ generation, assignment, epoch, step, version, subtrees }: MessageOf<'assign'>): Promise<void> {
    for (let first = 0; first < subtrees.length; first += SHARE_SLOTS) {
      if (this.#cancelled.delete(assignment) || version !== this.#version) return;
      const part = subtrees.slice(first, first + SHARE_SLOTS);
      const startMs = performance.now();
      const shares = await this.#computing.compute({ epoch, step, version, subtrees: part });
      const computeMs = (performance.now() - startMs) / part.length;
      await Promise.all(shares.map(({ subtree, exampleCount, sums, bytes }) => this.send({
        type: 'share', generation, assignment, step, version, subtree, exampleCount, sums, computeMs, codec: 'float32',
        firstValue: 0, valueCount: bytes.byteLength / 4, sha256: createHash('sha256').update(bytes).digest('hex'), bytes,
      })));
    }
  }

  /** Mode `local`: what came of steps of its own, with the examples of these steps for its weight in the mean. */
  async #makeSteps({ generation, assignment, version }: MessageOf<'assign'>, steps: StepRange): Promise<void> {
    if (this.#cancelled.delete(assignment) || version !== this.#version || this.#isClosing) return;
    const startMs = performance.now();
    const { difference, exampleCount, sums } = await this.#computing.makeSteps(steps);
    if (this.#isClosing) return;
    const bytes = new Uint8Array(difference.buffer);
    await this.send({
      type: 'state', generation, assignment, version, stepCount: steps.stepCount, exampleCount, sums: Float32Array.from(sums), computeMs: performance.now() - startMs, codec: 'float32',
      firstValue: 0, valueCount: difference.length, sha256: createHash('sha256').update(bytes).digest('hex'), bytes,
    });
  }
}
