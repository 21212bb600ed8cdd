import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { cache, EXPERIMENT, linkOf, start, startAt, type Program } from './programs.js';

// A coordinator and nodes as real processes on loopback; the data are arrays of an experiment file, so that nodes must fetch them.

const OPTIONS = ['--epochs', '60', '--seed', '5', '--batch-size', '512'];

const LYING_NODE = fileURLToPath(new URL('./lying-node.js', import.meta.url));

async function serve(...more: string[]): Promise<{ readonly coordinator: Program; readonly link: string }> {
  const coordinator = start('train', EXPERIMENT, '--json', ...OPTIONS, '--serve', '127.0.0.1:0', ...more);
  return { coordinator, link: await linkOf(coordinator) };
}

describe('nodes as processes change no bit', () => {
  const alone = start('train', EXPERIMENT, '--json', ...OPTIONS, '--workers', '2').ended;

  test('one that keeps no data, of a coordinator that computes nothing and waits for it', async () => {
    const { coordinator, link } = await serve('--workers', '0');
    const node = start('join', link, '--workers', '1', '--data', 'rows', '--once');
    const { status, last } = await coordinator.ended;
    expect(status).toBe(0);
    expect(last['stateSha256']).toBe((await alone).last['stateSha256']);
    expect((await node.ended).status).toBe(0);
    expect(existsSync(join(cache, 'columns'))).toBe(false); // nobody else has joined yet
  });

  test.each([[1, 1], [2, 1], [3, 2]])('%i nodes of %i workers', async (count, workers) => {
    const { coordinator, link } = await serve('--workers', '1');
    const nodes = Array.from({ length: count }, () => start('join', link, '--workers', String(workers), '--once'));
    await Promise.all(nodes.map((node) => node.said(/taking part/)));
    const { status, last } = await coordinator.ended;
    expect(status).toBe(0);
    expect(last).toMatchObject({ weightsSha256: (await alone).last['weightsSha256'], stateSha256: (await alone).last['stateSha256'], exact: true, nodes: count });
    for (const node of nodes) expect((await node.ended).status).toBe(0);
  });

  test('one that is killed, and one that is stopped for longer than its deadline', async () => {
    const { coordinator, link } = await serve('--workers', '1');
    const [killed, frozen] = [start('join', link, '--workers', '1'), start('join', link, '--workers', '1')];
    await Promise.all([killed.said(/taking part/), frozen.said(/taking part/)]);
    killed.child.kill('SIGKILL');
    frozen.child.kill('SIGSTOP');
    const { status, last } = await coordinator.ended;
    frozen.child.kill('SIGCONT');
    expect(status).toBe(0);
    expect(last['stateSha256']).toBe((await alone).last['stateSha256']);
  });

  test('one that lies by a bit is found by audits and expelled, and what it gave is computed again', async () => {
    // The run begins with the liar, and goes on without it when another has come.
    const { coordinator, link } = await serve('--workers', '1', '--audit', '0.1', '--quorum', '1');
    const liar = startAt((command, [, ...args]) => ({ command, args: [LYING_NODE, ...args] }), 'join', link, '--workers', '1');
    await liar.said(/taking part/);
    start('join', link, '--workers', '1', '--once');
    await coordinator.said(/^node 1 gave wrong bytes for shards \d+ to \d+ of step \d+ and is expelled$/);
    await coordinator.said(/^different bytes for shards \d+ to \d+ of step \d+: node 1 [0-9a-f]{12}, this machine [0-9a-f]{12}$/);
    expect((await liar.ended).status).toBe(1);
    const { status, last } = await coordinator.ended;
    expect(status).toBe(0);
    expect(last['stateSha256']).toBe((await alone).last['stateSha256']);
  });
});

describe('a codec makes the result depend on who computed what, and as good', () => {
  const SHORT = ['--epochs', '10'];
  const alone = start('train', EXPERIMENT, '--json', ...OPTIONS, ...SHORT, '--workers', '1').ended;
  const expectGood = async (coordinator: Program, nodes: number): Promise<void> => {
    const { status, last } = await coordinator.ended;
    expect(status).toBe(0);
    expect(last).toMatchObject({ exact: false, nodes });
    expect(last['weightsSha256']).not.toBe((await alone).last['weightsSha256']);
    expect(last['testAccuracy']).toBeGreaterThan(Number((await alone).last['testAccuracy']) - 0.05);
  };

  test.each(['float16', 'toNode=float32,toCoordinator=bfloat16', 'int8'])('%s', async (codec) => {
    const { coordinator, link } = await serve(...SHORT, '--workers', '1', '--quorum', '1', '--codec', codec);
    start('join', link, '--workers', '1', '--once');
    await expectGood(coordinator, 1);
  });

  test('topk, and one of two nodes that is killed, in whose place another comes', async () => {
    const { coordinator, link } = await serve(...SHORT, '--workers', '0', '--quorum', '2', '--codec', 'topk', '--optimizer', 'momentum', '--learning-rate', '0.05');
    const [killed, other] = [start('join', link, '--workers', '1'), start('join', link, '--workers', '1', '--once')];
    await Promise.all([0, 1].map((number) => coordinator.said(new RegExp(`node ${number} .* takes part`))));
    killed.child.kill('SIGKILL');
    await coordinator.said(/ is gone/);
    start('join', link, '--workers', '1', '--once'); // below its quorum the run waits for it
    await expectGood(coordinator, 2);
    expect((await other.ended).status).toBe(0);
  });
});

test('a key in a file opens the door to a link without a key, and no other file does', async () => {
  const [ours, other] = ['ours', 'other'].map((name) => join(cache, `${name}.key`));
  writeFileSync(ours!, `${'A'.repeat(22)}\n`);
  writeFileSync(other!, `${'E'.repeat(21)}A\n`);
  const { coordinator, link } = await serve('--workers', '0', '--key-file', ours!);
  expect(link.endsWith(`#k=${'A'.repeat(22)}`)).toBe(true);
  const bare = link.slice(0, link.indexOf('#'));
  const stranger = start('join', bare, '--key-file', other!, '--once');
  await stranger.said(/did not prove/);
  expect((await stranger.ended).status).toBe(2);
  start('join', bare, '--key-file', ours!, '--workers', '1', '--once');
  expect((await coordinator.ended).status).toBe(0);
});

test('a wrong key is refused in a sentence', async () => {
  const { link } = await serve('--workers', '1');
  const node = start('join', `${link.slice(0, -22)}AAAAAAAAAAAAAAAAAAAAAA`, '--once');
  await node.said(/did not prove/);
  expect((await node.ended).status).toBe(2);
});
