import type { Instruction } from './plan.js';

const FIELDS: ReadonlySet<string> = new Set(['a', 'b', 'c', 't', 'e', 'x', 'packed', 'out']);

/** Fields of an instruction that hold the index of a tensor. A product names its `groups`; elsewhere these are a count. */
export function operandFields(instruction: Instruction): string[] {
  return Object.keys(instruction).filter((name) => FIELDS.has(name) || (instruction.op === 'matmul' && name === 'groups'));
}

/** The tensors that an instruction reads or writes. */
export function operandsOf(instruction: Instruction): number[] {
  return operandFields(instruction).map((name) => Reflect.get(instruction, name) as number);
}
