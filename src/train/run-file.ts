// run.json: the one file that makes a set of files a checkpoint. Its text is `{format, formatVersion, step, files, record, sha256}`.
import { z } from 'zod';
import { inputError } from '../errors.js';
import { digestOf } from './durable-files.js';
import { decodeJson, isJsonObject } from './json.js';
import type { JsonObject, JsonValue } from './json.js';

export const RUN_FORMAT = 'tensorflock-run';
export const RUN_FORMAT_VERSION = 1;

/** The files of a checkpoint, all in its step's folder. */
export const STEP_FILES = ['model.safetensors', 'model.json', 'weights.bin'] as const;
export type StepFile = (typeof STEP_FILES)[number];

/** `step-12`, or `step-12.1` where step 12 is written again while its first folder is still the valid one. */
export const STEP_FOLDER = /^step-(0|[1-9]\d*)(\.[1-9]\d*)?$/;

export interface RunFileEntry {
  /** `<step folder>/<file>` */
  readonly path: string;
  readonly byteLength: number;
  readonly sha256: string;
}

export interface RunFile {
  readonly step: number;
  /** One for each of `STEP_FILES`, in that order, all in one folder. */
  readonly files: readonly [RunFileEntry, RunFileEntry, RunFileEntry];
  readonly record: JsonObject;
}

const markSchema = z.looseObject({ format: z.literal(RUN_FORMAT), formatVersion: z.number() });
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const entry = z.strictObject({ path: z.string(), byteLength: count, sha256 });
const runSchema = z.strictObject({
  format: z.literal(RUN_FORMAT),
  formatVersion: z.literal(RUN_FORMAT_VERSION),
  step: count,
  files: z.tuple([entry, entry, entry]).refine((files) => isOneStep(files.map(({ path }) => path)), 'the files of one step folder'),
  record: z.unknown(),
  sha256,
});

/**
 * The text of run.json. `sha256` is that of the text without it: `JSON.stringify` of the object before it was added.
 * @param record as `encodeJson` returned it
 */
export function encodeRun(step: number, files: readonly RunFileEntry[], record: JsonValue): string {
  const run = { format: RUN_FORMAT, formatVersion: RUN_FORMAT_VERSION, step, files, record };
  return `${JSON.stringify({ ...run, sha256: sha256Of(run) }, null, 1)}\n`;
}

/**
 * @param path where the text was read, for the sentences
 * @throws ERR_CHECKPOINT_TORN (no whole JSON), ERR_CHECKPOINT_FOREIGN, ERR_CHECKPOINT_VERSION, ERR_CHECKPOINT_EDITED
 */
export function decodeRun(text: string, path: string): RunFile {
  const parsed = parseRun(text, path);
  assertOurs(parsed, path);
  const { sha256: claimed, ...run } = parsed;
  if (claimed !== sha256Of(run)) throw inputError('ERR_CHECKPOINT_EDITED', `${path} was changed after it was written: its SHA-256 is not the one it names; restore the original file.`);
  const { data, error } = runSchema.safeParse(parsed);
  if (error) throw foreign(path, error.issues[0]?.path.join('.') ?? '');
  const record = decodeJson(data.record, 'record');
  if (!isJsonObject(record)) throw foreign(path, 'record');
  return { step: data.step, files: data.files, record };
}

function parseRun(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw inputError('ERR_CHECKPOINT_TORN', `${path} is not whole: it ends or breaks off within its JSON; restore the file or start a new run.`, { cause });
  }
}

function assertOurs(parsed: unknown, path: string): asserts parsed is Record<string, unknown> {
  const { data, success } = markSchema.safeParse(parsed);
  if (!success) throw foreign(path, 'format');
  if (data.formatVersion === RUN_FORMAT_VERSION) return;
  throw inputError('ERR_CHECKPOINT_VERSION', `${path} has format version ${String(data.formatVersion)}; this tensorflock reads version ${String(RUN_FORMAT_VERSION)}: use the one that wrote it.`);
}

function isOneStep(paths: readonly string[]): boolean {
  const folder = paths[0]?.split('/')[0] ?? '';
  return STEP_FOLDER.test(folder) && STEP_FILES.every((name, index) => paths[index] === `${folder}/${name}`);
}

function sha256Of(run: Readonly<Record<string, unknown>>): string {
  return digestOf(new TextEncoder().encode(JSON.stringify(run))).sha256;
}

function foreign(path: string, field: string): Error {
  return inputError('ERR_CHECKPOINT_FOREIGN', `${path} was not written by tensorflock (its field "${field}" does not fit); name the folder of a run.`);
}
