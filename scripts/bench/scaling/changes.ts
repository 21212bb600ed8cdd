// Two reports beside each other: what became faster or slower, and which of that is more than noise.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { inputError } from '../../../src/errors.js';
import { compareRuns, type Change } from '../statistics.js';

const REPORT = z.object({
  rows: z.array(z.object({ model: z.string(), name: z.string(), runs: z.array(z.number().positive()).min(1) })),
  calibration: z.object({ medianMs: z.number().positive() }),
});
type Kept = z.output<typeof REPORT>;

export interface RowChange extends Change {
  readonly model: string;
  readonly name: string;
}

export interface Changes {
  readonly rows: readonly RowChange[];
  /** Rows of one of the reports alone. */
  readonly unmatched: readonly string[];
  /** Time of the fixed kernel, second report to the first: how much slower the machine itself was. */
  readonly calibrationRatio: number;
}

/** @throws ERR_OPTION where the file is none of ours */
export function readScaling(file: string): Kept {
  try {
    const parsed = REPORT.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    if (parsed.success) return parsed.data;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw inputError('ERR_OPTION', `--compare: there is no file ${file}; name two bench.json of bench --scaling --out.`);
    if (!(error instanceof SyntaxError) && (error as NodeJS.ErrnoException).code !== 'EISDIR') throw error;
  }
  throw inputError('ERR_OPTION', `--compare: ${file} is not a bench.json; name two that bench --scaling --out has written.`);
}

export function compareScaling(before: Kept, after: Kept): Changes {
  const key = ({ model, name }: { readonly model: string; readonly name: string }): string => `${model}: ${name}`;
  const old = new Map(before.rows.map((row) => [key(row), row]));
  const rows = after.rows.flatMap((row): RowChange[] => {
    const match = old.get(key(row));
    return match === undefined ? [] : [{ model: row.model, name: row.name, ...compareRuns(match.runs, row.runs) }];
  });
  const matched = new Set(rows.map(key));
  const unmatched = [...before.rows, ...after.rows].map(key).filter((each) => !matched.has(each));
  return { rows, unmatched, calibrationRatio: after.calibration.medianMs / before.calibration.medianMs };
}

export function formatChanges({ rows, unmatched, calibrationRatio }: Changes): string {
  const width = Math.max(0, ...rows.map(({ model, name }) => model.length + name.length + 2));
  const table = rows.map(({ model, name, ratio, least, most, exceedsNoise, chance }) => {
    const verdict = exceedsNoise ? `${ratio > 1 ? 'faster' : 'slower'} (by chance ${(chance * 100).toPrecision(2)} %)` : 'within the noise';
    return `${`${model}: ${name}`.padEnd(width)}  ${ratio.toFixed(3)}  (${least.toFixed(3)} – ${most.toFixed(3)})  ${verdict}`;
  });
  const machine = `the fixed kernel took ${calibrationRatio.toFixed(3)} times as long in the second report`;
  return [...table, ...unmatched.map((each) => `${each}: in one of the two only`), machine].join('\n');
}
