import { Arena } from '../kernels/arena.js';
import { stateNames, type Optimizer } from '../optimizers/index.js';
import type { LayersModel } from '../trace/model.js';
import { CONTROL_BYTES, FIELD, viewControl, type Control } from './control.js';
import type { Mode } from './mode.js';
import type { ModelPlans } from './model-plans.js';
import { placeUpdate } from './placed-update.js';
import type { Update } from './session.js';
import { hashState, readModel, writeModel, type Hashes } from './weights.js';

/** What the coordinator of mode `local` remembers of each parameter, beside the optimizer's states. */
const OUTER_MOMENTUM = 'outerMomentum';

/** What outlives a fit: parameters and optimizer state, in the arena, and how many updates made them. */
export class TrainingState {
  readonly control: number;
  readonly parameters: number;
  readonly update: Update;
  /** Mode `local`: address of the momentum of the update that joins the machines' results. */
  readonly outerMomentum: number | undefined;
  /** Updates made so far. */
  version = 0;
  readonly #totalFloats: number;
  readonly updatedFloats: number;

  constructor(readonly arena: Arena, private readonly plans: ModelPlans, private readonly optimizer: Optimizer, mode: Mode) {
    const { updatedFloats, totalFloats } = plans.layout;
    this.#totalFloats = totalFloats;
    this.updatedFloats = updatedFloats;
    this.control = arena.slot('the control block', CONTROL_BYTES);
    this.parameters = arena.slot('the parameters', totalFloats * 4);
    this.update = placeUpdate(arena, optimizer, this.parameters, updatedFloats);
    this.outerMomentum = mode.kind === 'local' ? arena.slot('the outer momentum', updatedFloats * 4) : undefined;
    this.parameterFloats().fill(0); // pads stay 0 for ever
    if (this.outerMomentum !== undefined) this.arena.floats(this.outerMomentum, updatedFloats).fill(0);
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

  /** The optimizer's states by name, and the coordinator's. */
  namedStates(): { readonly name: string; readonly values: Float32Array }[] {
    const states = stateNames(this.optimizer).map((name, index) => ({ name, address: this.update.states[index]! }));
    const outer = this.outerMomentum === undefined ? [] : [{ name: OUTER_MOMENTUM, address: this.outerMomentum }];
    return [...states, ...outer].map(({ name, address }) => ({ name, values: this.arena.floats(address, this.updatedFloats) }));
  }

  async readModel(model: LayersModel): Promise<void> {
    await readModel(model, this.plans.layout, this.parameterFloats());
  }

  writeModel(model: LayersModel): void {
    writeModel(model, this.plans.layout, this.parameterFloats());
  }

  hashes(): Hashes {
    return hashState(this.plans.layout, this.parameterFloats(), this.namedStates().map(({ values }) => values), this.plans.updated);
  }
}
