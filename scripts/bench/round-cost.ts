// What a round costs on loopback beyond computing it and carrying its bytes.
import { fileURLToPath } from 'node:url';
import { measure, type Contestant, type MeasureOptions, type Row } from './harness.js';
import { judgeAtMost, type Verdict } from './targets.js';

const BARE_SOCKET = fileURLToPath(new URL('./bare-socket.js', import.meta.url));
/** A batch whose computing takes a small part of a round. */
export const SMALL_BATCH = 32;
const LIMIT_MS = 1;

export interface RoundCostContestants {
  /** One worker, a mini-batch of `SMALL_BATCH`: what there is to compute. */
  readonly alone: Contestant;
  /** The same by a node of one worker, of a coordinator without. */
  readonly byNode: Contestant;
  /** Parameters one way. */
  readonly byteLength: number;
}

export interface RoundCost {
  readonly rows: readonly Row[];
  /** In ms: a round, what there is to compute, and what a bare socket takes; undefined where one of them failed. */
  readonly parts: { readonly roundMs: number; readonly computeMs: number; readonly carryMs: number } | undefined;
}

export async function measureRound({ alone, byNode, byteLength }: RoundCostContestants, options: MeasureOptions): Promise<RoundCost> {
  const bare: Contestant = { name: 'a bare socket', command: process.execPath, args: [BARE_SOCKET, String(byteLength)], env: process.env };
  const rows = await measure([byNode, alone, bare], options);
  const [roundMs, computeMs, carryMs] = rows.map((row, index) => ('median' in row ? (1000 / row.median) * (index === 2 ? 1 : SMALL_BATCH) : undefined));
  return { rows, parts: roundMs === undefined || computeMs === undefined || carryMs === undefined ? undefined : { roundMs, computeMs, carryMs } };
}

export function judgeRound({ rows, parts }: RoundCost): Verdict {
  const what = 'ms of a round on loopback beyond computing and carrying, 79,510 parameters';
  if (parts === undefined) return judgeAtMost(what, LIMIT_MS, undefined, rows.flatMap((row) => ('failure' in row ? [row.failure] : [])).join(' '));
  const { roundMs, computeMs, carryMs } = parts;
  return judgeAtMost(what, LIMIT_MS, roundMs - computeMs - carryMs, `${roundMs.toFixed(2)} - ${computeMs.toFixed(2)} of computing - ${carryMs.toFixed(2)} of a bare socket, there and back`);
}
