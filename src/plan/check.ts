// The check of a plan that came from outside. A plan that passes reads and writes nothing but its areas, whatever its maker
// wanted, and costs no more than allowed; what it computes is its maker's affair.
import { checkSizes, checkTensors, groupsOf, panelsOf, rangeOf } from './check-areas.js';
import { CompressedTensors } from './check-products.js';
import { footprintOf } from './check-instructions.js';
import { parsePlan, placeOfInstruction } from './check-structure.js';
import type { Footprint, PerRow, Surroundings, Touch } from './footprint.js';
import type { PlanLimits } from './limits.js';
import { operandFields } from './operands.js';
import type { Home, Instruction, Plan, PlanTensor } from './plan.js';
import { refusePlan } from './refuse.js';

export type { PlanLimits } from './limits.js';

type List = 'shared' | 'once' | 'rows' | 'folds';
type Area = Home['area'];
type Refuse = Surroundings['refuse'];

interface Tensors {
  readonly tensors: readonly PlanTensor[];
  readonly groups: ReadonlySet<number>;
  readonly panels: ReadonlySet<number>;
}

const isOfPiece = (list: List): boolean => list === 'rows' || list === 'folds';

/** From what exists for all examples to what each has. */
const WIDTH = { once: 0, shards: 1, rows: 2 } as const;

/**
 * A copy of `value`, a plan that runs inside its areas, bound as `limits` says, with pieces of any number of shards of
 * `limits.shardRows` rows.
 * @throws ERR_PLAN, one sentence that names the instruction, tensor or field and what is wrong; nothing else
 */
export function checkPlan(value: unknown, limits: PlanLimits): Plan {
  const plan = parsePlan(value, limits);
  checkSizes(plan, limits);
  checkTensors(plan, limits);
  new InstructionCheck(plan, limits).run();
  return plan;
}

/** Goes through the instructions in the order in which they run. */
class InstructionCheck {
  readonly #written = new Set<number>();
  readonly #compressed = new CompressedTensors();
  readonly #tensors: Tensors;
  #multiplyAdds = 0;
  #floats = 0;

