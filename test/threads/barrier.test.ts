import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FIELD } from '../../src/train/control.js';

// The barrier alone, between threads that do nothing else.

const MODULE = new URL('../../workers/barrier.js', import.meta.url).href;
const INTS = 64;
/** Behind the fields of the control block: how often the last one of a meeting ran, and what it saw. */
const LAST = 40;
const UNEVEN = 41;
const COUNTS = 48;

interface Members {
  readonly fields: Int32Array;
  readonly threads: readonly Worker[];
  /** How each thread ended: 'done', or the name of its error. */
  readonly endings: Promise<string[]>;
}

/** Starts threads that run `body` with a barrier of `members`; `cores` is what the barrier takes the machine for. */
function start(threadCount: number, members: number, cores: number, body: string): Members {
  const fields = new Int32Array(new SharedArrayBuffer(INTS * 4));
  const program = `
    import { parentPort, workerData } from 'node:worker_threads';
    const { Barrier } = await import(${JSON.stringify(MODULE)});
    const { fields, index } = workerData;
    const barrier = new Barrier(fields, ${members}, ${cores});
    try {
      ${body}
      parentPort.postMessage('done');
    } catch (error) {
      parentPort.postMessage(error.name);
    }`;
  const threads = Array.from({ length: threadCount }, (_, index) => new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`), { workerData: { fields, index } }));
  onTestFinished(async () => { await Promise.all(threads.map((thread) => thread.terminate())); });
  const endings = Promise.all(threads.map(async (thread) => String((await once(thread, 'message'))[0])));
  return { fields, threads, endings };
}

/** Goes on when so many threads have arrived. */
async function arrived(fields: Int32Array, count: number): Promise<void> {
  while (Atomics.load(fields, FIELD.barrierArrived) < count) await new Promise((resolve) => { setImmediate(resolve); });
}

describe.each([['as many threads as cores', 2, 2], ['more threads than cores', 7, 2]])('%s', (_name, threads, cores) => {
  test('meet again and again, and the last of each meeting runs alone, when all have arrived', async () => {
    const rounds = 2_000;
    const { fields, endings } = start(threads, threads, cores, `
      for (let round = 1; round <= ${rounds}; round++) {
        fields[${COUNTS} + index]++;
        barrier.wait(() => {
          fields[${LAST}]++;
          for (let member = 0; member < ${threads}; member++) if (fields[${COUNTS} + member] !== round) fields[${UNEVEN}]++;
        });
      }`);
    expect(await endings).toEqual(new Array<string>(threads).fill('done'));
    expect([fields[LAST], fields[UNEVEN]]).toEqual([rounds, 0]);
  });

  test('leave with an error when a member is gone, waiting or not', async () => {
    const { fields, endings } = start(threads, threads + 1, cores, 'barrier.wait();');
    await arrived(fields, threads);
    Atomics.store(fields, FIELD.poison, 1); // nobody is told: a waiter must look for itself
    expect(await endings).toEqual(new Array<string>(threads).fill('PoisonedError'));
  });
});

test('a member that arrives at a poisoned barrier leaves at once', async () => {
  const { fields, threads, endings } = start(1, 1, 2, 'await new Promise((resolve) => parentPort.once("message", resolve)); barrier.wait();');
  Atomics.store(fields, FIELD.poison, 1);
  threads[0]!.postMessage('go');
  expect(await endings).toEqual(['PoisonedError']);
});

test('a waiter sleeps after a short spin', async () => {
  const { fields } = start(1, 2, 2, 'barrier.wait();');
  await arrived(fields, 1);
  const waitMs = 400;
  const begin = process.cpuUsage();
  Atomics.wait(fields, FIELD.poison, 0, waitMs); // this thread sleeps too, so that the process uses what the waiter uses
  const { user, system } = process.cpuUsage(begin);
  expect((user + system) / 1_000).toBeLessThan(waitMs / 2);
});
