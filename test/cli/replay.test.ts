import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { formatRecord, type EventRecord } from '../../cluster/rounds/events.js';
import type { Context } from '../../scripts/cli/context.js';
import { main } from '../../scripts/cli/main.js';
import { simulate } from '../pure/rounds-simulator.js';

const folder = mkdtempSync(join(tmpdir(), 'tensorflock-replay-'));
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

const liar = { kind: 'node', speed: 50_000, latencyMs: 1, faults: [{ kind: 'lie', fromStep: 10, probability: 1 }] } as const;
const { records: simulated } = simulate({ seed: 1, steps: 60, examples: 200, shardExamples: 16, nodes: [{ kind: 'local', speed: 20_000, latencyMs: 0 }, liar, { kind: 'node', speed: 20_000, latencyMs: 1 }], auditProbability: 0.05 });
const records: readonly EventRecord[] = [...simulated, { event: 'alone', atMs: 9_000, firstStep: 60, version: 60, steps: 40 }, { event: 'end', atMs: 9_500, outcome: 'finished', version: 100 }];

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

async function replay(text: string, ...options: string[]): Promise<Ran> {
  const [out, err]: [string[], string[]] = [[], []];
  const log = join(folder, 'events.jsonl');
  writeFileSync(log, text);
  const status = await main(['replay', log, ...options], { stdout: { write: (part: string) => out.push(part) }, stderr: { write: (part: string) => err.push(part) } } as unknown as Context);
  return { status, out: out.join(''), err: err.join('') };
}

const textOf = (some: readonly EventRecord[]): string => some.map(formatRecord).join('');

test('says who computed what, who came and went, and what went wrong', async () => {
  const { status, out, err } = await replay(textOf(records));
  expect({ status, err }).toEqual({ status: 0, err: '' });
  expect(out).toMatch(/^events {5}[\d,]+, 2 starts, mode sync, finished at version 100$/m);
  expect(out).toMatch(/^updates {4}60 updates in rounds, 40 steps by this machine alone; oldest share 0 versions$/m);
  expect(out).toMatch(/^node {7}1 node 1: [\d,]+ assignments, shares: .*held.*, \d+\.\d % of the shards in rounds$/m);
  expect(out).toMatch(/^member .* 1 left \(expelled\)$/m);
  expect(out).toMatch(/^incident {3}differentBytes at step \d+, subtree \d+\/\d+: source 1 said .*, source \d said .*$/m);
  expect(out).toMatch(/^incident {3}source 1 was expelled for step \d+, subtree \d+\/\d+$/m);
  expect(out.trimEnd().split('\n').at(-1)).toBe('every shard counts exactly once, and no share was older than the mode allows');
});

test('with --json gives every update that counts in order, and the parts of all sources sum to all leaves', async () => {
  const { status, out } = await replay(textOf(records), '--json');
  expect(status).toBe(0);
  const lines = out.trimEnd().split('\n').map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  const made = lines.filter(({ event }) => event === 'update' || event === 'alone');
  expect(made.map(({ version }) => version)).toEqual(Array.from({ length: 61 }, (_, version) => version));
  const summary = lines.at(-1)!;
  expect(summary).toMatchObject({ event: 'summary', events: records.length, starts: 2, outcome: 'finished', rounds: 60, alone: 40, problems: 0 });
  const sources = summary['sources'] as readonly { readonly leaves: number; readonly source: number }[];
  expect(sources.reduce((sum, { leaves }) => sum + leaves, 0)).toBe(60 * Math.ceil(200 / 16));
});

test('a log that is broken off is told as it is, without an end', async () => {
  const text = textOf(records);
  const { status, out } = await replay(text.slice(0, text.length / 2));
  expect(status).toBe(0);
  expect(out).toMatch(/, without an end$/m);
});

test('what should not have happened is listed, and is status 1', async () => {
  const { status, out } = await replay(textOf(records.filter((record) => record.event !== 'update' || record.step !== 20)));
  expect(status).toBe(1);
  expect(out).toMatch(/^problem {4}the update of version 21 was made at version 20$/m);
  expect(out.trimEnd().split('\n').at(-1)).toMatch(/^\d+ problems? found$/);
});

test('a file that is no log is bad input', async () => {
  const { status, err } = await replay('hello\n');
  expect({ status, err }).toEqual({ status: 2, err: `${join(folder, 'events.jsonl')}: line 1 is not an event of tensorflock; give the log as it was written.\n` });
});

test('a folder in the place of a log is refused in a sentence', async () => {
  const err: string[] = [];
  const status = await main(['replay', folder], { stderr: { write: (part: string) => err.push(part) } } as unknown as Context);
  expect({ status, err: err.join('') }).toEqual({ status: 2, err: `the event log ${folder} is a folder; name a file that train --event-log wrote.\n` });
});
