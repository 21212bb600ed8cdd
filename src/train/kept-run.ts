import { z } from 'zod';
import { inputError } from '../errors.js';
import { readSlot, writeSlot, type ParameterLayout } from '../plan/parameters.js';
import type { CheckpointContents } from './checkpoint.js';
import type { FitPosition } from './fit.js';
import type { JsonObject, JsonValue } from './json.js';
import type { NamedTensor } from './safetensors.js';
import type { TrainerParts } from './trainer.js';
import { weightName } from './weights.js';

/** What a resumed fit needs beside tensors; under `trainer` in a checkpoint's record. */
export interface KeptFit {
  readonly position: FitPosition;
  readonly history: { readonly epoch: readonly number[]; readonly history: Readonly<Record<string, readonly number[]>> };
  readonly callbacks: JsonValue;
  /** Somebody ended the training before its last epoch: a resumed run does not go on. */
  readonly stopped: boolean;
  /** What decides the bytes of the result: a resumed run must have the same. */
  readonly identity: JsonObject;
}

/** Of a hash, in a sentence. */
const SHOWN_DIGITS = 12;

const keptSchema = z.object({
  position: z.object({ epoch: z.number().int().min(0), epochStep: z.number().int().min(0), sums: z.array(z.number()) }),
  history: z.object({ epoch: z.array(z.number()), history: z.record(z.string(), z.array(z.number())) }),
  callbacks: z.unknown(),
  stopped: z.boolean(),
  identity: z.record(z.string(), z.unknown()),
});

/** A copy of the model and its state, as they go to disk. `record` is the caller's own; `kept` is there where a fit is to be resumed. */
export function checkpointContents(parts: TrainerParts, record: JsonObject, kept?: KeptFit): CheckpointContents {
  const tensors = stateTensors(parts);
  return {
    step: parts.state.version,
    tensors,
    model: savedModel(parts, tensors),
    record: kept === undefined ? record : { ...record, trainer: kept as unknown as JsonObject },
  };
}

/** Weights in model order by position and name, then the optimizer's states of those that it updates. */
function stateTensors({ plans, state }: TrainerParts): NamedTensor[] {
  const { slots } = plans.layout;
  const parameters = state.parameterFloats();
  const weights = slots.map((slot, index) => ({ name: `weights/${weightName(slot.name, index)}`, shape: slot.shape, values: readSlot(slot, parameters) }));
  const states = state.namedStates().flatMap(({ name, values }) =>
    slots.flatMap((slot, index) => (plans.updated[index]! ? [{ name: `${name}/${weightName(slot.name, index)}`, shape: slot.shape, values: readSlot(slot, values) }] : [])),
  );
  return [...weights, ...states];
}

/** The model as tfjs saves it; `tensors` begin with its weights. */
function savedModel({ model, plans }: TrainerParts, tensors: readonly NamedTensor[]): CheckpointContents['model'] {
  const names = distinct(plans.layout.slots.map(({ name }) => name));
  const weights = plans.layout.slots.map(({ shape }, index) => ({ name: names[index]!, shape, values: tensors[index]!.values }));
  const topology: unknown = model.toJSON(null, false);
  return { topology, weights };
}

/** Layers of two nested models may bear one name. tfjs loads no such model, but a checkpoint of one must be written. */
function distinct(names: readonly string[]): string[] {
  const counts = new Map<string, number>();
  return names.map((name) => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return count === 1 ? name : `${name}#${count}`;
  });
}

/**
 * Puts a checkpoint's tensors back into the parameters and states.
 * @throws ERR_CHECKPOINT_MODEL where it is of another model, optimizer or option, ERR_CHECKPOINT_DATA where it is of other
 * data; nothing is changed then
 */
export function restoreCheckpoint(parts: TrainerParts, checkpoint: CheckpointContents, identity: JsonObject): KeptFit {
  const kept = readKept(checkpoint);
  for (const [name, value] of Object.entries(identity)) {
    if (JSON.stringify(kept.identity[name]) !== JSON.stringify(value)) throw otherRun(name, kept.identity[name], value);
  }
  const byName = new Map(checkpoint.tensors.map((tensor) => [tensor.name, tensor]));
  const expected = stateTensors(parts);
  for (const { name, shape } of expected) {
    const found = byName.get(name);
    if (found?.shape.join() !== shape.join()) {
      throw inputError('ERR_CHECKPOINT_MODEL', `the checkpoint has no tensor "${name}" of shape [${shape.join(', ')}]; resume with the model and the optimizer that it was made with.`);
    }
  }
  const { plans, state } = parts;
  fill(plans.layout, 'weights', state.parameterFloats(), byName);
  for (const { name, values } of state.namedStates()) fill(plans.layout, name, values, byName);
  state.version = checkpoint.step;
  return kept;
}

/** @param then of the checkpoint, undefined where it notes nothing of the name */
function otherRun(name: string, then: JsonValue | undefined, now: JsonValue): Error {
  const role = DATA_ROLES[name];
  if (role === undefined) {
    return inputError('ERR_CHECKPOINT_MODEL', `the checkpoint was made with ${name} ${JSON.stringify(then)} and this run has ${JSON.stringify(now)}; resume with the same.`);
  }
  if (then === null || now === null) {
    const [had, has] = then === null ? ['without', 'some'] : ['with', 'none'];
    return inputError('ERR_CHECKPOINT_DATA', `the checkpoint was made ${had} ${role} data that early stopping decides on, and this run has ${has}; resume with the same data and callbacks.`);
  }
  const [kept, given] = [then, now].map((sha256) => String(sha256).slice(0, SHOWN_DIGITS));
  return inputError('ERR_CHECKPOINT_DATA', `the checkpoint was made on other ${role} data (its SHA-256 begins ${kept}, that of this run ${given}); resume with the same examples, in the same order and types.`);
}

/** Entries of an identity that are hashes of data: what the data are for. */
const DATA_ROLES: Readonly<Record<string, string>> = { data: 'training', validation: 'validation' };

function fill(layout: ParameterLayout, group: string, target: Float32Array, tensors: ReadonlyMap<string, NamedTensor>): void {
  layout.slots.forEach((slot, index) => {
    const tensor = tensors.get(`${group}/${weightName(slot.name, index)}`);
    if (tensor !== undefined) writeSlot(slot, tensor.values, target);
  });
}

/** What the checkpoint says of the fit. @throws ERR_CHECKPOINT_MODEL where it was not written by a fit */
function readKept(checkpoint: CheckpointContents): KeptFit {
  const { data, error } = keptSchema.safeParse(checkpoint.record['trainer']);
  if (error === undefined) return data as KeptFit;
  const field = ['trainer', ...error.issues[0]!.path].join('.');
  throw inputError('ERR_CHECKPOINT_MODEL', `the checkpoint holds no run of fit (its record has no right "${field}"); resume a folder that fit or train wrote, not one that save wrote.`);
}
