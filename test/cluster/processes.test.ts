import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

// A coordinator and nodes as real processes on loopback; the data are arrays of an experiment file, so that nodes must fetch them.

const BIN = fileURLToPath(new URL('../../scripts/tensorflock.js', import.meta.url));
const EXPERIMENT = fileURLToPath(new URL('./experiment.js', import.meta.url));
const OPTIONS = ['--epochs', '60', '--seed', '5', '--batch-size', '512'];

const processes: ChildProcess[] = [];
let cache = '';
beforeAll(() => { cache = mkdtempSync(join(tmpdir(), 'tensorflock-cluster-')); });
afterAll(() => { rmSync(cache, { recursive: true, force: true }); });
afterEach(() => { for (const child of processes.splice(0)) child.kill('SIGKILL'); });

interface Program {
  readonly child: ChildProcess;
  /** Lines of standard error so far and to come. */
  readonly said: (pattern: RegExp) => Promise<string>;
  /** Exit status and the last line of standard output. */
  readonly ended: Promise<{ readonly status: number | null; readonly last: Record<string, unknown> }>;
}

function start(...args: string[]): Program {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TENSORFLOCK_DATA: cache } });
  processes.push(child);
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    for (const listener of listeners) listener();
  });
  let last = '{}';
  createInterface({ input: child.stdout }).on('line', (line) => { last = line; });
  const exited = new Promise<number | null>((resolve) => { child.on('close', resolve); });
  const said = (pattern: RegExp): Promise<string> => new Promise((resolve, reject) => {
    const look = (): void => {
      const found = lines.find((line) => pattern.test(line));
      if (found === undefined) return;
      listeners.delete(look);
      resolve(found);
    };
    listeners.add(look);
    look();
    void exited.then(() => { reject(new Error(`it ended before it said ${String(pattern)}; it said: ${lines.join(' | ')}`)); });
  });
  return { child, said, ended: exited.then((status) => ({ status, last: JSON.parse(last) as Record<string, unknown> })) };
}

async function serve(...more: string[]): Promise<{ readonly coordinator: Program; readonly link: string }> {
  const coordinator = start('train', EXPERIMENT, '--json', ...OPTIONS, '--serve', '127.0.0.1:0', ...more);
  const line = await coordinator.said(/tensorflock join '/);
  return { coordinator, link: /'(.*)'/.exec(line)![1]! };
}

describe('nodes as processes change no bit', () => {
  const alone = start('train', EXPERIMENT, '--json', ...OPTIONS, '--workers', '2').ended;

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

  test('a coordinator that computes nothing waits for a node', async () => {
    const { coordinator, link } = await serve('--workers', '0');
    start('join', link, '--workers', '1', '--once');
    const { status, last } = await coordinator.ended;
    expect(status).toBe(0);
    expect(last['stateSha256']).toBe((await alone).last['stateSha256']);
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
