import { COMMAND, FIELD, type Control } from '../src/train/control.js';
import { beginStates } from '../src/train/placed-update.js';
import type { SessionRunner, Update } from '../src/train/session.js';

/** Steps [epochStep, epochStep + stepCount) of an epoch whose first step has the number `firstStep`. */
export interface StepRange {
  readonly epoch: number;
  readonly firstStep: number;
  readonly epochStep: number;
  readonly stepCount: number;
}

/** How far steps of one's own have led. */
export interface OwnResult {
  /** The updated parameters minus those that were begun with; 0, with sums that are NaN, where anything is not finite. */
  readonly difference: Float32Array;
  /** Of loss and metrics over all these steps. */
  readonly sums: Float64Array;
  readonly isFinite: boolean;
}

/** Examples of steps of an epoch, the last of which may be shorter. */
export function examplesOf({ epochStep, stepCount }: Pick<StepRange, 'epochStep' | 'stepCount'>, batchRows: number, exampleCount: number): number {
  return Math.min(exampleCount, (epochStep + stepCount) * batchRows) - epochStep * batchRows;
}

export interface OwnStepsOptions {
  readonly memory: WebAssembly.Memory;
  readonly update: Update;
  readonly control: Control;
  readonly runner: SessionRunner;
  readonly sumCount: number;
}

/**
 * Mode `local`: steps that a machine makes by itself. The optimizer's state is its own and stays with it from one period to the
 * next (Douillard et al., DiLoCo, 2023); it begins anew where a result is not finite.
 */
export class OwnSteps {
  #start: Float32Array | undefined;
  #state: 'resting' | 'making' | 'cancelled' = 'resting';

  constructor(private readonly options: OwnStepsOptions) {}

  /** The updated parameters. */
  get parameters(): Float32Array {
    const { memory, update: { parameters, floats } } = this.options;
    return new Float32Array(memory.buffer, parameters, floats);
  }

  /** Leaves the parameters where the steps have led. */
  async make({ epoch, firstStep, epochStep, stepCount }: StepRange): Promise<OwnResult> {
    const { control: { fields, sums }, runner, sumCount } = this.options;
    const start = this.parameters.slice();
    this.#start = start;
    sums.fill(0);
    fields[FIELD.epoch] = epoch;
    fields[FIELD.firstStep] = firstStep;
    fields[FIELD.epochStep] = epochStep;
    fields[FIELD.badLoss] = 0;
    fields[FIELD.snapshotVersion] = -1; // a snapshot from before is of other parameters
    const end = epochStep + stepCount;
    this.#state = 'making';
    while (fields[FIELD.epochStep]! < end && fields[FIELD.badLoss] === 0 && !this.#isCancelled) {
      fields[FIELD.stepLimit] = end; // a request to stop brings it down; what is begun is made all the same
      await runner.run(COMMAND.train);
    }
    if (this.#isCancelled) Atomics.store(fields, FIELD.stopRequested, 0);
    this.#state = 'resting';
    const difference = this.parameters.map((value, at) => value - start[at]!);
    const isFinite = fields[FIELD.badLoss] === 0 && difference.every(Number.isFinite);
    if (!isFinite) this.#beginAnew();
    const made = sums.slice(1, 1 + sumCount);
    return isFinite ? { difference, sums: made, isFinite } : { difference: difference.fill(0), sums: made.fill(NaN), isFinite };
  }

  /** Brings the parameters back to where the last steps began. */
  goBack(): void {
    if (this.#start === undefined) return;
    this.parameters.set(this.#start);
    this.#start = undefined;
    this.options.control.fields[FIELD.packedVersion] = -1;
  }

  /** What is being made ends after its step; what it has led to is of no use then. */
  cancel(): void {
    if (this.#state === 'resting') return;
    this.#state = 'cancelled';
    Atomics.store(this.options.control.fields, FIELD.stopRequested, 1);
  }

  get #isCancelled(): boolean {
    return this.#state === 'cancelled';
  }

  #beginAnew(): void {
    const { memory, update, control: { fields } } = this.options;
    beginStates(memory, update);
    fields[FIELD.version] = 0;
  }
}
