import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cache, EXPERIMENT, linkOf, start } from './programs.js';

// The modes that are not exact, as real processes: a node is killed, the coordinator is stopped and goes on with the other node.

const OPTIONS = ['--seed', '5', '--batch-size', '512', '--optimizer', 'adam', '--learning-rate', '0.003'];
const EPOCHS = 14;
const STEPS_PER_EPOCH = 12;


const alone = start('train', EXPERIMENT, '--json', ...OPTIONS, '--epochs', String(EPOCHS), '--workers', '1').ended;

// Points of accuracy that each may stay behind `sync` after as many examples: `async` goes at half the rate and less, because of the ages.
test.each<[string, number, ...string[]]>([
  ['stale', 0.05, '--staleness', '2'],
  ['local', 0.05, '--period', '3', '--outer-momentum', '0.3', '--outer-learning-rate', '0.8'],
  ['async', 0.2],
])('mode %s', async (mode, distance, ...more) => {
  const folder = join(cache, mode);
  const first = start('train', EXPERIMENT, '--json', ...OPTIONS, '--epochs', String(EPOCHS), '--workers', '1', '--mode', mode, ...more, '--quorum', '1', '--out', folder, '--checkpoint-every', '5', '--serve', '127.0.0.1:0');
  const link = await linkOf(first);
  const nodes = [1, 2].map(() => start('join', link, '--workers', '1'));
  await Promise.all(nodes.map((node) => node.said(/taking part/)));
  await first.printed(1);
  nodes[0]!.child.kill('SIGKILL');
  await first.printed(4);
  first.child.kill('SIGINT');
  expect((await first.ended).status).toBe(130);

  const second = start('train', '--resume', folder, '--json', '--workers', '1', '--quorum', '1', '--serve');
  const { status, last } = await second.ended;
  expect(status).toBe(0);
  expect(last).toMatchObject({ event: 'result', exact: false, steps: EPOCHS * STEPS_PER_EPOCH, nodes: 1 });
  expect(last['testAccuracy']).toBeGreaterThan(Number((await alone).last['testAccuracy']) - distance);
});
