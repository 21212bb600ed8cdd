import type { Kernels } from '../src/kernels/load.js';
import { BoundPlan, type Piece } from '../src/plan/bind.js';
import { Addresses } from '../src/plan/addresses.js';
import type { Instruction } from '../src/plan/plan.js';
import { scheduleStep } from '../src/plan/schedule.js';
import { randomKey, PURPOSE } from '../src/random/philox.js';
import { FIELD, viewControl } from '../src/train/control.js';
import type { Diagnosis, Session } from '../src/train/session.js';

/**
 * Repeats the step whose loss is not finite, alone, and names the first instruction that leaves a NaN or an infinity.
 * Worker 0 does this in its own areas; the parameters are those from before the step.
 */
export function firstBadValue(session: Session, kernels: Kernels): Diagnosis | undefined {
  const { plan, areas, examples, batchRows, shardRows, shares, indices, pieceSize, inputs, targets, predictions } = session.train!;
  const { fields } = viewControl(session.memory, session.control);
  const [key0, key1] = randomKey(session.seed, PURPOSE.noise);
  const first = fields[FIELD.epochStep]! * batchRows;
  const piece: Piece = {
    rows: 0, shardRows, firstRow: 0, start: 0, indices: indices + first * 4, share: shares, step: fields[FIELD.firstStep]! + fields[FIELD.epochStep]!, key0, key1, inputs, targets, predictions,
  };
  const bound = new BoundPlan(plan, session.memory, kernels, session.tile, areas[0]!, piece, { worker: 0, workers: 1 });
  const addresses = new Addresses(plan, areas[0]!, piece);
  bound.packWeights();
  bound.runOnce();
  let found: Diagnosis | undefined;
  const look = (instruction: Instruction, rows: number): void => {
    if (found !== undefined || !leavesBadValue(instruction, rows, addresses, kernels)) return;
    found = { layer: instruction.layer, operation: 'name' in instruction ? instruction.name : instruction.op };
  };
  for (const { firstRow, rows } of scheduleStep(Math.min(batchRows, examples - first), shardRows, pieceSize.rows).pieces) {
    piece.firstRow = firstRow;
    piece.rows = rows;
    bound.beginRows();
    bound.runRows({ first: 0, end: rows }, look);
    if (found !== undefined) return found;
  }
  return undefined;
}

function leavesBadValue({ op, out }: Instruction, rows: number, addresses: Addresses, kernels: Kernels): boolean {
  const { scope, floats, stride, home } = addresses.tensor(out);
  if (op === 'pack' || op === 'compress' || home.area === 'predictions') return false;
  const blocks = scope === 'rows' ? rows : scope === 'shards' ? Math.ceil(rows / addresses.piece.shardRows) : 1;
  return kernels['allFinite']!(addresses.of(out)(0, 0), stride * 4, blocks, floats) === 0;
}
