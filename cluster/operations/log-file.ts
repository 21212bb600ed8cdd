// The event log on disk: a coordinator that was killed may have left half a line at its end.
import { constants } from 'node:fs';
import { access, open, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { inputError } from '../../src/errors.js';
import { parseRecord, type EventRecord } from '../rounds/events.js';
import type { AppendedFile } from './event-log.js';

/** No record is longer; a file without a line in so many bytes is none of ours. */
const LONGEST_LINE_BYTES = 65_536;

/** Refuses a path whose file is no log, before anything is written. @throws ERR_EVENT_LOG */
export async function checkEventLog(path: string): Promise<void> {
  const size = await sizeOf(path);
  if (size === undefined) return;
  if (size === 'no file') throw refused(path, 'is not a file; name another place');
  await access(path, constants.R_OK | constants.W_OK).catch(() => { throw refused(path, 'may not be read and written; name another place or change its rights'); });
  if (size > 0 && !isEvent(await firstLineOf(path))) throw refused(path, 'holds something else than events; name another place');
}

/**
 * The same for a path that somebody typed: its folder must be there, and a new run does not write behind the events of another.
 * @throws ERR_EVENT_LOG
 */
export async function checkNamedLog(path: string, isNewRun: boolean): Promise<void> {
  await checkEventLog(path);
  const size = await sizeOf(path);
  if (size === undefined) await access(dirname(path), constants.W_OK | constants.X_OK).catch(() => { throw refused(path, 'cannot be written in its folder; name another place'); });
  else if (size !== 0 && isNewRun) throw refused(path, 'holds the events of another run; name another place, or remove it');
}

function refused(path: string, problem: string): Error {
  return inputError('ERR_EVENT_LOG', `the event log ${path} ${problem}.`);
}

/** Opens a log to go on with it, without the half line that a killed process left at its end. */
export async function openEventLog(path: string): Promise<AppendedFile> {
  const file = await open(path, 'a+');
  try {
    await cutHalfLine(file);
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    append: (text) => file.appendFile(text),
    close: () => file.close(),
  };
}

/** The records of a log, read piece by piece; what follows its last whole line is left out. @throws ERR_EVENT_LOG */
export async function* readEventLog(path: string): AsyncGenerator<EventRecord> {
  if ((await stat(path).catch(() => undefined))?.isDirectory() === true) throw refused(path, 'is a folder; name a file that train --event-log wrote');
  const file = await open(path, 'r').catch((error: unknown) => {
    throw inputError('ERR_EVENT_LOG', `the event log ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}); name a file that train --event-log wrote.`, { cause: error });
  });
  let line = 0;
  let rest = '';
  for await (const chunk of file.createReadStream({ encoding: 'utf8' })) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop()!;
    if (rest.length > LONGEST_LINE_BYTES) parseRecord(rest, `${path}: line ${String(line + lines.length + 1)}`);
    for (const text of lines) yield parseRecord(text, `${path}: line ${String(++line)}`);
  }
}

async function sizeOf(path: string): Promise<number | 'no file' | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? undefined : found.isFile() ? found.size : 'no file';
}

async function firstLineOf(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(LONGEST_LINE_BYTES), 0, LONGEST_LINE_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead).split('\n')[0]!;
  } finally {
    await file.close();
  }
}

/** The first line may be the half one. */
function isEvent(line: string): boolean {
  if (line.startsWith('{"event":')) return true;
  return '{"event":'.startsWith(line);
}

async function cutHalfLine(file: FileHandle): Promise<void> {
  const { size } = await file.stat();
  const start = Math.max(0, size - LONGEST_LINE_BYTES);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
  const whole = start + buffer.subarray(0, bytesRead).lastIndexOf(0x0a) + 1;
  if (whole < size) await file.truncate(whole);
}
