import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { checkEventLog, checkNamedLog, openEventLog, readEventLog } from '../../cluster/operations/log-file.js';
import { formatRecord, type EventRecord } from '../../cluster/rounds/events.js';

const folder = mkdtempSync(join(tmpdir(), 'tensorflock-events-'));
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

const LINES = Array.from({ length: 2_000 }, (_, step) => formatRecord({ event: 'close', atMs: step, step }));
let files = 0;

/** A new file with this text. */
function fileWith(text: string): string {
  const path = join(folder, `${String(files++)}.jsonl`);
  writeFileSync(path, text);
  return path;
}

async function recordsOf(path: string): Promise<EventRecord[]> {
  const records: EventRecord[] = [];
  for await (const record of readEventLog(path)) records.push(record);
  return records;
}

test.each([0, 1, 20, LINES[1999]!.length - 1])('a log that a killed process left with %i bytes of a line goes on after its last whole line', async (bytes) => {
  const path = fileWith(LINES.slice(0, -1).join('') + LINES.at(-1)!.slice(0, bytes));
  await checkEventLog(path);
  expect(await recordsOf(path)).toHaveLength(1_999);
  const file = await openEventLog(path);
  await file.append(LINES.at(-1)!);
  await file.close();
  expect(readFileSync(path, 'utf8')).toBe(LINES.join(''));
  expect(await recordsOf(path)).toHaveLength(2_000);
});

test('a log that was killed in its first line begins anew', async () => {
  const path = fileWith('{"eve');
  await checkNamedLog(path, false);
  const file = await openEventLog(path);
  await file.append(LINES[0]!);
  await file.close();
  expect(readFileSync(path, 'utf8')).toBe(LINES[0]);
});

test('a path that cannot be a log is refused, and what is there is untouched', async () => {
  const notes = fileWith('# my notes\n');
  mkdirSync(join(folder, 'folder'));
  const refusal = (sentence: RegExp): unknown => expect.objectContaining({ code: 'ERR_EVENT_LOG', kind: 'input', message: expect.stringMatching(sentence) as string });
  await expect(checkEventLog(notes)).rejects.toEqual(refusal(/holds something else than events/));
  await expect(checkEventLog(join(folder, 'folder'))).rejects.toEqual(refusal(/is not a file/));
  await expect(checkNamedLog(join(folder, 'nowhere', 'log'), true)).rejects.toEqual(refusal(/cannot be written in its folder/));
  const log = fileWith(LINES[0]!);
  await expect(checkNamedLog(log, true)).rejects.toEqual(refusal(/holds the events of another run/));
  await checkNamedLog(log, false);
  await checkNamedLog(fileWith(''), true);
  await checkNamedLog(join(folder, 'new'), true);
  await expect(recordsOf(join(folder, 'missing'))).rejects.toEqual(refusal(/cannot be read \(ENOENT\)/));
  expect(readFileSync(notes, 'utf8')).toBe('# my notes\n');
});

test('a line that is no event is refused with its number, however long', async () => {
  await expect(recordsOf(fileWith(`${LINES.slice(0, 5).join('')}hello\n`))).rejects.toThrow(/line 6 is not an event/);
  await expect(recordsOf(fileWith(`${LINES[0]!}${'x'.repeat(300_000)}`))).rejects.toThrow(/line 2 is not an event/);
});
