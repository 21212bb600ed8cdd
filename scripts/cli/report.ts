import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { inputError } from '../../src/errors.js';
import { comparisonPage, type NamedReport } from '../../src/report/comparison.js';
import type { Report } from '../../src/report/run.js';
import type { Context } from './context.js';
import { replaceFile, reportFiles } from './folders.js';
import type { ReportOptions } from './options.js';

/** `tensorflock report <folder...>`: one page that compares kept runs. */
export async function runReport(folders: readonly string[], options: ReportOptions, context: Context): Promise<number> {
  const runs = folders.map(readReport);
  const { out } = options;
  if (existsSync(out) ? statSync(out).isDirectory() : !existsSync(dirname(resolve(out)))) {
    throw inputError('ERR_OUT', `--out ${out} cannot be a file there; name a file in a folder that exists, such as comparison.html.`);
  }
  replaceFile(out, await comparisonPage(runs));
  context.stdout.write(`${runs.length === 1 ? '1 run' : `${runs.length} runs`} compared in ${out}\n`);
  return 0;
}

function readReport(folder: string): NamedReport {
  const file = reportFiles(folder).json;
  if (!existsSync(file)) throw inputError('ERR_REPORT', `${folder} holds no report.json; name the --out of a run that has ended an epoch.`);
  try {
    const report = JSON.parse(readFileSync(file, 'utf8')) as Partial<Report> | null;
    if (typeof report?.facts?.experiment === 'string' && Array.isArray(report.epochs)) return { name: folder, report: report as Report };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw inputError('ERR_REPORT', `${file} is not the report of a run; name the --out of a run, or train it anew.`);
}
