// A run's folder:
//
//   run.json                names the files below by length and SHA-256, and holds the record; replaced last, in one rename
//   step-<n>/model.safetensors, model.json, weights.bin
//
// A checkpoint is what run.json names. Nothing that it names is ever written again or removed before another run.json is
// durable, so a process killed or a machine switched off at any moment leaves the previous checkpoint or the new one.
import { join, resolve } from 'node:path';
import { TensorflockError, inputError, runError } from '../errors.js';
import { codeOf, createFolders, digestOf, nodeFiles, writeDurably } from './durable-files.js';
import type { Files, FolderEntry } from './durable-files.js';
import { encodeJson } from './json.js';
import type { JsonObject, JsonValue } from './json.js';
import { decodeRun, encodeRun, STEP_FILES, STEP_FOLDER } from './run-file.js';
import type { RunFile, RunFileEntry, StepFile } from './run-file.js';
import { assertTensors, bytesOf, decodeSafetensors, encodeSafetensors } from './safetensors.js';
import type { NamedTensor } from './safetensors.js';
import { decodeModel, encodeModelJson } from './tfjs-files.js';
import type { SavedModel } from './tfjs-files.js';

export interface CheckpointContents {
  /** Updates made so far. */
  readonly step: number;
  /** Weights and optimizer state, in model.safetensors. */
  readonly tensors: readonly NamedTensor[];
  /** For tf.loadLayersModel: the names are those that tfjs gives the weights. */
  readonly model: SavedModel;
  /** Everything else that a resumed run needs: options, seed, arithmetic, epoch, sums, history, the callbacks' state. */
  readonly record: JsonObject;
}

const RUN_FILE = 'run.json';
const RUN_FILE_TEMPORARY = 'run.json.tmp';
/** Made and removed at once, to know that the folder can be written to: root and read-only disks defy permission bits. */
const PROBE_FILE = 'run.json.probe';
/** How often a writer may replace the checkpoint while it is being read. */
const READ_ATTEMPTS = 5;

/** The last write to each folder of this process: an interrupt may ask for a checkpoint while another is on its way. */
const lastWrites = new Map<string, Promise<void>>();

/**
 * Makes `contents` the folder's checkpoint and removes the previous one. The tensors are read, without a copy, until the
 * promise settles, and must not change before; the record is taken at once. Writes to one folder follow one another.
 * @throws ERR_CHECKPOINT_RECORD or ERR_CHECKPOINT_TENSORS before anything is written; ERR_CHECKPOINT_WRITE (a run error, the
 * system's error as its cause) where the disk refuses, with the previous checkpoint untouched or the new one complete.
 */
export async function writeCheckpoint(folder: string, contents: CheckpointContents, files: Files = nodeFiles): Promise<void> {
  assertWritable(contents);
  const record = encodeJson(contents.record, 'record');
  const path = resolve(folder);
  const write = (lastWrites.get(path) ?? Promise.resolve()).then(() => replaceCheckpoint(path, contents, record, files));
  const settled = write.catch(() => undefined);
  lastWrites.set(path, settled);
  await write.finally(() => {
    if (lastWrites.get(path) === settled) lastWrites.delete(path);
  });
}

/**
 * The folder's checkpoint, every byte of it verified.
 * @throws ERR_CHECKPOINT_MISSING, _UNREADABLE, _TORN, _FOREIGN, _VERSION, _EDITED or _TENSORS, with the file and the reason.
 */
export async function readCheckpoint(folder: string, files: Files = nodeFiles): Promise<CheckpointContents> {
  const path = resolve(folder);
  let text = await readRunText(path, files);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await readNamedFiles(path, decodeRun(text, join(path, RUN_FILE)), files);
    } catch (error) {
      const newText = await readRunText(path, files);
      if (newText === text || attempt === READ_ATTEMPTS) throw error;
      text = newText;
    }
  }
}

/**
 * Makes sure that checkpoints can be written to `folder`, and makes it where it is missing. A refusal leaves nothing behind.
 * @param existing whether a folder that holds a run is refused, or taken because the run is to be resumed
 * @throws ERR_CHECKPOINT_FOLDER where it cannot be made or written to; ERR_CHECKPOINT_EXISTS where it holds a run
 */
