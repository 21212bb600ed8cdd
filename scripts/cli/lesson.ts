import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LESSONS, type LessonEntry } from '../../examples/lessons/index.js';
import type { DatasetSplit } from '../../src/data/dataset.js';
import { inputError } from '../../src/errors.js';
import { setEngineFlags } from '../../src/kernels/load.js';
import { capitalized } from '../../src/report/format.js';
import { lessonFiles, type LessonFacts } from '../../src/report/lesson.js';
import type { Context } from './context.js';
import { checkOut, createOut } from './folders.js';
import { machineFacts } from './machine.js';
import { notOneOf } from './nearest.js';
import type { LessonOptions } from './options.js';
import { writeJsonLine } from './output.js';

/** Where lessons lie from dist/scripts/cli: their sources are packed beside dist. */
const SOURCES = fileURLToPath(new URL('../../../examples/lessons/', import.meta.url));
const DEFAULT_FOLDER = join('runs', 'lessons');

/** `tensorflock lesson [name]`: runs a lesson and writes its page; without a name the list. */
export async function runLesson(typed: string | undefined, options: LessonOptions, context: Context): Promise<number> {
  if (typed === undefined) {
    listLessons(options, context);
    return 0;
  }
  const entry = findLesson(typed);
  const folder = options.out ?? join(DEFAULT_FOLDER, entry.name);
  const overwrite = options.overwrite || options.out === undefined; // its own folder is a lesson's to replace
  await checkOut(folder, overwrite, 'lesson');
  const startMs = context.nowMs();
  await context.library(); // which also keeps tfjs from greeting
  setEngineFlags();
  const { run } = await entry.load();
  const findings = await run({ seed: options.seed, quick: options.quick, images: imagesOf(options, context) });
  const seconds = (context.nowMs() - startMs) / 1000;
  const files = await lessonFiles(factsOf(entry, options, seconds), findings);
  await createOut(folder, overwrite, 'lesson');
  for (const [name, text] of files) writeFileSync(join(folder, name), text);
  const page = join(folder, 'index.html');
  if (options.json) writeJsonLine(context.stdout, { event: 'lesson', lesson: entry.name, seed: options.seed, figures: findings.figures, page, seconds });
  else write(context, options, findings.lines, `${seconds.toFixed(1)} s; plots, formulas and code in ${page}`);
  return 0;
}

function write(context: Context, { quiet }: LessonOptions, lines: readonly string[], last: string): void {
  for (const line of quiet ? [] : lines) context.stdout.write(`${line}\n`);
  context.stdout.write(`${last}\n`);
}

function listLessons({ json }: LessonOptions, context: Context): void {
  const width = Math.max(...LESSONS.map(({ name }) => name.length)) + 2;
  LESSONS.forEach(({ name, about }, index) => {
    const number = index + 1;
    if (json) writeJsonLine(context.stdout, { event: 'lesson', number, name, about });
    else context.stdout.write(`${String(number).padStart(2)}  ${name.padEnd(width)}${about}\n`);
  });
}

/** @throws ERR_LESSON with the nearest name */
function findLesson(typed: string): LessonEntry {
  const entry = LESSONS.find(({ name }, index) => name === typed || String(index + 1) === typed);
  if (entry === undefined && /^\d+$/.test(typed)) throw inputError('ERR_LESSON', `there is no lesson ${typed}; give a number from 1 to ${LESSONS.length}, or a name of the list that tensorflock lesson prints.`);
  if (entry === undefined) throw inputError('ERR_LESSON', notOneOf(typed, 'a lesson', LESSONS.map(({ name }) => name)));
  return entry;
}

/** Read once, however often a lesson asks. Sentences about downloads go where they do not mix with the finding. */
function imagesOf({ dataset, fetch }: LessonOptions, context: Context): () => Promise<DatasetSplit> {
  let loading: Promise<DatasetSplit> | undefined;
  const listener = { notice: (sentence: string): unknown => context.stderr.write(`${sentence}\n`) };
  return () => (loading ??= context.dataSource().then((source) => source.load(dataset, fetch, listener)));
}

function factsOf({ name, title, about, file }: LessonEntry, { seed, quick, dataset }: LessonOptions, seconds: number): LessonFacts {
  const sources = [file, 'kit'].map((each) => ({ name: `${each}.ts`, text: readFileSync(join(SOURCES, `${each}.ts`), 'utf8') }));
  return { name, title, about: `${capitalized(about)}.`, sources, run: { seed, dataset, quick, seconds, ...machineFacts() } };
}
