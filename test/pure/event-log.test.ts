import { expect, test } from 'vitest';
import { EventLog, type AppendedFile } from '../../cluster/operations/event-log.js';
import { formatRecord, parseRecords, type EventRecord } from '../../cluster/rounds/events.js';

const recordOf = (step: number): EventRecord => ({ event: 'close', atMs: step, step });
const LINE = formatRecord(recordOf(1)).length;

/** A disk that writes when it is told to. */
class HandDisk implements AppendedFile {
  readonly written: string[] = [];
  readonly pending: { readonly text: string; readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  opened = 0;
  isClosed = false;

  readonly open = (): Promise<AppendedFile> => {
    this.opened++;
    return Promise.resolve(this);
  };

  append(text: string): Promise<void> {
    return new Promise((resolve, reject) => { this.pending.push({ text, resolve, reject }); });
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }

  /** Ends the write that is under way, and lets the log go on. */
  async turn(error?: Error): Promise<void> {
    const { text, resolve, reject } = this.pending.shift()!;
    if (error !== undefined) reject(error);
    else {
      this.written.push(text);
      resolve();
    }
    await this.settle();
  }

  async settle(): Promise<void> {
    for (let turns = 0; turns < 10; turns++) await Promise.resolve();
  }

  get records(): EventRecord[] {
    return parseRecords(this.written.join(''), 'the log');
  }
}

function logOn(disk: HandDisk, lines = 1_000): { readonly log: EventLog; readonly notices: string[] } {
  const notices: string[] = [];
  return { log: new EventLog({ path: 'events.jsonl', open: disk.open, notice: (sentence) => { notices.push(sentence); }, maxWaiting: lines * LINE }), notices };
}

test('a log without a record opens no file', async () => {
  const disk = new HandDisk();
  await logOn(disk).log.close();
  expect(disk.opened).toBe(0);
});

test('one write is under way at a time, and takes what came during the one before, in order', async () => {
  const disk = new HandDisk();
  const { log, notices } = logOn(disk);
  log.record(recordOf(0));
  await disk.settle();
  for (let step = 1; step < 6; step++) log.record(recordOf(step));
  await disk.settle();
  expect(disk.pending).toHaveLength(1);
  await disk.turn();
  await disk.turn();
  expect(disk.pending).toHaveLength(0);
  expect(disk.written.map((text) => text.split('\n').length - 1)).toEqual([1, 5]);
  log.record(recordOf(6));
  await disk.settle();
  const closed = log.close();
  await disk.turn();
  await closed;
  expect(disk.records).toEqual(Array.from({ length: 7 }, (_, step) => recordOf(step)));
  expect([disk.opened, disk.isClosed, notices]).toEqual([1, true, []]);
});

test('a disk that is slower than the run holds back so much, what is left out is counted, and people are told once', async () => {
  const disk = new HandDisk();
  const { log, notices } = logOn(disk, 10);
  for (let step = 0; step < 1_000; step++) log.record(recordOf(step));
  await disk.settle();
  expect(disk.pending.reduce((sum, { text }) => sum + text.length, 0)).toBeLessThanOrEqual(11 * LINE);
  const missed = log.missed;
  expect(missed).toBeGreaterThan(980);
  await disk.turn();
  for (let step = 1_000; step < 1_100; step++) log.record(recordOf(step));
  while (disk.pending.length > 0) await disk.turn();
  log.record(recordOf(2_000));
  await disk.settle();
  while (disk.pending.length > 0) await disk.turn();
  const gaps = disk.records.flatMap((record) => (record.event === 'gap' ? [record.records] : []));
  const steps = disk.records.flatMap((record) => (record.event === 'close' ? [record.step] : []));
  expect(gaps[0]).toBe(missed);
  expect(gaps.reduce((sum, count) => sum + count, 0)).toBe(log.missed);
  expect(steps.length + log.missed).toBe(1_101);
  expect(steps).toEqual([...steps].sort((a, b) => a - b));
  expect(notices).toEqual([expect.stringContaining('is slower than the run')]);
});

test('a disk that refuses is told once, and the run goes on', async () => {
  const disk = new HandDisk();
  const { log, notices } = logOn(disk);
  log.record(recordOf(0));
  await disk.settle();
  await disk.turn(Object.assign(new Error('no space'), { code: 'ENOSPC' }));
  for (let step = 1; step < 4; step++) log.record(recordOf(step));
  await disk.settle();
  expect(disk.pending).toHaveLength(0);
  await log.close();
  expect(notices).toEqual(['The event log events.jsonl cannot be written (ENOSPC): the run goes on, and nothing more of it is logged.']);
});

test('a file that cannot be opened is told once', async () => {
  const notices: string[] = [];
  const log = new EventLog({ path: 'x', open: () => Promise.reject(Object.assign(new Error(), { code: 'EACCES' })), notice: (sentence) => { notices.push(sentence); } });
  log.record(recordOf(0));
  log.record(recordOf(1));
  await log.close();
  expect(notices).toEqual([expect.stringContaining('(EACCES)')]);
});
