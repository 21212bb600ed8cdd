import { existsSync, readdirSync, readFileSync, statSync, watch } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { parseRecords } from '../../cluster/rounds/events.js';
import { cache, EXPERIMENT, linkOf, start, type Program } from './programs.js';

// A coordinator that is killed and started again on the same port; its nodes come back by themselves.

const OPTIONS = ['--epochs', '12', '--seed', '5', '--batch-size', '512'];
const STEPS_PER_EPOCH = 12;
/** Far enough into the run that there are checkpoints, and nodes have computed. */
const FROM_STEP = 30;

const alone = start('train', EXPERIMENT, '--json', ...OPTIONS, '--workers', '2').ended;

/** The step of the folder's checkpoint. */
function keptStep(folder: string): number {
  return (JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8')) as { readonly step: number }).step;
}

/** Resolves when something happened to a name of the folder, which need not exist yet, that `is` what is waited for. */
async function happens(folder: string, is: (name: string) => boolean): Promise<void> {
  const parent = existsSync(folder) ? folder : cache;
  await new Promise<void>((resolve) => {
    const watcher = watch(parent, (_event, name) => {
      if (parent === cache && name !== folder.slice(cache.length + 1)) return;
      if (parent === folder && !is(name!)) return;
      watcher.close();
      resolve();
    });
  });
  if (parent === cache) await happens(folder, is);
}

async function epochEnds(coordinator: Program, epoch: number): Promise<void> {
  for await (const line of createInterface({ input: coordinator.child.stdout! })) {
    const { event, epoch: ended } = JSON.parse(line) as { readonly event: string; readonly epoch?: number };
    if (event === 'epoch' && ended! >= epoch) return;
  }
}

const serve = (folder: string): Program => start('train', EXPERIMENT, '--json', ...OPTIONS, '--workers', '1', '--quorum', '2', '--out', folder, '--checkpoint-every', '5', '--serve', '127.0.0.1:0');

test.each<[string, (coordinator: Program, folder: string) => Promise<void>]>([
  ['in the middle of an epoch', (_, folder) => happens(folder, (name) => name === 'run.json' && keptStep(folder) >= FROM_STEP && keptStep(folder) % STEPS_PER_EPOCH !== 0)],
  ['while a checkpoint is being written', (_, folder) => happens(folder, (name) => Number(/^step-(\d+)$/.exec(name)?.[1] ?? 0) >= FROM_STEP)],
  ['between two epochs', (coordinator) => epochEnds(coordinator, 3)],
])('killed %s and started again, it takes its nodes back and ends at the same bytes', async (when, moment) => {
  const folder = join(cache, when.replaceAll(' ', '-'));
  const first = serve(folder);
  const link = await linkOf(first);
  const due = moment(first, folder);
  const nodes = [1, 2].map(() => start('join', link, '--workers', '1', '--once'));
  await due;
  first.child.kill('SIGKILL');
  await first.ended;
  expect(keptStep(folder)).toBeGreaterThan(0);

  const second = start('train', '--resume', folder, '--json', '--workers', '1', '--quorum', '2', '--serve');
  expect(await linkOf(second)).toBe(link);
  const { status, last } = await second.ended;
  expect(status).toBe(0);
  expect(last).toMatchObject({ weightsSha256: (await alone).last['weightsSha256'], stateSha256: (await alone).last['stateSha256'], exact: true, nodes: 2, steps: 12 * STEPS_PER_EPOCH });
  for (const node of nodes) {
    expect((await node.ended).status).toBe(0);
    await node.said(/taking part/, 1);
  }
  const { generation, members } = JSON.parse(readFileSync(join(folder, 'cluster.json'), 'utf8')) as { readonly generation: number; readonly members: readonly { readonly identity: string; readonly number: number }[] };
  expect(generation).toBe(2);
  expect(members.map(({ number }) => number)).toEqual([0, 1, 2]);
  const named = parseRecords(readFileSync(join(folder, 'events.jsonl'), 'utf8'), 'the log').flatMap((record) => (record.event === 'member' ? [`${String(record.member)} ${record.identity}`] : []));
  expect(new Set(named)).toEqual(new Set(members.map(({ number, identity }) => `${String(number)} ${identity}`)));
  expect(statSync(join(folder, 'cluster.json')).mode & 0o777).toBe(0o600);
});

test('killed before its first checkpoint it says that it has to be started anew, which it can be in the same folder', async () => {
  const folder = join(cache, 'too-early');
  const first = start('train', EXPERIMENT, '--json', ...OPTIONS, '--workers', '0', '--out', folder, '--serve', '127.0.0.1:0');
  await happens(folder, (name) => name === 'cluster.json');
  first.child.kill('SIGKILL');
  await first.ended;
  const second = start('train', '--resume', folder, '--serve');
  await second.said(/holds no checkpoint .* start a run anew that ended before its first checkpoint/);
  expect((await second.ended).status).toBe(2);
  const third = start('train', EXPERIMENT, '--json', '--epochs', '1', '--out', folder, '--overwrite', '--workers', '1');
  expect((await third.ended).status).toBe(0);
  expect(readdirSync(folder)).not.toContain('cluster.json');
});