export async function assertWritableFolder(folder: string, existing: 'refuse' | 'resume' = 'refuse', files: Files = nodeFiles): Promise<void> {
  const path = resolve(folder);
  const created: string[] = [];
  try {
    await createFolders(files, path, created);
    if (existing === 'refuse') await assertNoRun(path, files);
    await probeFolder(path, files);
  } catch (error) {
    for (const made of created.reverse()) await files.removeFolder(made).catch(() => undefined);
    if (error instanceof TensorflockError) throw error;
    throw inputError('ERR_CHECKPOINT_FOLDER', `Checkpoints cannot be written to ${path}: ${messageOf(error)}; choose another folder for --out.`, { cause: error });
  }
}

function assertWritable({ step, tensors, model }: CheckpointContents): void {
  if (!Number.isSafeInteger(step) || step < 0) throw inputError('ERR_CHECKPOINT_RECORD', `A checkpoint's step is a whole number from 0, not ${String(step)}.`);
  assertTensors(tensors);
  assertTensors(model.weights);
}

async function replaceCheckpoint(folder: string, contents: CheckpointContents, record: JsonValue, files: Files): Promise<void> {
  try {
    const before = await files.list(folder);
    const stepFolder = freshStepFolder(contents.step, before);
    if (before.some(({ name }) => name === RUN_FILE_TEMPORARY)) await files.removeFile(join(folder, RUN_FILE_TEMPORARY));
    await writeNewSet(folder, stepFolder, contents, record, files);
    await files.rename(join(folder, RUN_FILE_TEMPORARY), join(folder, RUN_FILE));
    await files.syncFolder(folder);
    await removeStrays(folder, stepFolder, files);
  } catch (cause) {
    throw runError('ERR_CHECKPOINT_WRITE', `The checkpoint of step ${String(contents.step)} could not be written to ${folder}: ${messageOf(cause)}; free space or repair the folder, and resume from the last checkpoint.`, { cause });
  }
}

/** Everything but the rename. A failure takes the unfinished set away again, so that a full disk is not filled further. */
async function writeNewSet(folder: string, stepFolder: string, contents: CheckpointContents, record: JsonValue, files: Files): Promise<void> {
  await files.createFolder(join(folder, stepFolder));
  try {
    const entries = await writeStepFiles(folder, stepFolder, contents, files);
    // The new names must be durable before a run.json that speaks of them can be.
    await files.syncFolder(join(folder, stepFolder));
    await files.syncFolder(folder);
    await writeDurably(files, join(folder, RUN_FILE_TEMPORARY), [new TextEncoder().encode(encodeRun(contents.step, entries, record))]);
  } catch (error) {
    await removeStepFolder(join(folder, stepFolder), files).catch(() => undefined);
    await files.removeFile(join(folder, RUN_FILE_TEMPORARY)).catch(() => undefined);
    throw error;
  }
}

async function writeStepFiles(folder: string, stepFolder: string, contents: CheckpointContents, files: Files): Promise<RunFileEntry[]> {
  const entries: RunFileEntry[] = [];
  for (const [name, parts] of stepFileParts(contents)) {
    entries.push({ path: `${stepFolder}/${name}`, ...(await writeDurably(files, join(folder, stepFolder, name), parts)) });
  }
  return entries;
}

/** In the order of `STEP_FILES`. */
function stepFileParts({ step, tensors, model }: CheckpointContents): [StepFile, readonly Uint8Array[]][] {
  return [
    ['model.safetensors', encodeSafetensors(tensors, { format: 'tensorflock', step: String(step) })],
    ['model.json', [new TextEncoder().encode(encodeModelJson(model))]],
    ['weights.bin', model.weights.map(({ values }) => bytesOf(values))],
  ];
}

/** A name that nothing has: `step-12` may be what the valid run.json names. */
function freshStepFolder(step: number, before: readonly FolderEntry[]): string {
  const taken = new Set(before.map(({ name }) => name));
  const plain = `step-${String(step)}`;
  if (!taken.has(plain)) return plain;
  let rewrite = 1;
  while (taken.has(`${plain}.${String(rewrite)}`)) rewrite += 1;
  return `${plain}.${String(rewrite)}`;
}

