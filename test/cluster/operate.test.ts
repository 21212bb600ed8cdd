import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { joinRuns } from '../../cluster/join.js';
import { operate } from '../../cluster/operate.js';
import type { CommandMessage } from '../../cluster/protocol/messages.js';
import { distribute, type DistributeOptions, type Trainer } from '../../src/index.js';
import { compileKernels } from '../../src/kernels/load.js';
import { readCheckpoint } from '../../src/train/checkpoint.js';
import { LocalPool } from '../../workers/pool.js';
import { classification, mlp } from '../threads/models.js';
import { Arrivals } from './ends.js';

const PROGRAM = fileURLToPath(new URL('../../scripts/tensorflock.js', import.meta.url));
const { x, y } = classification(403, 13, 5);
const STEPS = 13;
/** Updates; in the middle of the first epoch. */
const PAUSED_AFTER = 6;

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tensorflock-operate-'));
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true }); });
  return folder;
}

interface Serving {
  readonly trainer: Trainer;
  readonly said: Arrivals<string>;
  readonly joinLink: string;
  readonly operatorLink: string;
  /** The updates made by then. */
  readonly operate: (command: CommandMessage['command']) => Promise<number>;
}

/** A trainer whose run others may join and steer. */
async function serving(workers = 1, more: DistributeOptions = {}): Promise<Serving> {
  const said = new Arrivals<string>();
  const trainer = await distribute(mlp({ dropout: 0.2 }), { workers, kernels: 'portable', seed: 7, serve: '127.0.0.1:0', onNotice: (text) => { said.add(text); }, ...more });
  onTestFinished(() => trainer.close());
  const printed = await said.at(0);
  const [joinLink, operatorLink] = [/join '(.*)'/, /operate '(.*)' pause/].map((pattern) => pattern.exec(printed)![1]!) as [string, string];
  return { trainer, said, joinLink, operatorLink, operate: (command) => operate({ link: operatorLink, command, environment: {}, softwareVersion: '0.1.0' }) };
}

/** Trains for more epochs than anybody waits for, and resolves when the first step is made. */
async function training(trainer: Trainer): Promise<{ readonly history: Promise<unknown> }> {
  let begun = (): void => {};
  const beginning = new Promise<void>((resolve) => { begun = resolve; });
  const history = trainer.fit(x, y, { epochs: 100_000, callbacks: { onEpochEnd: begun } });
  history.catch(() => undefined);
  await beginning;
  return { history };
}

async function until(said: Arrivals<string>, pattern: RegExp): Promise<void> {
  for (let index = 0; !pattern.test(await said.at(index)); index++);
}

