import { instantiateKernels, type Kernels } from '../src/kernels/instance.js';
import { COMMAND, FIELD, viewControl, type CommandKind, type Control } from '../src/train/control.js';
import type { Diagnosis, Program, Session } from '../src/train/session.js';
import { awaitCommand, Barrier } from './barrier.js';
import { Computation } from './computation.js';
import { firstBadValue } from './diagnosis.js';
import { RacingWorker } from './racing.js';
import { Shares } from './shares.js';
import { Steps } from './steps.js';

/** A worker's whole run: carries out the session's commands until it ends. */
export class WorkerRun {
  readonly #kernels: Kernels;
  readonly #control: Control;
  readonly #barrier: Barrier;
  readonly #steps: Steps;
  readonly #shares: Shares;
  readonly #evaluate: Computation | undefined;
  readonly #predict: Computation | undefined;
  readonly #racing: RacingWorker | undefined;

  /** @param cores of this machine: with more workers, a waiter lets the others run */
  constructor(private readonly session: Session, private readonly index: number, cores: number) {
    const kernels = instantiateKernels(session.module, session.memory);
    kernels['sharePanels']!(Number(session.workers > 1));
    const control = viewControl(session.memory, session.control);
    const barrier = new Barrier(control.fields, session.workers, cores);
    const steps = new Steps(session, kernels, control, barrier, index);
    this.#kernels = kernels;
    this.#control = control;
    this.#barrier = barrier;
    this.#steps = steps;
    this.#shares = new Shares(session, steps);
    this.#evaluate = this.#computation(session.evaluate);
    this.#predict = this.#computation(session.predict);
    const { racers } = session;
    if (racers !== undefined) this.#racing = new RacingWorker({ session, racers, kernels, control, barrier, index, fault: (phase) => { steps.fault(phase); } });
  }

  /** Runs until the end command; `report` is called by worker 0 after each command that all have finished. */
  loop(report: (diagnosis?: Diagnosis) => void): void {
    const { fields } = this.#control;
    for (let seen = 0; ; ) {
      seen = awaitCommand(fields, seen);
      const kind = Atomics.load(fields, FIELD.kind);
      if (kind === COMMAND.end) return;
      const diagnosis = this.#carryOut(kind as CommandKind);
      this.#barrier.wait();
      if (this.index === 0) report(diagnosis);
    }
  }

  #computation(program: Program | undefined): Computation | undefined {
    return program === undefined ? undefined : new Computation(this.#kernels, this.session, program, this.#control.rowClaims, this.index);
  }

  #carryOut(kind: CommandKind): Diagnosis | undefined {
    switch (kind) {
      case COMMAND.train: return this.#racing === undefined ? this.#trainSteps() : this.#racing.run();
      case COMMAND.evaluate: return this.#evaluateAll();
      case COMMAND.gradients: return this.#gradients();
      case COMMAND.predict: return this.#predictAll();
      case COMMAND.shares: return this.#shares.compute();
      case COMMAND.apply: return this.#shares.apply();
      case COMMAND.applyArriving: return this.#shares.applyArriving();
      case COMMAND.diagnose: return this.index === 0 ? firstBadValue(this.session, this.#kernels) : undefined;
    }
  }

  /** Steps of the epoch up to the limit, which a request to stop brings down to the step after the current one. */
  #trainSteps(): undefined {
    const { fields } = this.#control;
    this.#steps.packWeights(this.#steps.train!);
    while (Atomics.load(fields, FIELD.epochStep) < Atomics.load(fields, FIELD.stepLimit)) {
      if (!this.#step()) return;
    }
  }

  /** One update; false where the loss is not finite, with the parameters as they were. */
  #step(): boolean {
    const steps = this.#steps;
    const { fields } = this.#control;
    const train = steps.train!;
    steps.snapshotIfDue();
    const step = fields[FIELD.epochStep]!;
    const schedule = train.schedule(step);
    steps.fault('compute');
    steps.penalties?.();
    const number = fields[FIELD.firstStep]! + step;
    train.openStep(step, number);
    const last = schedule.pieces.at(-1)!;
    for (const piece of schedule.pieces) {
      train.runRows(piece);
      if (piece === last) break;
      steps.foldPiece(piece);
    }
    steps.fault('barrier');
    steps.meetForFolds(() => {
      train.foldSums(last);
      steps.total(train, schedule.rows, steps.scheduledRate(number));
    });
    if (fields[FIELD.badLoss] !== 0) return false;
    steps.fault('update');
    steps.updateChunks(schedule.rows, true, (update) => { steps.chunks!.fold(last, update); });
    return true;
  }

  /** Loss and metrics of all examples, as one step without an update. */
  #evaluateAll(): undefined {
    const steps = this.#steps;
    const evaluate = this.#evaluate!;
    steps.packWeights(evaluate);
    steps.penalties?.();
    evaluate.openStep(0, 0);
    const schedule = evaluate.schedule(0);
    const last = schedule.pieces.at(-1)!;
    for (const piece of schedule.pieces) {
      evaluate.runRows(piece);
      steps.fault('evaluate');
      steps.meetForFolds(() => {
        evaluate.foldSums(piece);
        if (piece === last) steps.total(evaluate, schedule.rows);
      });
    }
  }

  #predictAll(): undefined {
    const steps = this.#steps;
    const predict = this.#predict!;
    steps.packWeights(predict);
    predict.openStep(0, 0);
    for (const piece of predict.schedule(0).pieces) {
      predict.runRows(piece);
      steps.fault('predict');
      steps.meetForFolds(() => undefined);
    }
  }

  /** The mean gradient of all examples, left in share 0. */
  #gradients(): undefined {
    const steps = this.#steps;
    const train = steps.train!;
    steps.packWeights(train);
    steps.penalties?.();
    train.openStep(0, 0);
    const schedule = train.schedule(0);
    const last = schedule.pieces.at(-1)!;
    for (const piece of schedule.pieces) {
      train.runRows(piece);
      steps.fault('gradients');
      if (piece !== last) steps.foldPiece(piece);
    }
    steps.meetForFolds(() => {
      train.foldSums(last);
      steps.total(train, schedule.rows);
    });
    steps.chunks!.fold(last, (chunk) => { steps.mean(chunk, schedule.rows); });
  }
}
