import { describe, expect, test } from 'vitest';
import type { Clock } from '../../cluster/net/clock.js';
import type { Ending } from '../../cluster/net/ending.js';
import { delayMsAfter, isMendable, keepDialling } from '../../cluster/net/redial.js';
import { ClusterError, clusterError } from '../../cluster/protocol/errors.js';

/** Every wait is over at once, and the time is what it would have been. */
function eagerClock(): Clock & { readonly waited: number[] } {
  let nowMs = 0;
  const waited: number[] = [];
  return {
    waited,
    nowMs: () => nowMs,
    after: (delayMs, callback) => {
      nowMs += delayMs;
      waited.push(delayMs);
      queueMicrotask(callback);
      return () => {};
    },
    afterReading: queueMicrotask,
  };
}

const unreachable = clusterError('ERR_UNREACHABLE', { address: '10.0.0.1:80', problem: 'no program listens there' });
const LOST: Ending = { how: 'lost' };
const DONE: Ending = { how: 'done', outcome: 'finished' };

/** Connections that end one after the other like this; an error is one that did not come about, and so did not last. */
function script(...outcomes: (Ending | ClusterError)[]): (welcomed: () => void) => Promise<Ending> {
  return async (welcomed) => {
    const outcome = outcomes.shift()!;
    if (outcome instanceof ClusterError) throw outcome;
    welcomed();
    return outcome;
  };
}

test('waits are doubled up to half a minute, and their upper half is drawn', () => {
  const waits = (random: number): number[] => [1, 2, 3, 7, 8, 100].map((failures) => delayMsAfter(failures, () => random));
  expect(waits(0)).toEqual([250, 500, 1_000, 15_000, 15_000, 15_000]);
  expect(waits(0.5)).toEqual([375, 750, 1_500, 22_500, 22_500, 22_500]);
});

test('a coordinator that is away is dialled for ever', async () => {
  const clock = eagerClock();
  const outcomes = Array.from({ length: 1_000 }, () => unreachable);
  expect(await keepDialling(script(...outcomes, DONE), { clock, random: () => 1 })).toEqual(DONE);
  expect(clock.waited).toHaveLength(1_000);
  expect(clock.waited.slice(0, 8)).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});

test('a connection in between begins the waits anew', async () => {
  const clock = eagerClock();
  await keepDialling(script(unreachable, unreachable, LOST, unreachable, DONE), { clock, random: () => 1 });
  expect(clock.waited).toEqual([500, 1_000, 500, 1_000]);
});

test('when it is time to give up, the last error is what was wrong', async () => {
  const clock = eagerClock();
  const giving = keepDialling(script(unreachable, unreachable, unreachable, unreachable), { clock, random: () => 1, giveUpAfterMs: 3_500 });
  await expect(giving).rejects.toBe(unreachable);
  // 0.5 + 1 + 2 s fit into 3.5 s, a further wait of 4 s does not.
  expect(clock.waited).toEqual([500, 1_000, 2_000]);
});

test('the time to give up is counted from the last connection', async () => {
  const clock = eagerClock();
  const giving = keepDialling(script(unreachable, LOST, unreachable, DONE), { clock, random: () => 1, giveUpAfterMs: 1_600 });
  expect(await giving).toEqual(DONE);
});

test.each(['ERR_COORDINATOR_UNPROVED', 'ERR_CERTIFICATE', 'ERR_PROTOCOL_VERSION', 'ERR_EXPELLED', 'ERR_HOST'] as const)('%s is not mended by dialling again', async (code) => {
  const error = new ClusterError(code, 'No.');
  const clock = eagerClock();
  await expect(keepDialling(script(error), { clock, random: () => 0 })).rejects.toBe(error);
  expect(await keepDialling(script({ how: 'failed', by: 'them', error }), { clock, random: () => 0 })).toEqual({ how: 'failed', by: 'them', error });
  expect(clock.waited).toEqual([]);
});

test('a fault of this program is not hidden by dialling again', async () => {
  const fault = new TypeError('a fault');
  await expect(keepDialling(() => Promise.reject(fault), { clock: eagerClock(), random: () => 0 })).rejects.toBe(fault);
});

describe('an ending', () => {
  test.each<[boolean, Ending]>([
    [true, LOST],
    [true, { how: 'closed', by: 'them' }],
    [true, { how: 'failed', by: 'them', error: new ClusterError('ERR_SHUTTING_DOWN', 'Wait.') }],
    [true, { how: 'failed', by: 'us', error: new ClusterError('ERR_NODE_TIMEOUT', 'Silence.') }],
    [false, DONE],
    [false, { how: 'closed', by: 'us' }],
    [false, { how: 'failed', by: 'us', error: new TypeError('a fault') }],
  ])('%s to mend: %j', (mendable, ending) => {
    expect(isMendable(ending)).toBe(mendable);
  });
});

test('a signal ends the waiting', async () => {
  const controller = new AbortController();
  let cancelled = 0;
  const clock: Clock = { nowMs: () => 0, after: () => () => { cancelled += 1; }, afterReading: queueMicrotask };
  const staying = keepDialling(script(unreachable, DONE), { clock, random: () => 0, signal: controller.signal, waits: () => { queueMicrotask(() => { controller.abort(new Error('stop')); }); } });
  await expect(staying).rejects.toThrow('stop');
  expect(cancelled).toBe(1);
});
