import type { Arena } from '../kernels/arena.js';
import { initialStateValue, stateNames, type Optimizer } from '../optimizers/index.js';
import type { Update } from './session.js';

/** Sums of squares are taken over blocks of so many floats. */
const NORM_BLOCK_FLOATS = 1_024;

/** Gives an optimizer of `floats` parameters its memory, with states as they begin. */
export function placeUpdate(arena: Arena, optimizer: Optimizer, parameters: number, floats: number): Update {
  const names = stateNames(optimizer);
  const update = {
    optimizer,
    parameters,
    states: names.map((name) => arena.slot(`the optimizer's ${name}`, floats * 4)),
    floats,
    snapshot: arena.slot('the snapshot', (1 + names.length) * floats * 4),
    blockSums: arena.slot('the sums of squares', Math.ceil(floats / NORM_BLOCK_FLOATS) * 4),
  };
  beginStates(arena.memory, update);
  return update;
}

/** With room to take an update back. */
export function withKept(arena: Arena, update: Update): Update {
  return { ...update, kept: arena.slot('what an update changes', (1 + update.states.length) * update.floats * 4) };
}

/** The optimizer remembers nothing. */
export function beginStates(memory: WebAssembly.Memory, { optimizer, states, floats }: Update): void {
  stateNames(optimizer).forEach((name, index) => { new Float32Array(memory.buffer, states[index]!, floats).fill(initialStateValue(optimizer, name)); });
}
