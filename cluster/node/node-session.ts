import type { TreeNode } from '../../src/plan/tree.js';
import type { StepRange } from '../own-steps.js';
import { clusterError } from '../protocol/errors.js';
import type { MessageOf } from '../protocol/messages.js';
import type { AwaitedRows } from './awaited-rows.js';
import { SHARES_AT_ONCE, SLOT_HALVES, type NodeComputing } from './computing.js';
import type { ArrivedRows } from './examples.js';
import { nameOf } from './residual.js';
import { ShareSender, type LeavingShare, type SendToCoordinator } from './share-sender.js';

/**
 * A node's part in one run over one connection, from the moment it has plan and data: keeps the parameters, computes what it is
 * assigned and sends the shares. Messages are handled one after the other; what is cancelled meanwhile is not begun.
 */
export class NodeSession {
  readonly #sender: ShareSender;
  readonly #cancelled = new Set<number>();
  /** Shares that others have computed, by their names. */
  readonly #unwanted = new Set<string>();
  #awaited: AwaitedRows | undefined;
  /** The latest assignment that was carried out; their numbers ascend. */
  #done = -1;
  #version = -1;
  #isOver = false;
  /** Nothing more is begun. */
  #isDraining = false;
  #queue: Promise<void> = Promise.resolve();
  /** By half of the slots: resolves when what is in it has been sent. */
  readonly #sent: Promise<void>[] = Array.from({ length: SLOT_HALVES }, () => Promise.resolve());
  #half = 0;

  /** @param failed is told what went wrong in a message that was handled; nothing is handled after it */
  constructor(private readonly computing: NodeComputing, send: SendToCoordinator, private readonly failed: (error: unknown) => void) {
    this.#sender = new ShareSender(computing.outgoing, computing.residual, send);
  }

  /**
   * New parameters come into force before what is assigned after them. Resolves when the next may come, which is when those before
   * are no longer computed from.
   * @throws ERR_MESSAGE
   */
  async parameters(message: MessageOf<'parameters'>): Promise<void> {
    if (!this.computing.inbox.take(message)) return;
    await this.#then(() => {
      this.computing.useParameters();
      this.#version = message.version;
    });
  }

  /** @throws ERR_MESSAGE for steps or shards that the run does not have */
  assign(message: MessageOf<'assign'>): void {
    if (this.computing.mode.kind === 'local') {
      const steps = this.computing.ownSteps(message);
      void this.#then(() => this.#makeSteps(message, steps));
      return;
    }
    this.#awaited = this.computing.rowsFor(message);
    if (this.#awaited === undefined) void this.#then(() => this.#carryOut(message));
  }

  /**
   * Rows of the assignment before. Resolves when the node has room for more: it keeps the rows of one assignment beside those that
   * it computes with.
   * @throws ERR_MESSAGE for rows that no assignment awaits
   */
  async rows(message: MessageOf<'rows'>): Promise<void> {
    if (this.#awaited === undefined) throw clusterError('ERR_MESSAGE', { type: 'rows', problem: 'no assignment awaits rows' });
    const { assign } = this.#awaited;
    const rows = this.#awaited.take(message);
    if (rows === undefined) return;
    this.#awaited = undefined;
    const before = this.#queue;
    void this.#then(() => this.#carryOut(assign, rows));
    await before;
  }

  cancel({ assignments }: MessageOf<'cancel'>): void {
    for (const assignment of assignments) if (assignment > this.#done) this.#cancelled.add(assignment);
  }

  /** Lets the shares that are being computed be sent, and begins no others. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    await this.#queue.catch(() => undefined);
    await Promise.all(this.#sent);
  }

  /** What is not wanted is not sent any more; what was is taken back when its turn comes. */
  settled({ shares }: MessageOf<'settled'>): void {
    const settled = shares.map(({ assignment, level, index, counts }) => ({ assignment, subtree: { level, index }, counts }));
    for (const share of settled) if (!share.counts) this.#unwanted.add(nameOf(share));
    void this.#then(() => {
      for (const share of settled) {
        this.computing.residual?.settle(share, share.counts);
        this.#unwanted.delete(nameOf(share));
      }
    });
  }

  /** Begins nothing more, and resolves when nothing is computed any more. @throws what it failed with */
  async close(): Promise<void> {
    this.#isOver = true;
    this.computing.cancel();
    await this.#queue;
  }

  #then(act: () => void | Promise<void>): Promise<void> {
    this.#queue = this.#queue.then(act);
    this.#queue.catch(this.failed);
    return this.#queue;
  }

  async #carryOut({ generation, assignment, epoch, step, version, subtrees }: MessageOf<'assign'>, rows?: ArrivedRows): Promise<void> {
    for (let first = 0; first < subtrees.length; first += SHARES_AT_ONCE) {
      const half = this.#half;
      this.#half = (half + 1) % SLOT_HALVES;
      await this.#sent[half];
      if (this.#isOver || this.#isDraining || this.#cancelled.has(assignment) || version !== this.#version) break;
      const part = subtrees.slice(first, first + SHARES_AT_ONCE);
      const leaving = new Map<TreeNode, LeavingShare | undefined>();
      for await (const { share, floats, computeMs } of this.computing.compute({ epoch, step, version, subtrees: part, half, rows: first === 0 ? rows : undefined })) {
        const { subtree, exampleCount, sums, address } = share;
        if (!leaving.has(subtree)) {
          const isUnwanted = this.#cancelled.has(assignment) || this.#unwanted.has(nameOf({ assignment, subtree }));
          leaving.set(subtree, isUnwanted ? undefined : this.#sender.share({ generation, assignment, step, version, subtree, exampleCount, sums }, address));
        }
        await leaving.get(subtree)?.reach(floats, computeMs);
      }
      this.#sent[half] = this.#sender.sent(); // while that goes on, the next assignment is computed into the other half
    }
    this.#done = assignment;
    this.#cancelled.delete(assignment);
  }

  /** Mode `local`: what came of steps of its own, with the examples of these steps for its weight in the mean. */
  async #makeSteps({ generation, assignment, version, subtrees: [subtree] }: MessageOf<'assign'>, steps: StepRange): Promise<void> {
    if (this.#cancelled.delete(assignment) || version !== this.#version || this.#isOver || this.#isDraining) return;
    const startMs = performance.now();
    const { address, exampleCount, sums } = await this.computing.makeSteps(steps);
    if (this.#isOver) return;
    const computeMs = performance.now() - startMs;
    await this.#sender.state({ generation, assignment, version, stepCount: steps.stepCount, exampleCount, sums, computeMs }, subtree!, address);
    await this.#sender.sent();
  }
}
