import { createHash } from 'node:crypto';
import { inputError } from '../errors.js';
import { sizeOf } from '../kernels/ops/op.js';
import { checkPlan } from '../plan/check.js';
import { compilePlan } from '../plan/compile.js';
import { OWN_RESOURCES, type PlanSetting } from '../plan/limits.js';
import { layoutParameters, type ParameterLayout } from '../plan/parameters.js';
import type { Capacity, Plan } from '../plan/plan.js';
import { fieldsOf, functionName, trainableWeightsOf, weightsOf, type LayersModel } from '../trace/model.js';
import { traceEvaluation, tracePenalties, tracePrediction, traceTraining, type ExampleShapes, type TracedModel } from '../trace/trace.js';
import type { ColumnWish } from './columns.js';
import { MAX_SUMS } from './control.js';

/** Enough to tell a model from another by mistake, short enough for a sentence. */
const IDENTITY_DIGITS = 16;

/** What a plan computes of a model. */
export type PlanKind = 'training' | 'evaluation' | 'prediction' | 'penalties';

/** What a model is to the trainer: its traces, made once, and the layout of its parameters. */
export class ModelPlans {
  readonly layout: ParameterLayout;
  /** Which weights have a gradient. */
  readonly updated: readonly boolean[];
  readonly inputs: readonly ColumnWish[];
  readonly targets: readonly ColumnWish[];
  /** Names of the sums of an epoch: 'loss', then the metrics by tfjs's names. */
  readonly sumNames: readonly string[];
  readonly #shapes: ExampleShapes;
  readonly #training: TracedModel | undefined;
  #evaluation: TracedModel | undefined;
  #prediction: TracedModel | undefined;
  readonly #penalties: TracedModel | undefined;
  readonly #plans = new Map<string, Plan>();

  constructor(private readonly model: LayersModel) {
    const { lossFunctions, metricsNames } = fieldsOf(model);
    const [weights, trainableWeights] = [weightsOf(model), trainableWeightsOf(model)];
    this.inputs = model.inputs.map(({ name, shape }) => ({ name, shape: exampleShape(name, shape) }));
    this.targets = (lossFunctions ?? []).map((loss, index) => targetWish(model.outputNames[index]!, model.outputs[index]!.shape, functionName(loss)));
    this.#shapes = { inputs: this.inputs.map(({ shape }) => shape), targets: this.targets.map(({ shape }) => shape) };
    this.sumNames = lossFunctions === undefined ? [] : checkSums(metricsNames);
    this.#training = lossFunctions === undefined ? undefined : traceTraining(model, this.#shapes);
    this.#penalties = lossFunctions === undefined ? undefined : tracePenalties(model);
    this.updated = weights.map((_, index) => (this.#training?.gradients[index] ?? -1) >= 0 || (this.#penalties?.gradients[index] ?? -1) >= 0);
    this.layout = layoutParameters(
      weights.map((weight, index) => ({
        name: weight.originalName,
        shape: weight.shape as readonly number[],
        trainable: trainableWeights.includes(weight),
        updated: this.updated[index]!,
      })),
    );
  }

  training(capacity: Capacity): Plan {
    return this.#plan('training', capacity, () => this.#training ?? this.refuseUncompiled());
  }

  evaluation(capacity: Capacity): Plan {
    return this.#plan('evaluation', capacity, () => {
      if (this.#training === undefined) return this.refuseUncompiled();
      return (this.#evaluation ??= traceEvaluation(this.model, this.#shapes));
    });
  }

  prediction(capacity: Capacity): Plan {
    return this.#plan('prediction', capacity, () => (this.#prediction ??= tracePrediction(this.model, this.#shapes.inputs)));
  }

  penalties(): Plan | undefined {
    const traced = this.#penalties;
    return traced === undefined ? undefined : this.#plan('penalties', { rows: 1, shards: 1 }, () => traced);
  }

  /** A hash of what a step computes: layers, loss and penalties, whatever their names. */
  identity(capacity: Capacity): string {
    const text = JSON.stringify([this.training(capacity), this.penalties()], (key, value: unknown) => {
      if (key === 'layer') return undefined; // tfjs counts layers' names through the process
      return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
    });
    return createHash('sha256').update(text).digest('hex').slice(0, IDENTITY_DIGITS);
  }

  /** What the plans of a kind are bound to. */
  setting(kind: PlanKind, capacity: Capacity): PlanSetting {
    const widths = (columns: readonly ColumnWish[]): number[] => columns.map(({ shape }) => sizeOf(shape));
    const hasExamples = kind !== 'penalties';
    const gradients = (kind === 'training' ? this.#training : kind === 'penalties' ? this.#penalties : undefined)?.gradients ?? [];
    return {
      kind: hasExamples ? 'examples' : 'penalties',
      parameterFloats: this.layout.totalFloats,
      gradientFloats: gradients.length > 0 ? this.layout.updatedFloats : 0,
      inputs: hasExamples ? widths(this.inputs) : [],
      targets: kind === 'training' || kind === 'evaluation' ? widths(this.targets) : [],
      shardRows: capacity.rows / capacity.shards,
    };
  }

  /** Checked as a plan from elsewhere would be: what the compiler gets wrong is refused here, not found in memory. */
  #plan(kind: PlanKind, capacity: Capacity, traced: () => TracedModel): Plan {
    const key = `${kind} ${capacity.rows} ${capacity.shards}`;
    let plan = this.#plans.get(key);
    if (plan === undefined) {
      plan = checkPlan(compilePlan(traced(), this.layout, capacity), { ...this.setting(kind, capacity), ...OWN_RESOURCES });
      this.#plans.set(key, plan);
    }
    return plan;
  }

  /** @throws ERR_NOT_COMPILED: without a loss a model can only predict */
  refuseUncompiled(): never {
    throw inputError('ERR_NOT_COMPILED', `model "${this.model.name}" is not compiled; call model.compile({ optimizer, loss, metrics }) before distribute.`);
  }
}

/** The control block has room for the count of examples and so many sums. */
function checkSums(names: readonly string[]): readonly string[] {
  if (names.length > MAX_SUMS - 1) {
    throw inputError('ERR_METRIC_COUNT', `the model has ${names.length} losses and metrics (one a loss of each output, and their sum); at most ${MAX_SUMS - 1} are covered: leave some metrics or outputs out.`);
  }
  return names;
}

function exampleShape(name: string, shape: readonly (number | null)[]): number[] {
  const example = shape.slice(1);
  if (example.some((length) => length === null)) {
    throw inputError('ERR_MODEL_SHAPE', `"${name}" has the open shape [${shape.map((length) => length ?? 'null').join(', ')}]; give the model a fixed inputShape.`);
  }
  return example as number[];
}

/** Labels take the output's shape; those of a sparse cross-entropy have one class number in place of the last axis. */
function targetWish(name: string, output: readonly (number | null)[], loss: string): ColumnWish {
  const shape = exampleShape(name, output);
  if (loss !== 'sparseCategoricalCrossentropy') return { name, shape };
  return { name, shape: [...shape.slice(0, -1), 1], classCount: shape.at(-1)! };
}
