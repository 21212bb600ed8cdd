import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { Lan } from '../../scripts/lan/lan.js';
import { GIGABIT, WIFI, type LinkProfile } from '../../scripts/lan/profile.js';
import { at, useLan } from './box.js';
import { EXPERIMENT, linkOf, start, startAt, type Program } from './programs.js';

// Coordinator and nodes on machines of their own, with a real network between them: namespaces, under TLS with a pinned certificate.

/** By Wi-Fi the nodes have to do everything: a coordinator that computes itself soon finds them too far away for so little work. */
const CASES: readonly { readonly profile: LinkProfile; readonly epochs: string; readonly workers: string }[] = [
  { profile: GIGABIT, epochs: '20', workers: '1' },
  { profile: WIFI, epochs: '2', workers: '0' },
];
const optionsOf = (epochs: string): string[] => [EXPERIMENT, '--json', '--epochs', epochs, '--seed', '5', '--batch-size', '512'];

/** The result of one worker alone. */
async function alone(epochs: string): Promise<Record<string, unknown>> {
  const { weightsSha256, stateSha256 } = (await start('train', ...optionsOf(epochs), '--workers', '1').ended).last;
  return { weightsSha256, stateSha256 };
}

async function serve(lan: Lan, epochs: string, ...more: string[]): Promise<{ readonly coordinator: Program; readonly link: string }> {
  const coordinator = startAt(at(lan, lan.machines[0]!), 'train', ...optionsOf(epochs), '--serve', '0.0.0.0:8080', ...more);
  return { coordinator, link: await linkOf(coordinator) };
}

describe.each(CASES)('over $profile.name', async ({ profile, epochs, workers }) => {
  const { lan, missing } = await useLan(profile, 3);

  test.skipIf(missing !== undefined)('two nodes that open the printed link change no bit', async () => {
    const { coordinator, link } = await serve(lan!, epochs, '--workers', workers, '--quorum', '2');
    expect(link).toMatch(/^https:\/\/10\.99\.0\.1:8080\/#k=[\w-]{22}&fp=[\w-]{43}$/);
    const nodes = lan!.machines.slice(1).map((machine) => startAt(at(lan!, machine), 'join', link, '--workers', '1', '--once'));
    const { status, last } = await coordinator.ended;
    expect(status).toBe(0);
    expect(last).toMatchObject({ ...(await alone(epochs)), exact: true, nodes: 2 });
    for (const node of nodes) expect((await node.ended).status).toBe(0);
  });
});

describe('a partition', async () => {
  const { lan, missing } = await useLan(GIGABIT, 2);

  test.skipIf(missing !== undefined)('that heals: the node is lost, comes back by itself, and no bit changes', async () => {
    const { coordinator, link } = await serve(lan!, '20', '--workers', '0');
    const machine = lan!.machines[1]!;
    const node = startAt(at(lan!, machine), 'join', link, '--workers', '1', '--once');
    await node.said(/taking part/);
    lan!.cut(machine);
    // Without workers of its own the coordinator has to wait for the node to come back.
    await coordinator.said(/node 0 is gone/);
    lan!.heal(machine);
    await node.said(/taking part/, 1);
    const { status, last } = await coordinator.ended;
    expect(status).toBe(0);
    expect(last).toMatchObject({ ...(await alone('20')), exact: true });
    expect((await node.ended).status).toBe(0);
  });

  test.skipIf(missing !== undefined)('a box is gone with the process that made it, even if that is killed', async () => {
    const script = `const { openLan } = await import(${JSON.stringify(new URL('../../scripts/lan/lan.js', import.meta.url).href)});
      const { lan } = await openLan(${JSON.stringify(GIGABIT)}, 1);
      process.stdout.write(lan.machines[0].namespace);
      setInterval(() => {}, 1000);`;
    const maker = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [namespace] = await once(maker.stdout, 'data') as [Buffer];
    const isThere = (): boolean => execFileSync('ip', ['netns', 'list'], { stdio: ['ignore', 'pipe', 'ignore'] }).includes(namespace);
    expect(isThere()).toBe(true);
    maker.kill('SIGKILL');
    while (isThere()) await new Promise(setImmediate);
  });
});
