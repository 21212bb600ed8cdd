import { expect, onTestFinished, test, vi } from 'vitest';
import { Attendance } from '../../cluster/coordinator/attendance.js';
import { Register } from '../../cluster/coordinator/register.js';
import type { SentParameters } from '../../cluster/coordinator/sent-parameters.js';

/** Whose time goes by with the timers alone, which a test moves. */
function attendance(): Attendance {
  vi.useFakeTimers();
  onTestFinished(() => { vi.useRealTimers(); });
  return new Attendance({ sent: { parameters: {} as SentParameters, fates: undefined }, usesLocal: true, heartbeatMs: 1_000, silenceMs: 5_000, register: new Register(), now: () => Date.now() });
}

function timer(ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}

test('run time goes on while the workers train alone and nobody asks for it', async () => {
  const alone = attendance();
  const startMs = alone.nowMs();
  const training = alone.ticking(() => timer(10_000));
  await vi.advanceTimersByTimeAsync(10_000);
  await training;
  expect(alone.nowMs() - startMs).toBe(10_000);
});

test('run time of a process that stood still is one tick', () => {
  const stopped = attendance();
  const startMs = stopped.nowMs();
  vi.setSystemTime(Date.now() + 10_000);
  expect(stopped.nowMs() - startMs).toBe(250);
});
