import { setTimeout as pass } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { stateAlone } from './long-training.js';
import { linkOf, start, startAt, type Place } from './programs.js';

const QUICK_COORDINATOR = fileURLToPath(new URL('./quick-coordinator.js', import.meta.url));
/** The script instead of the command line. */
const quickly: Place = (command, [, ...args]) => ({ command, args: [QUICK_COORDINATOR, ...args] });
const SILENCE_MS = 1_000;
const STEPS_PER_EPOCH = 13;

function countIn(line: string): number {
  return Number(/^epoch (\d+)$/.exec(line)![1]);
}

test('a coordinator that stands still for three deadlines loses no node and changes no bit', async () => {
  const coordinator = startAt(quickly, '2');
  const link = await linkOf(coordinator);
  const nodes = [1, 2].map(() => start('join', link, '--workers', '1', '--once'));
  await coordinator.said(/^epoch 1$/);
  coordinator.child.kill('SIGSTOP');
  await pass(3 * SILENCE_MS); // real processes keep real time
  coordinator.child.kill('SIGCONT');
  const { status, last } = await coordinator.ended;
  expect(status).toBe(0);
  expect(last).toEqual({ stateSha256: await stateAlone(), nodes: 2 });
  for (const node of nodes) {
    expect((await node.ended).status).toBe(0);
    await expect(node.said(/dialling again/)).rejects.toThrow(/taking part/);
  }
});

test('a node that stands still for more than five updates is told so when it reads on, and changes no bit', async () => {
  const coordinator = startAt(quickly, '1');
  const link = await linkOf(coordinator);
  const [other, frozen] = [1, 2].map(() => start('join', link, '--workers', '1', '--once'));
  await Promise.all([other!.said(/taking part/), frozen!.said(/taking part/)]);
  const reached = countIn(await coordinator.said(/^epoch/));
  frozen!.child.kill('SIGSTOP');
  // One epoch may be under way already.
  await coordinator.said(/^epoch/, reached + 2 + Math.ceil(5 / STEPS_PER_EPOCH));
  frozen!.child.kill('SIGCONT');
  await frozen!.said(/dialling again|the run has come to its end/);
  const { status, last } = await coordinator.ended;
  expect(status).toBe(0);
  expect(last).toEqual({ stateSha256: await stateAlone(), nodes: 2 });
});
