import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { cache, EXPERIMENT, linkOf, start, startAt, type Program } from './programs.js';

// A coordinator, relays and the nodes below them as real processes on loopback.

const OPTIONS = ['--epochs', '40', '--seed', '5', '--batch-size', '512'];
const LYING_NODE = fileURLToPath(new URL('./lying-node.js', import.meta.url));

interface Served {
  readonly program: Program;
  readonly link: string;
}

async function coordinatorWith(...more: string[]): Promise<Served> {
  const program = start('train', EXPERIMENT, '--json', ...OPTIONS, '--serve', '127.0.0.1:0', ...more);
  return { program, link: await linkOf(program) };
}

async function relayAt(link: string, ...more: string[]): Promise<Served> {
  const program = start('join', link, '--serve', '127.0.0.1:0', '--once', ...more);
  return { program, link: await linkOf(program) };
}

const nodeAt = (link: string, ...more: string[]): Program => start('join', link, '--workers', '1', '--once', ...more);

describe('relays change no bit', () => {
  const alone = start('train', EXPERIMENT, '--json', ...OPTIONS, '--workers', '2').ended;

  async function expectSameBytes(coordinator: Served, nodes: number): Promise<void> {
    const { status, last } = await coordinator.program.ended;
    expect(status).toBe(0);
    expect(last).toMatchObject({ weightsSha256: (await alone).last['weightsSha256'], stateSha256: (await alone).last['stateSha256'], exact: true, nodes });
  }

  async function expectEnded(...programs: readonly Program[]): Promise<void> {
    for (const program of programs) expect((await program.ended).status).toBe(0);
  }

  /** A quorum of two waits for the relay and this node, so that the run does not begin before all are there. */
  async function begins({ program, link }: Served, number: number): Promise<Program> {
    const node = nodeAt(link);
    await program.said(new RegExp(`^node ${String(number)} .* takes part`));
    return node;
  }

  test('one that computes nothing itself, with two nodes below', async () => {
    const coordinator = await coordinatorWith('--workers', '0', '--quorum', '2');
    const relay = await relayAt(coordinator.link, '--workers', '0');
    const nodes = [nodeAt(relay.link), nodeAt(relay.link, '--data', 'rows')];
    await relay.program.said(/^taking part with 2 workers of 3 nodes$/);
    nodes.push(await begins(coordinator, 1));
    await expectSameBytes(coordinator, 4);
    await expectEnded(relay.program, ...nodes);
  });

  test('one that computes too, of a coordinator that does not', async () => {
    const coordinator = await coordinatorWith('--workers', '0');
    const relay = await relayAt(coordinator.link, '--workers', '1');
    const node = nodeAt(relay.link);
    await relay.program.said(/^taking part with 2 workers of 2 nodes$/);
    await expectSameBytes(coordinator, 2);
    await expectEnded(relay.program, node);
  });

  test('one below another, beside a node, with audits that find nothing', async () => {
    const coordinator = await coordinatorWith('--workers', '1', '--quorum', '2', '--audit', '0.2');
    const upper = await relayAt(coordinator.link, '--workers', '0');
    const lower = await relayAt(upper.link, '--workers', '0');
    const nodes = [nodeAt(lower.link), nodeAt(upper.link)];
    await upper.program.said(/^taking part with 2 workers of 4 nodes$/);
    nodes.push(await begins(coordinator, 2));
    await expectSameBytes(coordinator, 5);
    await expectEnded(upper.program, lower.program, ...nodes);
  });

  test('one that loses a node, is left by its last one and gets another', async () => {
    const coordinator = await coordinatorWith('--workers', '1', '--quorum', '2');
    const relay = await relayAt(coordinator.link, '--workers', '0');
    const [killed, last] = [nodeAt(relay.link), nodeAt(relay.link)];
    await relay.program.said(/^taking part with 2 workers of 3 nodes$/);
    const other = await begins(coordinator, 2);
    killed.child.kill('SIGKILL');
    await relay.program.said(/^taking part with 1 workers of 2 nodes$/, 1);
    last.child.kill('SIGTERM');
    await coordinator.program.said(/^node 1 is gone: This relay has no workers of its own and no node below it any more/);
    await expectEnded(last);
    const node = nodeAt(relay.link);
    await expectSameBytes(coordinator, 4);
    await relay.program.said(/^taking part with 1 workers of 2 nodes$/, 2);
    await expectEnded(relay.program, node, other);
  });

  test('one with a node that is frozen for longer than its deadline', async () => {
    const coordinator = await coordinatorWith('--workers', '0');
    const relay = await relayAt(coordinator.link, '--workers', '1');
    const node = nodeAt(relay.link);
    await relay.program.said(/^taking part with 2 workers of 2 nodes$/);
    node.child.kill('SIGSTOP');
    await expectSameBytes(coordinator, 2);
    node.child.kill('SIGCONT');
    await expectEnded(relay.program);
    // The coordinator has not waited so long for the relay that it gave it up.
    await expect(relay.program.said(/dialling again/)).rejects.toThrow('it ended before it said');
  });

  test('one that is killed; its nodes dial it in vain', async () => {
    const coordinator = await coordinatorWith('--workers', '1', '--quorum', '2');
    const relay = await relayAt(coordinator.link, '--workers', '0');
    const below = nodeAt(relay.link);
    await relay.program.said(/^taking part with 1 workers of 2 nodes$/);
    const nodes = [await begins(coordinator, 2)];
    relay.program.child.kill('SIGKILL');
    await below.said(/dialling again in/);
    nodes.push(nodeAt(coordinator.link));
    await expectSameBytes(coordinator, 3);
    await expectEnded(...nodes);
  });

  test('one that is told to end lets its shares be sent, and its nodes wait', async () => {
    const coordinator = await coordinatorWith('--workers', '1', '--quorum', '2');
    const relay = await relayAt(coordinator.link, '--workers', '1');
    const below = nodeAt(relay.link);
    await relay.program.said(/^taking part with 2 workers of 2 nodes$/);
    const nodes = [await begins(coordinator, 2)];
    relay.program.child.kill('SIGTERM');
    await relay.program.said(/^left the run\.$/);
    await expectEnded(relay.program);
    await below.said(/^The coordinator is being shut down and takes no new work; dialling again in/);
    await coordinator.program.said(/^node 1 is gone: it left \(stopped\)$/);
    nodes.push(nodeAt(coordinator.link));
    await expectSameBytes(coordinator, 3);
    await expectEnded(...nodes);
  });

  test('one with a node that lies answers for it, and is expelled; another goes on from before the lies', async () => {
    const coordinator = await coordinatorWith('--workers', '1', '--quorum', '2', '--audit', '0.1');
    const honest = await relayAt(coordinator.link, '--workers', '0');
    const node = nodeAt(honest.link);
    await honest.program.said(/^taking part with 1 workers of 2 nodes$/);
    const relay = await relayAt(coordinator.link, '--workers', '0');
    const liar = startAt((command, [, ...args]) => ({ command, args: [LYING_NODE, ...args] }), 'join', relay.link, '--workers', '1');
    await coordinator.program.said(/^node 2 gave wrong bytes for shards \d+ to \d+ of step \d+ and is expelled$/);
    expect((await relay.program.ended).status).toBe(1);
    await liar.said(/^The coordinator is being shut down .* dialling again/);
    nodeAt(coordinator.link); // the third of a quorum of two
    await expectSameBytes(coordinator, 4);
    await expectEnded(honest.program, node);
  });

  test('one whose coordinator is killed and started again keeps its nodes', async () => {
    const folder = mkdtempSync(join(cache, 'relayed-'));
    const first = await coordinatorWith('--workers', '1', '--quorum', '1', '--out', join(folder, 'run'), '--checkpoint-every', '5');
    const relay = await relayAt(first.link, '--workers', '0');
    const node = nodeAt(relay.link);
    await relay.program.said(/^taking part with 1 workers of 2 nodes$/);
    await first.program.printed(2);
    first.program.child.kill('SIGKILL');
    await first.program.ended;
    const second = start('train', '--resume', join(folder, 'run'), '--json', '--workers', '1', '--quorum', '1', '--serve');
    await expectSameBytes({ program: second, link: await linkOf(second) }, 2);
    await expectEnded(relay.program, node);
    await relay.program.said(/^taking part with 1 workers of 2 nodes$/, 1);
    await expect(node.said(/^joined the run/, 1)).rejects.toThrow('it ended before it said');
  });
});

test.each([
  [['--mode', 'stale'], /^The run at 127\.0\.0\.1:\d+ cannot be handed on: it has the mode stale, and a relay takes part in mode sync with codec float32 alone; join without --serve\.$/],
  [['--codec', 'float16'], /it has the codec float16/],
])('a run with %s is no run for a relay', async (options, sentence) => {
  const coordinator = await coordinatorWith('--workers', '0', ...options);
  const relay = await relayAt(coordinator.link, '--workers', '1');
  await relay.program.said(sentence);
  expect((await relay.program.ended).status).toBe(2);
});