/** What cannot be removed now is tried again after the next checkpoint; the new one is complete all the same. */
async function removeStrays(folder: string, keptStepFolder: string, files: Files): Promise<void> {
  for (const { name, kind } of await files.list(folder)) {
    const path = join(folder, name);
    if (kind === 'folder' && STEP_FOLDER.test(name) && name !== keptStepFolder) await removeStepFolder(path, files).catch(() => undefined);
    if (kind === 'file' && (name === RUN_FILE_TEMPORARY || name === PROBE_FILE)) await files.removeFile(path).catch(() => undefined);
  }
}

/** Removes our files, then the folder if nothing of somebody else's is in it. */
async function removeStepFolder(folder: string, files: Files): Promise<void> {
  const ours = new Set<string>(STEP_FILES);
  for (const { name } of await files.list(folder)) if (ours.has(name)) await files.removeFile(join(folder, name));
  await files.removeFolder(folder);
}

async function readRunText(folder: string, files: Files): Promise<string> {
  try {
    return new TextDecoder().decode(await files.read(join(folder, RUN_FILE)));
  } catch (cause) {
    if (codeOf(cause) === 'ENOTDIR') throw inputError('ERR_CHECKPOINT_MISSING', `${folder} is no folder, or lies in none, and a checkpoint is one: name the folder that was given as --out.`, { cause });
    if (codeOf(cause) !== 'ENOENT') throw unreadable(join(folder, RUN_FILE), cause);
    throw inputError('ERR_CHECKPOINT_MISSING', `${folder} holds no checkpoint (there is no ${RUN_FILE} in it): name the folder that was given as --out, and start a run anew that ended before its first checkpoint.`, { cause });
  }
}

async function readNamedFiles(folder: string, run: RunFile, files: Files): Promise<CheckpointContents> {
  const [safetensors, modelJson, weights] = run.files;
  const { tensors } = decodeSafetensors(await readVerified(folder, safetensors, files));
  const model = decodeModel(await readVerified(folder, modelJson, files), await readVerified(folder, weights, files));
  return { step: run.step, tensors, model, record: run.record };
}

async function readVerified(folder: string, entry: RunFileEntry, files: Files): Promise<Uint8Array> {
  const path = join(folder, entry.path);
  // The length first: a file that grew must not be read into memory before it is refused.
  const byteLength = await files.byteLength(path).catch((error: unknown) => {
    throw codeOf(error) === 'ENOENT' ? torn(path, 'is missing') : unreadable(path, error);
  });
  if (byteLength !== entry.byteLength) throw torn(path, `has ${String(byteLength)} bytes, and run.json names ${String(entry.byteLength)}`);
  const bytes = await files.read(path).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  if (digestOf(bytes).sha256 === entry.sha256) return bytes;
  throw inputError('ERR_CHECKPOINT_EDITED', `${path} was changed after it was written: its SHA-256 is not the one in run.json; restore the original file.`);
}

async function assertNoRun(folder: string, files: Files): Promise<void> {
  const holdsRun = (await files.list(folder)).some(({ name }) => name === RUN_FILE);
  if (holdsRun) throw inputError('ERR_CHECKPOINT_EXISTS', `${folder} already holds a run; resume it with --resume, or choose another folder for --out.`);
}

async function probeFolder(folder: string, files: Files): Promise<void> {
  const path = join(folder, PROBE_FILE);
  if ((await files.kind(path)) !== 'missing') await files.removeFile(path);
  const probe = await files.createFile(path);
  try {
    await probe.close();
  } finally {
    await files.removeFile(path);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function torn(path: string, what: string): Error {
  return inputError('ERR_CHECKPOINT_TORN', `${path} ${what}, so this checkpoint is not whole; restore the file or start a new run.`);
}

function unreadable(path: string, cause: unknown): Error {
  return inputError('ERR_CHECKPOINT_UNREADABLE', `${path} cannot be read: ${messageOf(cause)}; make it readable or name another folder.`, { cause });
}
