import { stepScalars } from '../src/optimizers/index.js';
import type { ScheduledPiece } from '../src/plan/schedule.js';
import { DECISION, FIELD, type UpdateOrder } from '../src/train/control.js';
import { asyncRate } from '../src/train/mode.js';
import type { Session } from '../src/train/session.js';
import { awaitDecision, awaitFloats } from './barrier.js';
import type { Chunk } from './chunks.js';
import { advance, type Steps } from './steps.js';

/** The commands of rounds with other machines: shares of a step into slots, and updates of what lies in slots. */
export class Shares {
  constructor(private readonly session: Session, private readonly steps: Steps) {}

  /** Computes the shares that are ordered, each into its slot. */
  compute(): undefined {
    const { steps } = this;
    const { fields, orders } = steps.control;
    const train = steps.train!;
    if (fields[FIELD.packedVersion] !== fields[FIELD.version]) steps.packWeights(train);
    const { step, draw, shares } = orders.readShares();
    let startMs = performance.now();
    steps.fault('compute');
    train.openStep(step, draw);
    for (const [index, order] of shares.entries()) {
      train.useSlot(order.slot);
      const { pieces } = train.scheduleSubtree(step, order);
      const last = pieces.at(-1)!;
      for (const piece of pieces) {
        train.runRows(piece);
        if (piece === last) startMs = this.#foldShare(piece, index, startMs);
        else steps.foldPiece(piece);
      }
    }
    train.useSlot(0);
  }

  /** Makes an update of shares that are in their slots; none where the loss is not finite. */
  apply(): undefined {
    const { steps } = this;
    const { fields, orders } = steps.control;
    const train = steps.train!;
    const order = orders.readUpdate();
    const { rows, result, additions, single } = order;
    steps.snapshotIfDue();
    train.useSlot(result);
    steps.penalties?.();
    steps.meetForFolds(() => {
      for (const { into, from } of additions) train.addSums(into, from);
      steps.total(train, rows, this.#rateOf(order));
    });
    if (fields[FIELD.badLoss] === 0) {
      steps.fault('update');
      steps.updateChunks(rows, single === undefined, (update) => {
        steps.chunks!.takeAll((chunk) => {
          for (const { into, from } of additions) train.addSlots(into, from, chunk.offset, chunk.floats);
          update(chunk);
        });
      });
    }
    train.useSlot(0);
  }

  /**
   * Makes an update of shares while they arrive, chunk by chunk, and tells how far it has come, so that it can be sent on at once.
   * Whether it counts is decided when all have arrived; else all of it is taken back.
   */
  applyArriving(): undefined {
    const { steps } = this;
    const { fields, orders, progress, scalars } = steps.control;
    const [train, update] = [steps.train!, steps.update!];
    const { rows, sums } = orders.readArriving();
    steps.snapshotIfDue();
    train.useSlot(sums.at(-1)!.to);
    steps.penalties?.();
    const rate = steps.scheduledRate(fields[FIELD.firstStep]! + fields[FIELD.epochStep]!);
    steps.meetForFolds(() => {
      scalars.set(stepScalars(this.session.update!.optimizer, fields[FIELD.version]!, rate));
      progress.begin(0);
    });
    steps.fault('update');
    update.beginPacking();
    const changed: Chunk[] = [];
    steps.chunks!.takeInOrder((chunk) => {
      progress.reach(steps.index, chunk.offset / 4);
      if (!awaitFloats(fields, chunk.offset / 4 + chunk.floats)) return;
      changed.push(chunk);
      update.keep(chunk);
      for (const sum of sums) train.sumSlots(sum, chunk.offset, chunk.floats);
      update.applyMean(chunk, rows, steps.penaltiesAddress, scalars);
      update.pack(chunk);
    });
    progress.reach(steps.index);
    const decision = awaitDecision(fields);
    steps.barrier.wait(() => {
      if (decision === DECISION.counts) {
        for (const sum of sums) train.sumSums(sum);
        steps.total(train, rows, rate);
        if (fields[FIELD.badLoss] === 0) advance(fields, true);
      }
    });
    train.useSlot(0);
    if (decision === DECISION.counts && fields[FIELD.badLoss] === 0) return;
    for (const chunk of changed) update.takeBack(chunk);
    fields[FIELD.packedVersion] = -1;
  }

  /** Sums the last piece of a share, whose sums may be read while they are made. @returns when it is done; it was begun at `startMs` */
  #foldShare(piece: ScheduledPiece, share: number, startMs: number): number {
    const { steps } = this;
    const { progress } = steps.control;
    const train = steps.train!;
    steps.meetForFolds(() => {
      train.foldSums(piece);
      progress.begin(share);
    });
    steps.chunks!.foldInOrder(piece, ({ offset }) => { progress.reach(steps.index, offset / 4); });
    const nowMs = performance.now();
    // Told here, since whoever follows may come to it late.
    if (steps.index === 0) progress.spentMs[share] = nowMs - startMs;
    progress.reach(steps.index);
    steps.barrier.wait();
    return nowMs;
  }

  /** A share that is an update of its own counts by its examples and its age. */
  #rateOf({ rows, single }: UpdateOrder): number {
    const { fields } = this.steps.control;
    const first = fields[FIELD.firstStep]!;
    if (single === undefined) return this.steps.scheduledRate(first + fields[FIELD.epochStep]!);
    return asyncRate({ rate: this.steps.scheduledRate(first + single.step), examples: rows, batchExamples: this.steps.train!.rowsOf(single.step), age: single.age });
  }
}
