import { Arena } from '../kernels/arena.js';
import { initialStateValue, stateNames, type Optimizer } from '../optimizers/index.js';
import type { LayersModel } from '../trace/model.js';
import { CONTROL_BYTES, FIELD, viewControl, type Control } from './control.js';
import type { ModelPlans } from './model-plans.js';
import { hashState, readModel, writeModel, type Hashes } from './weights.js';

/** Sums of squares are taken over blocks of so many floats. */
const NORM_BLOCK_FLOATS = 1_024;

/** What outlives a fit: parameters and optimizer state, in the arena, and how many updates made them. */
export class TrainingState {
  readonly control: number;
  readonly parameters: number;
  readonly states: readonly number[];
  readonly snapshot: number;
  readonly blockSums: number;
  /** Updates made so far. */
  version = 0;
  readonly #totalFloats: number;
  readonly updatedFloats: number;

  constructor(readonly arena: Arena, private readonly plans: ModelPlans, private readonly optimizer: Optimizer) {
    const { updatedFloats, totalFloats } = plans.layout;
    this.#totalFloats = totalFloats;
    this.updatedFloats = updatedFloats;
    const names = stateNames(optimizer);
    this.control = arena.slot('the control block', CONTROL_BYTES);
    this.parameters = arena.slot('the parameters', totalFloats * 4);
    this.states = names.map((name) => arena.slot(`the optimizer's ${name}`, updatedFloats * 4));
    this.snapshot = arena.slot('the snapshot', (1 + names.length) * updatedFloats * 4);
    this.blockSums = arena.slot('the sums of squares', Math.ceil(updatedFloats / NORM_BLOCK_FLOATS) * 4);
    this.parameterFloats().fill(0); // pads stay 0 for ever
    names.forEach((name, index) => { this.stateFloats(index).fill(initialStateValue(optimizer, name)); });
  }

  /** The control block, reset for a run. */
  openControl(): Control {
    const control = viewControl(this.arena.memory, this.control);
    control.fields.fill(0);
    control.sums.fill(0);
    control.fields[FIELD.snapshotVersion] = -1;
    control.fields[FIELD.packedVersion] = -1;
    control.fields[FIELD.version] = this.version;
    return control;
  }

  parameterFloats(): Float32Array {
    return this.arena.floats(this.parameters, this.#totalFloats);
  }

  stateFloats(index: number): Float32Array {
    return this.arena.floats(this.states[index]!, this.updatedFloats);
  }

  /** The optimizer's states by name. */
  namedStates(): { readonly name: string; readonly values: Float32Array }[] {
    return stateNames(this.optimizer).map((name, index) => ({ name, values: this.stateFloats(index) }));
  }

  async readModel(model: LayersModel): Promise<void> {
    await readModel(model, this.plans.layout, this.parameterFloats());
  }

  writeModel(model: LayersModel): void {
    writeModel(model, this.plans.layout, this.parameterFloats());
  }

  hashes(): Hashes {
    return hashState(this.plans.layout, this.parameterFloats(), this.states.map((_, index) => this.stateFloats(index)), this.plans.updated);
  }
}
