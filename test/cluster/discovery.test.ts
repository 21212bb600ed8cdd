import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, test } from 'vitest';

const ANNOUNCER = fileURLToPath(new URL('announcer.js', import.meta.url));
const BIN = fileURLToPath(new URL('../../scripts/tensorflock.js', import.meta.url));
const EXPERIMENT = fileURLToPath(new URL('./experiment.js', import.meta.url));
const KEY = 'A'.repeat(22);
const [HERE, THERE] = [`tfl-a-${process.pid}`, `tfl-b-${process.pid}`];

const ip = (...args: string[]): void => { execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] }); };

/** Two machines and a cable, or why there are none. */
function openLan(): string | undefined {
  try {
    ip('netns', 'add', HERE);
    ip('netns', 'add', THERE);
    ip('-n', HERE, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', THERE);
    for (const [name, address] of [[HERE, '10.99.0.1/24'], [THERE, '10.99.0.2/24']] as const) {
      ip('-n', name, 'addr', 'add', address, 'dev', 'eth0');
      ip('-n', name, 'link', 'set', 'eth0', 'up');
      ip('-n', name, 'route', 'add', '224.0.0.0/4', 'dev', 'eth0');
    }
    return undefined;
  } catch (error) {
    return String(error).split('\n')[0];
  }
}

function closeLan(): void {
  for (const name of [HERE, THERE]) {
    try {
      ip('netns', 'del', name);
    } catch {
      // It was not made.
    }
  }
}

const missing = openLan();
if (missing !== undefined) process.stdout.write(`Skipped: mDNS is not tried, because network namespaces cannot be made here: ${missing}\n`);
const cache = mkdtempSync(join(tmpdir(), 'tensorflock-lan-'));
const processes: ChildProcess[] = [];
afterAll(() => {
  for (const child of processes) child.kill('SIGKILL');
  closeLan();
  rmSync(cache, { recursive: true, force: true });
});

function run(name: string, command: string): ChildProcess {
  return spawn('ip', ['netns', 'exec', name, process.execPath, ANNOUNCER, command], { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** The command on a machine of the LAN, and everything that it says. */
function tensorflock(name: string, environment: NodeJS.ProcessEnv, ...args: string[]): { readonly said: (pattern: RegExp) => Promise<string>; readonly status: Promise<number | null> } {
  const child = spawn('ip', ['netns', 'exec', name, process.execPath, BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TENSORFLOCK_DATA: cache, ...environment } });
  processes.push(child);
  const lines: string[] = [];
  let look = (): void => {};
  for (const input of [child.stdout, child.stderr]) createInterface({ input }).on('line', (line) => { lines.push(line); look(); });
  const status = new Promise<number | null>((resolve) => { child.on('close', resolve); });
  const said = (pattern: RegExp): Promise<string> => new Promise((resolve, reject) => {
    look = () => {
      const found = lines.find((line) => pattern.test(line));
      if (found !== undefined) resolve(found);
    };
    look();
    void status.then(() => { reject(new Error(`it never said ${String(pattern)}, but: ${lines.join(' | ')}`)); });
  });
  return { said, status };
}

async function printed(process: ChildProcess): Promise<string> {
  const [chunk] = await once(process.stdout!, 'data') as [Buffer];
  return chunk.toString();
}

test.skipIf(missing !== undefined)('a coordinator that is announced is found from another machine, without its key, and not once it has stopped', async () => {
  const announcing = run(HERE, 'announce');
  expect(await printed(announcing)).toBe('announced\n');
  expect(JSON.parse(await printed(run(THERE, 'browse')))).toEqual([{ name: 'tensorflock test', links: [`https://10.99.0.1:8080/#fp=${'8PDw'.repeat(10)}8PA`], insecure: false }]);
  announcing.stdin!.end();
  await once(announcing, 'exit');
  expect(JSON.parse(await printed(run(THERE, 'browse')))).toEqual([]);
});

test.skipIf(missing !== undefined)('join without a link finds the coordinator that is announced, and with its key joins it', async () => {
  const serving = ['train', EXPERIMENT, '--json', '--epochs', '2', '--workers', '0', '--serve'];
  const coordinator = tensorflock(HERE, { TENSORFLOCK_KEY: KEY }, ...serving, '0.0.0.0:8080', '--announce');
  await coordinator.said(/^announced on this network as "/);
  const stranger = tensorflock(THERE, {}, 'join');
  const link = (await stranger.said(/^ {4}https:\/\/10\.99\.0\.1:8080\/#fp=[\w-]{43}$/)).trim();
  await stranger.said(/^A key is never announced\. To join one, take the link that it printed, or add its key: tensorflock join <link> --key-file <path>, or TENSORFLOCK_KEY\.$/);
  expect(await stranger.status).toBe(0);
  expect(await coordinator.said(/tensorflock join 'https:\/\/10\.99\.0\.1/)).toContain(link.split('#')[1]);
  const node = tensorflock(THERE, { TENSORFLOCK_KEY: KEY }, 'join', '--workers', '1', '--once');
  expect(await node.status).toBe(0);
  expect(await coordinator.status).toBe(0);
}, 60_000);
