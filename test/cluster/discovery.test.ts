import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const ANNOUNCER = fileURLToPath(new URL('announcer.js', import.meta.url));
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
afterAll(closeLan);

function run(name: string, command: string): ChildProcess {
  return spawn('ip', ['netns', 'exec', name, process.execPath, ANNOUNCER, command], { stdio: ['pipe', 'pipe', 'inherit'] });
}

async function printed(process: ChildProcess): Promise<string> {
  const [chunk] = await once(process.stdout!, 'data') as [Buffer];
  return chunk.toString();
}

test.skipIf(missing !== undefined)('a coordinator that is announced is found from another machine, without its key, and not once it has stopped', async () => {
  const announcing = run(HERE, 'announce');
  expect(await printed(announcing)).toBe('announced\n');
  expect(JSON.parse(await printed(run(THERE, 'browse')))).toEqual([{ name: 'tensorflock test', links: ['https://10.99.0.1:8080/'] }]);
  announcing.stdin!.end();
  await once(announcing, 'exit');
  expect(JSON.parse(await printed(run(THERE, 'browse')))).toEqual([]);
});
