import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { EventRecord } from '../../cluster/rounds/events.js';
import { RunMetrics } from '../../cluster/operations/run-metrics.js';
import type { Context } from '../../scripts/cli/context.js';
import { parseJoinOptions, parseTrainOptions } from '../../scripts/cli/options.js';
import { createProgram } from '../../scripts/cli/program.js';
import { codeBlocks, read, ROOT } from './documents.js';

const page = read('docs/operations.md');
const FOLDER = 'docs/operations';
const files = readdirSync(join(ROOT, FOLDER), { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(ROOT, FOLDER, name)).isFile());

test('every metric is in the table, and no other', async () => {
  const metrics = new RunMetrics({
    arithmetic: 'portable', status: () => undefined, missedEvents: () => 0,
    traffic: () => ({ receivedBytes: 0, sentBytes: 0, connections: 0, bufferedBytes: 0, longestSilenceMs: 0 }),
  });
  const real = [...(await metrics.text()).matchAll(/^# TYPE (tensorflock_\w+) (\w+)$/gm)].map(([, name, type]) => `${name!} ${type!}`);
  const rows = page.split('\n').filter((line) => line.startsWith('| `tensorflock_'));
  const documented = rows.flatMap((row) => {
    const [, names, type] = row.split('|').map((cell) => cell.trim());
    return [...names!.matchAll(/`(tensorflock_\w+)/g)].map(([, name]) => `${name!} ${type!}`);
  });
  expect(documented.sort()).toEqual(real.sort());
});

test('every event is in the table, and no other', () => {
  const events: Record<EventRecord['event'], true> = {
    start: true, member: true, round: true, assign: true, share: true, revoke: true, update: true, close: true, alone: true, deal: true, period: true, incident: true, expel: true, pause: true, resume: true, epoch: true, end: true, gap: true,
  };
  const [, table] = page.split('| `event` |');
  const documented = table!.split('\n\n')[0]!.split('\n').slice(2).flatMap((row) => [...row.split('|')[1]!.matchAll(/`(\w+)`/g)].map((match) => match[1]!));
  expect(documented.sort()).toEqual(Object.keys(events).sort());
});

test('the scrape config of the page is the file', () => {
  expect(codeBlocks(page, 'yaml').map(({ code }) => code)).toEqual([read(`${FOLDER}/prometheus.yml`)]);
});

test('every file beside the page is linked from it', () => {
  const unnamed = files.filter((name) => name !== 'prometheus.yml' && !page.includes(`](operations/${name})`) && !page.includes(`](operations/${name.split(/[\\/]/)[0]!})`));
  expect(unnamed).toEqual([]);
});

/** `tensorflock …` up to the end of the command, with its words as a shell or systemd would split them. */
function commandsIn(name: string): string[][] {
  const text = read(`${FOLDER}/${name}`).replace(/\\\n\s*/g, ' ').replace(/^\s*#.*$/gm, '');
  const lists = [...text.matchAll(/\[tensorflock, (.*)\]/g)].map(([, list]) => list!.split(', ').map((word) => word.replaceAll('"', '')));
  const lines = [...text.matchAll(/\btensorflock ((?:train|join)\b[^;\n']*)/g)].map(([, line]) => line!);
  return [...lists, ...lines.map((line) => line.replace(/ 2>>.*$/, '').trim().replace(/"?\$\(?[\w{}]+\)?"?/g, '8').split(/\s+/))];
}

const commands = files.flatMap((name) => commandsIn(name).map((words) => [name, words] as const)).filter(([, words]) => words[1]?.startsWith('\\') !== true);

describe('a command line of an example is understood', () => {
  test('there are some in every file that starts one', () => {
    expect(new Set(commands.map(([name]) => name)).size).toBe(files.length - 1);
  });

  test.each(commands)('%s: %j', (_, [commandName, ...words]) => {
    const nowhere = { write: () => true };
    const program = createProgram({ stdout: nowhere, stderr: nowhere } as unknown as Context, () => undefined);
    const command = program.commands.find((each) => each.name() === commandName)!;
    const { operands, unknown } = command.parseOptions(words);
    expect(unknown).toEqual([]);
    expect(operands.length).toBeLessThanOrEqual(command.registeredArguments.length);
    expect(() => (commandName === 'train' ? parseTrainOptions : parseJoinOptions)(command.opts())).not.toThrow();
  });
});

test('systemd finds no fault in its units', (context) => {
  const units = files.filter((name) => name.endsWith('.service')).map((name) => join(ROOT, FOLDER, name));
  expect(units).toHaveLength(2);
  const { status, stderr, error } = spawnSync('systemd-analyze', ['verify', ...units], { encoding: 'utf8' });
  if (error !== undefined) return context.skip('systemd-analyze is not on this machine');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

interface Pod {
  readonly containers: readonly { readonly volumeMounts: readonly { readonly name: string }[]; readonly securityContext: object }[];
  readonly volumes: readonly { readonly name: string }[];
  readonly terminationGracePeriodSeconds: number;
}

test('the manifests and the scrape config are YAML, and what they name is there', (context) => {
  const program = 'import json, sys, yaml\nprint(json.dumps([list(yaml.safe_load_all(open(path))) for path in sys.argv[1:]]))';
  const { status, stdout } = spawnSync('python3', ['-c', program, join(ROOT, FOLDER, 'kubernetes/tensorflock.yaml'), join(ROOT, FOLDER, 'prometheus.yml')], { encoding: 'utf8' });
  if (status !== 0) return context.skip('Python with yaml is not on this machine');
  const [manifests, [prometheus]] = JSON.parse(stdout) as [Manifest[], [{ readonly scrape_configs: readonly { readonly authorization: object }[] }]];
  expect(prometheus.scrape_configs[0]!.authorization).toEqual({ credentials_file: expect.any(String) as string });
  expect(manifests.map(({ kind, metadata: { name } }) => `${kind} ${name}`)).toEqual(['Service tensorflock', 'PersistentVolumeClaim tensorflock-run', 'Job tensorflock-coordinator', 'Job tensorflock-nodes']);
  const [service, , coordinator, nodes] = manifests;
  const templates = [coordinator, nodes].map((job) => job!.spec['template'] as { readonly metadata: { readonly labels: object }; readonly spec: Pod });
  expect(templates[0]!.metadata.labels).toEqual(service!.spec['selector']);
  for (const { spec: { containers, volumes, terminationGracePeriodSeconds } } of templates) {
    expect(containers[0]!.volumeMounts.map(({ name }) => name).sort()).toEqual(volumes.map(({ name }) => name).sort());
    expect(containers[0]!.securityContext).toMatchObject({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true });
    expect(terminationGracePeriodSeconds).toBeGreaterThanOrEqual(60);
  }
});

describe('the Slurm script', () => {
  let folder = '';
  beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'tensorflock-slurm-')); });
  afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

  /** Programs of these names, found before all others. */
  function fakes(programs: Readonly<Record<string, string>>): string {
    mkdirSync(join(folder, 'bin'));
    for (const [name, script] of Object.entries(programs)) {
      writeFileSync(join(folder, 'bin', name), `#!/bin/bash\n${script}`);
      chmodSync(join(folder, 'bin', name), 0o755);
    }
    return `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`;
  }

  test('starts a coordinator and nodes that join it, with the key in files of their owner alone', async (context) => {
    if (process.platform !== 'linux') return context.skip('Slurm is of Linux');
    const PATH = fakes({
      srun: 'shift; for rank in 0 1 2; do SLURM_PROCID=$rank "$@" & done; wait',
      tensorflock: `echo "$*" >> "$SLURM_SUBMIT_DIR/commands"\nif [[ $1 == train ]]; then sleep 0.2; echo "  tensorflock join 'https://10.0.0.1:7777/#k=SECRET&fp=PRINT'" >&2; fi`,
    });
    const child = spawn('bash', [join(ROOT, FOLDER, 'slurm/tensorflock.sbatch')], { env: { ...process.env, PATH, SLURM_SUBMIT_DIR: folder, SLURM_CPUS_PER_TASK: '3' }, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => { said += chunk.toString(); });
    const status = await new Promise((resolve) => { child.on('close', resolve); });
    expect({ status, said }).toEqual({ status: 0, said: '' });
    const [train, ...joins] = readFileSync(join(folder, 'commands'), 'utf8').trim().split('\n').sort().reverse();
    expect(train).toMatch(/^train fashion-mnist-mlp-wide .*--workers 3 --out .*runs\/fashion --overwrite .*--serve 0\.0\.0\.0:0 --key-file .*runs\/fashion\.key$/);
    expect(joins).toHaveLength(2);
    for (const line of joins) expect(line).toMatch(/^join https:\/\/10\.0\.0\.1:7777\/#fp=PRINT --workers 3 --key-file .*fashion\.key --once/);
    expect(readFileSync(join(folder, 'runs/fashion.key'), 'utf8')).toMatch(/^[\w-]{22}\n$/);
    for (const secret of ['fashion.key', 'fashion.log']) expect(statSync(join(folder, 'runs', secret)).mode & 0o777).toBe(0o600);
  });
});