describe('an operator', () => {
  test('pauses a run, which then makes no step, and lets it go on', async () => {
    const { trainer, operate } = await serving();
    const { history } = await training(trainer);
    const paused = await operate('pause');
    expect(await operate('pause')).toBe(paused);
    expect(await operate('resume')).toBe(paused);
    const stopped = await operate('stop');
    expect(stopped).toBeGreaterThanOrEqual(paused);
    await expect(history).rejects.toMatchObject({ code: 'ERR_INTERRUPTED', message: `interrupted after step ${stopped}.` });
  });

  test('stops a run whose checkpoint leads to the bytes of one that was never touched', async () => {
    const folder = temporaryFolder();
    const { trainer, operate } = await serving();
    const batches: number[] = [];
    let isPaused = (): void => {};
    const pausing = new Promise<void>((resolve) => { isPaused = resolve; });
    const onBatchEnd = async (batch: number): Promise<void> => {
      if (batches.push(batch) !== PAUSED_AFTER) return;
      await operate('pause');
      isPaused();
    };
    const history = trainer.fit(x, y, { epochs: 100_000, checkpoint: { folder }, callbacks: { onBatchEnd } });
    history.catch(() => undefined);
    await pausing;
    expect(await operate('checkpoint')).toBe(PAUSED_AFTER);
    expect((await readCheckpoint(folder)).step).toBe(PAUSED_AFTER);
    await operate('resume');
    const stopped = await operate('stop');
    await expect(history).rejects.toMatchObject({ code: 'ERR_INTERRUPTED' });
    expect(batches).toEqual(Array.from({ length: stopped }, (_, step) => step % STEPS));
    const kept = await readCheckpoint(folder);
    expect(kept.step).toBe(stopped);
    const epochs = Math.ceil((stopped + 1) / STEPS);
    const hashOf = async (options: object): Promise<string> => {
      const alone = await distribute(mlp({ dropout: 0.2 }), { workers: 2, kernels: 'portable', seed: 7 });
      try {
        await alone.fit(x, y, { epochs, ...options });
        return alone.hashes().stateSha256;
      } finally {
        await alone.close();
      }
    };
    expect(await hashOf({ resumeFrom: kept })).toBe(await hashOf({}));
  });

  test('stops a run that is paused', async () => {
    const { trainer, operate } = await serving();
    const { history } = await training(trainer);
    const paused = await operate('pause');
    expect(await operate('stop')).toBe(paused);
    await expect(history).rejects.toMatchObject({ code: 'ERR_INTERRUPTED' });
  });

  test('is told that there is no checkpoint where the run keeps none, and the run goes on', async () => {
    const { trainer, operate } = await serving();
    await training(trainer);
    await expect(operate('checkpoint')).rejects.toMatchObject({ code: 'ERR_NO_CHECKPOINTS', message: 'This run keeps no checkpoints, or ended before one was written; start it with --out and a folder.' });
    expect(await operate('stop')).toBeGreaterThan(0);
  });

  test('needs the operator key', async () => {
    const { trainer, joinLink } = await serving();
    await training(trainer);
    await expect(operate({ link: joinLink, command: 'stop', environment: {}, softwareVersion: '0.1.0' })).rejects.toMatchObject({
      code: 'ERR_COORDINATOR_UNPROVED', message: expect.stringMatching(/copy the whole link that the coordinator printed for operate\.$/) as string,
    });
  });

  test('steers by one line of the shell', async () => {
    const { trainer, operatorLink, said } = await serving();
    await training(trainer);
    const child = spawn(process.execPath, [PROGRAM, 'operate', operatorLink, 'stop'], { stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => { printed += chunk.toString(); });
    expect(await new Promise((resolve) => { child.on('close', resolve); })).toBe(0);
    expect(printed).toMatch(/^the run is stopped after step [\d,]+\.\n$/);
    await until(said, /^the operator at 127\.0\.0\.1 stopped the run after step \d+$/);
  });
});

/** Where nodes come in, and are all told to leave. */
function entrance(link: string): { readonly enter: () => { readonly said: Arrivals<string>; readonly ended: Promise<unknown> }; readonly leave: () => void } {
  const leaving = new AbortController();
  const enter = (): { readonly said: Arrivals<string>; readonly ended: Promise<unknown> } => {
    const said = new Arrivals<string>();
    const ended = joinRuns({
      link, softwareVersion: '0.1.0', environment: { TENSORFLOCK_DATA: temporaryFolder() }, arithmetics: 'portable', once: true, random: () => 0, signal: leaving.signal,
      prepare: () => ({ pool: new LocalPool(1), module: compileKernels('portable'), tile: 0 }), notice: (sentence) => { said.add(sentence); },
    });
    return { said, ended };
  };
  return { enter, leave: () => { leaving.abort(new Error('enough')); } };
}

test('nodes are told of a pause, also those that come during it, and take part when it is over', async () => {
  const { trainer, operate, joinLink } = await serving(0);
  const fitting = trainer.fit(x, y, { epochs: 100_000 });
  fitting.catch(() => undefined);
  const { enter, leave } = entrance(joinLink);
  const first = enter();
  await until(first.said, /^taking part with 1 workers$/);
  const paused = await operate('pause');
  await until(first.said, /^the run is paused by its operator$/);
  const second = enter();
  await until(second.said, /^the run is paused by its operator$/);
  expect(await operate('resume')).toBe(paused);
  await Promise.all([first, second].map(({ said }) => until(said, /^the run goes on$/)));
  expect(await operate('stop')).toBeGreaterThanOrEqual(paused);
  await expect(fitting).rejects.toMatchObject({ code: 'ERR_INTERRUPTED' });
  const ends = [first, second].map(({ ended }) => expect(ended).rejects.toThrow('enough'));
  leave(); // a run that was stopped may be resumed, for which nodes wait
  await Promise.all(ends);
});

test('nodes are told that a run waits for more of them, and when it goes on', async () => {
  const { trainer, joinLink } = await serving(1, { quorum: 2 });
  const fitting = trainer.fit(x, y, { epochs: 1 });
  const { enter } = entrance(joinLink);
  const first = enter();
  await until(first.said, /^the run waits for more nodes$/);
  const second = enter();
  await until(first.said, /^the run goes on$/);
  await Promise.all([fitting, first.ended, second.ended]);
});