  constructor(private readonly plan: Plan, private readonly limits: PlanLimits) {
    this.#tensors = { tensors: plan.tensors, groups: groupsOf(plan), panels: panelsOf(plan) };
    plan.tensors.forEach(({ home }, index) => { if (home.area === 'parameters' || home.area === 'constants') this.#written.add(index); });
  }

  run(): void {
    for (const list of ['shared', 'once', 'rows', 'folds'] as const) {
      this.plan[list].forEach((instruction, position) => { this.#check(list, position, instruction); });
    }
    this.#checkWork('multiply-adds', this.#multiplyAdds, this.limits.multiplyAddsPerRow);
    this.#checkWork('floats read and written', this.#floats, this.limits.floatsPerRow);
  }

  #checkWork(what: string, total: number, limit: number): void {
    const perRow = Math.ceil(total / this.plan.capacity.rows);
    if (perRow > limit) refusePlan('it', `costs ${perRow} ${what} a row, and at most ${limit} are allowed`);
  }

  #check(list: List, position: number, instruction: Instruction): void {
    const { tensors, capacity } = this.plan;
    const refuse = (problem: string): never => refusePlan(placeOfInstruction(list, position, instruction.op), problem);
    checkOperands(instruction, tensors.length, refuse);
    const footprint = footprintOf(instruction, { tensors, capacity, limits: this.limits, refuse });
    checkScope(list, instruction, footprint, tensors, refuse);
    checkAreas(list, instruction, footprint, this.#tensors, refuse);
    // What folds read of a piece with any number of rows has a block for each, so that its capacity's are as good as all.
    const rows = isOfPiece(list) ? capacity.rows : 1;
    for (const touch of footprint.reads) {
      if (!this.#written.has(touch.tensor)) refuse(`reads tensor ${touch.tensor} ("${touch.field}") before anything is written there`);
      checkInside('reads', touch, rows, this.plan, refuse);
    }
    checkInside('writes', footprint.write, rows, this.plan, refuse);
    const out = tensors[instruction.out]!;
    this.#compressed.wrote(instruction, out.home.area === 'scratch' ? rangeOf(out, capacity) : undefined, refuse);
    this.#compressed.use(instruction, refuse);
    this.#written.add(instruction.out);
    this.#count(list, instruction, footprint);
  }

  /** Adds the work of an instruction over as many rows as the capacity has. */
  #count(list: List, { scope }: Instruction, { reads, write, multiplyAdds, moved }: Footprint): void {
    const { capacity } = this.plan;
    const calls = scope === 'shards' ? capacity.shards : 1;
    const rows = isOfPiece(list) ? Math.ceil(capacity.rows / calls) : 1;
    const of = ({ first, step }: PerRow): number => calls * (first + (rows - 1) * step);
    const ofTouch = (touch: Touch): number => touch.whole ?? of(touch);
    if (multiplyAdds !== undefined) this.#multiplyAdds += of(multiplyAdds);
    this.#floats += moved !== undefined ? of(moved) : reads.reduce((sum, touch) => sum + ofTouch(touch), ofTouch(write));
  }
}

function checkOperands(instruction: Instruction, tensorCount: number, refuse: Refuse): void {
  for (const field of operandFields(instruction)) {
    const tensor = Reflect.get(instruction, field) as number;
    if (tensor >= tensorCount) refuse(`names tensor ${tensor} as "${field}", of ${tensorCount}`);
  }
}

/** Kernels that may sum into a share, all at once. */
const FOLDS: ReadonlySet<string> = new Set(['sumRows', 'matmulFold', 'foldShards', 'fill']);

/** How the instructions of each list run. */
const SCOPES: Readonly<Record<List, readonly Instruction['scope'][]>> = { shared: ['once'], once: ['once'], rows: ['rows', 'shards'], folds: ['fold'] };

/** How an instruction runs fits what its operands and its result depend on. */
function checkScope(list: List, { scope, op, out }: Instruction, { reads, write }: Footprint, tensors: readonly PlanTensor[], refuse: Refuse): void {
  const result = tensors[out]!.scope;
  if (!SCOPES[list].includes(scope)) refuse(`has the scope "${scope}", which runs elsewhere`);
  if (scope === 'once' && result !== 'once') refuse(`runs once, and its result is of the scope "${result}"`);
  if (scope === 'rows' && result !== 'rows') refuse(`goes over all rows, and its result is of the scope "${result}"`);
  if (scope === 'shards' && result === 'once') refuse('goes shard by shard, and its result is one for all');
  if (scope === 'fold' && !FOLDS.has(op)) refuse('cannot sum into a share');
  if (op === 'foldShards' && scope !== 'fold') refuse(`sums all shards, and has the scope "${scope}"`);
  if (op === 'compress' && scope !== 'rows') refuse(`must go over all rows, and has the scope "${scope}"`);
  for (const touch of [...reads, write]) {
    const is = tensors[touch.tensor]!.scope;
    const fits = touch.scope === undefined ? WIDTH[is] <= WIDTH[result] : is === touch.scope;
    if (!fits) refuse(`has ${nameOf(touch)} of the scope "${is}"`);
    if (scope === 'rows' && is === 'shards') refuse(`goes over all rows, and has ${nameOf(touch)} for each shard`);
  }
}

/** Areas that instructions may write, by their list. */
const WRITABLE: Readonly<Record<List, readonly Area[]>> = {
  shared: ['shared'],
  once: ['scratch', 'penalties'],
  rows: ['scratch', 'pieceRows', 'pieceShards', 'predictions'],
  folds: ['share'],
};

/** Packing for all workers comes before everything else and has nothing but parameters to read; any worker folds what all have made. */
const READABLE: Readonly<Record<List, readonly Area[]>> = {
  shared: ['parameters'],
  once: ['scratch', 'parameters', 'constants', 'shared'],
  rows: ['scratch', 'parameters', 'constants', 'shared', 'pieceRows', 'pieceShards'],
  folds: ['pieceRows', 'pieceShards'],
};

function checkAreas(list: List, { op, out }: Instruction, { reads }: Footprint, { tensors, groups, panels }: Tensors, refuse: Refuse): void {
  const { area } = tensors[out]!.home;
  if (!WRITABLE[list].includes(area)) refuse(`writes the ${area}`);
  if (groups.has(out) && (op !== 'compress' || area !== 'scratch')) refuse(`writes tensor ${out}, which holds compressed rows`);
  if (panels.has(out) && op !== 'pack') refuse(`writes tensor ${out}, which holds panels of all workers`);
  for (const touch of reads) {
    const read = tensors[touch.tensor]!.home.area;
    if (!READABLE[list].includes(read)) refuse(`reads the ${read}`);
    if (groups.has(touch.tensor) && touch.field !== 'groups') refuse(`reads ${nameOf(touch)}, which holds compressed rows`);
    if (panels.has(touch.tensor) && list !== 'folds') refuse(`reads ${nameOf(touch)}, which holds panels of all workers`);
  }
}

/** All that a call touches lies inside its operand, whatever the rows of the call and wherever they begin. */
function checkInside(does: 'reads' | 'writes', touch: Touch, rows: number, { tensors, capacity }: Pick<Plan, 'tensors' | 'capacity'>, refuse: Refuse): void {
  const { scope, stride } = tensors[touch.tensor]!;
  const { first, step, whole } = touch;
  if (whole !== undefined) {
    const has = capacity.rows * stride;
    if (whole > has) refuse(`${does} ${whole} floats of ${nameOf(touch)}, which has ${has}`);
    return;
  }
  // Where every row has its block, so many rows have as many blocks; elsewhere all rows of a call share one.
  const floats = scope === 'rows' ? Math.max(first, step) : first + (rows - 1) * step;
  if (floats > stride) refuse(`${does} ${floats} floats of ${nameOf(touch)}, in blocks of ${stride}`);
}

const nameOf = ({ field, tensor }: Touch): string => `tensor ${tensor} ("${field}")`;
