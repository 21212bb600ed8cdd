import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { main } from '../../scripts/cli/main.js';
import type { Context } from '../../scripts/cli/context.js';
import { parseRecords, type EventRecord } from '../../cluster/rounds/events.js';
import { cache, EXPERIMENT, linkOf, start, type Program } from './programs.js';

const serve = (...more: string[]): Program => start('train', EXPERIMENT, '--json', '--batch-size', '512', '--seed', '5', '--serve', '127.0.0.1:0', ...more);
const LONG = ['--epochs', '100000'];

interface Replayed {
  readonly status: number;
  readonly lines: readonly Readonly<Record<string, unknown>>[];
}

async function replayed(log: string): Promise<Replayed> {
  const out: string[] = [];
  const stdout = { write: (text: string) => out.push(text) };
  const status = await main(['replay', log, '--json'], { stdout, stderr: stdout } as unknown as Context);
  return { status, lines: out.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

const recordsIn = (log: string): EventRecord[] => parseRecords(readFileSync(log, 'utf8'), log);

describe('SIGTERM', () => {
  test('lets a coordinator finish its step, keep it, and tell its nodes, which come back; resumed, killed and resumed again, the log is whole', async () => {
    const folder = join(cache, 'drained');
    const coordinator = serve(...LONG, '--workers', '1', '--quorum', '1', '--out', folder);
    const [leaving, staying] = [start('join', await linkOf(coordinator), '--workers', '1'), start('join', await linkOf(coordinator), '--workers', '1', '--once')];
    await Promise.all([leaving.said(/taking part/), staying.said(/taking part/)]);
    await coordinator.said(/node \d \(.*takes part/, 1);

    leaving.child.kill('SIGTERM');
    expect((await leaving.ended).status).toBe(0);
    await leaving.said(/^left the run\.$/);
    await coordinator.said(/is gone: it left \(stopped\)/);

    coordinator.child.kill('SIGTERM');
    expect((await coordinator.ended).status).toBe(143);
    await coordinator.said(/^interrupted; go on with: .*train --resume/);
    await staying.said(/the run was stopped before its end/);

    const log = join(folder, 'events.jsonl');
    const stopped = recordsIn(log);
    expect(stopped.at(-1)).toMatchObject({ event: 'end', outcome: 'stopped' });
    expect(stopped.filter((record) => record.event === 'member' && record.kind === 'node' && record.state === 'ready')).toHaveLength(2);
    expect(stopped.filter((record) => record.event === 'member' && record.departure === 'goodbye')).toHaveLength(1);
    const [first] = stopped;

    const resume = async (signal: 'SIGKILL' | 'SIGTERM', quorum: number): Promise<number | null> => {
      const again = start('train', '--resume', folder, '--serve', '--json', '--workers', '1', '--quorum', String(quorum));
      await again.printed(1);
      again.child.kill(signal);
      return (await again.ended).status;
    };
    expect(await resume('SIGKILL', 1)).toBe(null); // the node that stayed is back, though it serves one run alone
    expect(await resume('SIGTERM', 0)).toBe(143);
    expect(recordsIn(log)[0]).toEqual(first);
    const { status, lines } = await replayed(log);
    expect(lines.filter(({ event }) => event === 'problem')).toEqual([]);
    expect(status).toBe(0);
    expect(lines.at(-1)).toMatchObject({ event: 'summary', starts: 3, outcome: 'stopped', problems: 0 });
    const versions = lines.flatMap(({ event, version, steps = 1 }) => (event === 'update' || event === 'alone' ? Array.from({ length: steps as number }, (_, index) => (version as number) + index) : []));
    expect(versions).toEqual(versions.map((_, version) => version));
  });

  test('ends a coordinator that waits for nodes, and a node that waits for a coordinator', async () => {
    const coordinator = serve('--workers', '0');
    const link = await linkOf(coordinator);
    const node = start('join', link, '--workers', '1');
    await node.said(/taking part/);
    node.child.kill('SIGKILL');
    await coordinator.said(/is gone/);
    const waiting = start('join', 'http://127.0.0.1:1/#k=AAAAAAAAAAAAAAAAAAAAAA', '--workers', '1');
    await waiting.said(/dialling again/);
    waiting.child.kill('SIGTERM');
    coordinator.child.kill('SIGTERM');
    expect((await waiting.ended).status).toBe(0);
    expect((await coordinator.ended).status).toBe(143);
    await coordinator.said(/^interrupted; nothing was kept/);
  });
});

test('a log and a metrics key may be named; another run does not write into the log', async () => {
  const log = join(cache, 'named.jsonl');
  const coordinator = serve(...LONG, '--workers', '1', '--event-log', log);
  const place = await coordinator.said(/^Prometheus reads/);
  expect(place).toMatch(/^Prometheus reads http:\/\/127\.0\.0\.1:\d+\/metrics with the header "Authorization: Bearer [\w-]{22}"/);
  const [, url, authorization] = /reads (\S+) .*Authorization: (Bearer \S+)"/.exec(place)!;
  const metrics = await fetch(url!, { headers: { authorization: authorization! } });
  expect(await metrics.text()).toContain('tensorflock_examples_total');
  await coordinator.printed(1);
  coordinator.child.kill('SIGTERM');
  expect((await coordinator.ended).status).toBe(143);
  const { status, lines } = await replayed(log);
  expect([status, lines.at(-1)]).toEqual([0, expect.objectContaining({ rounds: 0, outcome: 'stopped' })]);
  const other = serve('--epochs', '1', '--workers', '1', '--event-log', log);
  await other.said(/holds the events of another run/);
  expect((await other.ended).status).toBe(2);
});

test('of mode local, a run that was resumed is told from its begin', async () => {
  const folder = join(cache, 'local');
  expect((await serve('--epochs', '2', '--mode', 'local', '--period', '3', '--workers', '1', '--out', folder).ended).status).toBe(0);
  expect((await start('train', '--resume', folder, '--epochs', '4', '--serve', '--json', '--workers', '1').ended).status).toBe(0);
  const { status, lines } = await replayed(join(folder, 'events.jsonl'));
  expect([status, lines.at(-1)]).toEqual([0, expect.objectContaining({ starts: 2, outcome: 'finished', problems: 0 })]);
  // 6,000 examples are 12 steps an epoch, which are 4 periods.
  expect(lines.flatMap(({ event, version }) => (event === 'period' ? [version] : []))).toEqual(Array.from({ length: 4 * 4 }, (_, index) => index * 3));
});
