// A look into a network between two epochs: on a copy of its parameters and its optimizer's state, so that the run stays as it is.
import * as tfl from '@tensorflow/tfjs-layers';
import { Arena } from '../kernels/arena.js';
import { readSlot } from '../plan/parameters.js';
import { activationOf } from '../trace/activation.js';
import { weightsOf } from '../trace/model.js';
import { COMMAND, FIELD } from './control.js';
import { ModelPlans } from './model-plans.js';
import type { WorkerPool } from './session.js';
import { TrainingState } from './state.js';
import { Trainer, type Examples, type TrainerParts } from './trainer.js';

export interface InspectedWeight {
  readonly layer: string;
  /** Of the layer's kernel, bias, ... all the same length. */
  readonly values: Float32Array;
  /** Mean over the examples, penalties added; in training mode with the masks of step 0. */
  readonly gradient: Float32Array;
  /** What the optimizer would add to it, were the examples the next mini-batch. */
  readonly update: Float32Array;
}

export interface InspectedOutput {
  readonly layer: string;
  /** tfjs's name of its activation; '' for a layer without one. */
  readonly activation: string;
  /** [examples, units], row-major. */
  readonly values: Float32Array;
  readonly units: number;
}

/** Layers whose output is their input in another shape, or noisy in training alone. */
const WITHOUT_OUTPUT_OF_THEIR_OWN = ['InputLayer', 'Flatten', 'Reshape', 'Dropout', 'GaussianDropout', 'GaussianNoise'];

/** Looks at one model. */
export class Inspector {
  readonly #trainer: Trainer;
  readonly #layers: readonly tfl.layers.Layer[];
  /** Whose outputs are those of `#layers`. */
  readonly #outputs: Trainer;

  /**
   * @param subject the trainer's whose model is looked at
   * @param pool computes, best on the calling thread: the subject's own workers are busy
   */
  constructor(private readonly subject: TrainerParts, pool: WorkerPool) {
    const { model, plans, optimizer, facts } = subject;
    const arena = new Arena();
    const ofItsOwn = { pool, facts: { ...facts, mode: { kind: 'sync' } as const }, faults: [] };
    this.#trainer = new Trainer({ ...subject, ...ofItsOwn, state: new TrainingState(arena, plans, optimizer, { kind: 'sync' }) });
    this.#layers = model.layers.filter((layer) => !WITHOUT_OUTPUT_OF_THEIR_OWN.includes(layer.getClassName()) && !Array.isArray(layer.output));
    const outputs = tfl.model({ inputs: model.inputs, outputs: this.#layers.map((layer) => layer.output as tfl.SymbolicTensor) });
    const outputPlans = new ModelPlans(outputs);
    this.#outputs = new Trainer({ ...subject, ...ofItsOwn, model: outputs, plans: outputPlans, state: new TrainingState(arena, outputPlans, optimizer, { kind: 'sync' }) });
  }

  /** Each weight that is trained, in model order. The model must have the parameters of now. */
  async weights(examples: Examples): Promise<InspectedWeight[]> {
    const { plans, model } = this.subject;
    const { state } = this.#trainer.parts;
    await this.#copyState();
    const before = Float32Array.from(state.parameterFloats());
    const gradients = await this.#step(examples, COMMAND.gradients);
    const after = await this.#step(examples, COMMAND.train);
    const names = weightsOf(model).map(({ originalName }) => originalName.split('/')[0]!);
    return plans.layout.slots.flatMap((slot, index) => {
      if (!plans.updated[index]!) return [];
      const [values, gradient, moved] = [before, gradients, after].map((floats) => readSlot(slot, floats)) as [Float32Array, Float32Array, Float32Array];
      return [{ layer: names[index]!, values, gradient, update: moved.map((value, at) => value - values[at]!) }];
    });
  }

  /** What each layer makes of the inputs, in model order, in prediction mode. */
  async outputs(examples: Examples): Promise<InspectedOutput[]> {
    const tensors = await this.#outputs.predictAll(examples.inputs);
    return Promise.all(tensors.map(async (tensor, index) => {
      const values = (await tensor.data()) as Float32Array;
      tensor.dispose();
      const layer = this.#layers[index]!;
      return { layer: layer.name, activation: activationOf(layer), values, units: values.length / examples.count };
    }));
  }

  /** Of the model's first output: [examples, ...], row-major, in prediction mode. */
  async predictions(examples: Examples): Promise<Float32Array> {
    const [first, ...others] = await this.#trainer.predictAll(examples.inputs);
    const values = (await first!.data()) as Float32Array;
    for (const tensor of [first!, ...others]) tensor.dispose();
    return values;
  }

  async #copyState(): Promise<void> {
    const { state } = this.#trainer.parts;
    await state.readModel(this.subject.model);
    state.version = this.subject.state.version;
    const own = this.subject.state.namedStates();
    state.namedStates().forEach(({ values }, index) => { values.set(own[index]!.values); });
  }

  /** @returns the gradient, or for a training step the parameters after it; the state is that after the step */
  async #step(examples: Examples, kind: typeof COMMAND.gradients | typeof COMMAND.train): Promise<Float32Array> {
    const { state, plans } = this.#trainer.parts;
    return this.#trainer.exclusively(() => this.#trainer.withSession({ train: { examples, batchSize: examples.count } }, async ({ runner, control, session }) => {
      control.fields[FIELD.firstStep] = state.version;
      control.fields[FIELD.stepLimit] = 1;
      await runner.run(kind);
      if (kind === COMMAND.gradients) return Float32Array.from(state.arena.floats(session.train!.shares, plans.layout.updatedFloats));
      return Float32Array.from(state.parameterFloats());
    }));
  }
}
