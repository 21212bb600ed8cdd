import type { Kernels } from '../src/kernels/load.js';
import { bindPlan, runOnce, runPiece, type Piece } from '../src/plan/bind.js';
import type { Instruction } from '../src/plan/plan.js';
import { randomKey, PURPOSE } from '../src/random/philox.js';
import { FIELD, viewControl } from '../src/train/control.js';
import type { Diagnosis, Program, Session } from '../src/train/session.js';

/**
 * Repeats the step whose loss is not finite, alone, and names the first instruction that leaves a NaN or an infinity.
 * Worker 0 does this in its own areas; the parameters are those from before the step.
 */
export function firstBadValue(session: Session, kernels: Kernels): Diagnosis | undefined {
  const program = session.train!;
  const { fields } = viewControl(session.memory, session.control);
  const [key0, key1] = randomKey(session.update?.seed ?? 0, PURPOSE.noise);
  const first = fields[FIELD.epochStep]! * program.batchRows;
  const rows = Math.min(program.batchRows, program.examples - first);
  const piece: Piece = {
    rows: 0, shardRows: program.shardRows, firstRow: 0, indices: 0, share: program.shares[0]!, step: fields[FIELD.version]!, key0, key1,
    inputs: program.inputs, targets: program.targets, predictions: program.predictions,
  };
  const bound = bindPlan(program.plan, session.memory, kernels, session.tile, program.areas[0]!, piece);
  bound.share(0, 1);
  bound.takeShared(1);
  runOnce(bound);
  const maxRows = Math.floor(program.plan.capacity.rows / program.shardRows) * program.shardRows;
  let found: Diagnosis | undefined;
  for (let start = 0; start < rows && found === undefined; start += maxRows) {
    piece.firstRow = start;
    piece.rows = Math.min(maxRows, rows - start);
    piece.indices = program.indices + (first + start) * 4;
    runPiece(bound, piece, (instruction) => {
      if (found === undefined && leavesBadValue(instruction, program, kernels, piece)) {
        found = { layer: instruction.layer, operation: 'name' in instruction ? instruction.name : instruction.op };
      }
    });
  }
  return found;
}

function leavesBadValue(instruction: Instruction, { plan, areas }: Program, kernels: Kernels, piece: Piece): boolean {
  const { scope, floats, stride, home } = plan.tensors[instruction.out]!;
  if (home.area !== 'scratch' || instruction.op === 'pack') return false;
  const blocks = scope === 'rows' ? piece.rows : scope === 'shards' ? Math.ceil(piece.rows / piece.shardRows) : 1;
  return kernels['allFinite']!(areas[0]!.scratch + home.offset, stride * 4, blocks, floats) === 0;
}
