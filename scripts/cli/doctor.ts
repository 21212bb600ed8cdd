import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { parseJoinLink, type JoinLink } from '../../cluster/protocol/keys.js';
import { hasRelaxedSimd, setEngineFlags } from '../../src/kernels/load.js';
import { findDataFolder } from '../bench/data-folder.js';
import { probeLink } from '../bench/link-probe.js';
import { adviceSentence, ROUND_OVERHEAD_MS, type StepCosts } from '../bench/prediction.js';
import { measureStep } from '../bench/step-costs.js';
import { presetBatch } from '../bench/scaling/plan.js';
import type { BenchSize } from './choices.js';
import type { Context } from './context.js';
import type { DoctorOptions } from './options.js';

const GIB = 2 ** 30;
const DATASETS = ['fashion-mnist', 'mnist'] as const;

/** A function of type () -> v128 whose body is v128.const 0: valid where WebAssembly has 128-bit SIMD. */
const SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 22, 1, 20, 0, 253, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 11,
]);

/** Trainable weights of the networks. */
const PARAMETERS: Readonly<Record<BenchSize, number>> = { linear: 785 * 10, mlp: 785 * 100 + 101 * 10, 'mlp-wide': 785 * 512 + 513 * 512 + 513 * 10 };

/**
 * `tensorflock doctor [link]`: what this machine and the link offer, a line each, and with a link whether it would help; status 1 where
 * training cannot work at all.
 */
export async function runDoctor(given: string | undefined, options: DoctorOptions, context: Context): Promise<number> {
  const link = given === undefined ? undefined : parseJoinLink(given);
  const relaxedWithoutFlags = hasRelaxedSimd();
  const flags = setEngineFlags();
  const hasSimd = WebAssembly.validate(SIMD_PROBE);
  const rows: [string, string][] = [
    ['cores', `${availableParallelism()} available, ${cpus()[0]?.model.trim() ?? 'unknown model'}`],
    ['limits', limitsSentence()],
    ['clock', `${new Date().toISOString()}, ticks of ${(clockTickMs() * 1000).toFixed(1)} µs`],
    ['memory', `${gibibytes(totalmem())} GiB, ${gibibytes(freemem())} free`],
    ['node', `${process.version}, V8 ${process.versions.v8}, ${process.platform} ${process.arch}`],
    ['SIMD', hasSimd ? 'yes' : 'no: this engine cannot run the kernels; use Node 20.19 or newer'],
    ['relaxed', relaxedSentence(relaxedWithoutFlags)],
    ['flags', flags.length === 0 ? 'none needed' : flags.join(' ')],
    ['workers', `--workers auto is ${availableParallelism()}`],
  ];
  for (const name of DATASETS) rows.push(['data', `${name}: ${await whetherFound(name, context)}`]);
  for (const [label, text] of rows) context.stdout.write(`${label.padEnd(9)}${text}\n`);
  if (link !== undefined && hasSimd) await examineLink(link, options, context);
  return hasSimd ? 0 : 1;
}

/** What a node would find there, and what it would be worth. */
async function examineLink(link: JoinLink, { size, batch }: DoctorOptions, context: Context): Promise<void> {
  const { roundTripMs, rateMbps, clockOffsetSeconds } = await probeLink(link);
  const clock = clockOffsetSeconds === undefined ? '' : `, its clock ${Math.abs(clockOffsetSeconds)} s ${clockOffsetSeconds < 0 ? 'behind' : 'ahead'}`;
  context.stdout.write(`${'link'.padEnd(9)}open, round trip ${roundTripMs.toFixed(2)} ms, ${rateMbps.toFixed(0)} Mbit/s${clock}\n`);
  const step = await measureStep(size, batch ?? presetBatch(size), availableParallelism(), await dataFolder(context));
  const costs: StepCosts = { ...step, parameterBytes: PARAMETERS[size] * 4, roundTripMs, rateMbps, overheadMs: ROUND_OVERHEAD_MS, relativeSpeed: 1 };
  context.stdout.write(`${'advice'.padEnd(9)}${size}: ${adviceSentence(costs)}\n`);
}

async function dataFolder(context: Context): Promise<string> {
  await (await context.dataSource()).load('fashion-mnist', 'none', { notice: () => undefined });
  return findDataFolder(context.environment);
}

/** Whether something grants this process less than the machine has. */
function limitsSentence(): string {
  const [granted, all] = [availableParallelism(), cpus().length];
  const pinned = granted < all ? [`pinned to ${granted} of ${all} cores`] : [];
  const quota = cpuQuota();
  return [...pinned, ...(quota === undefined ? [] : [`a quota of ${quota.toFixed(1)} cores by its control group`])].join(', ') || 'none on the cores';
}

/** Cores that the control group grants, of version 2 or 1; undefined where it grants all. */
function cpuQuota(): number | undefined {
  const read = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8').trim() : '');
  const [quota, period] = existsSync('/sys/fs/cgroup/cpu.max')
    ? read('/sys/fs/cgroup/cpu.max').split(' ')
    : [read('/sys/fs/cgroup/cpu/cpu.cfs_quota_us'), read('/sys/fs/cgroup/cpu/cpu.cfs_period_us')];
  return Number(quota) > 0 && Number(period) > 0 ? Number(quota) / Number(period) : undefined;
}

/** The shortest time that its clock tells from none. */
function clockTickMs(): number {
  let shortest = Infinity;
  for (let i = 0; i < 1_000; i++) {
    const begunMs = performance.now();
    let nowMs = begunMs;
    while (nowMs === begunMs) nowMs = performance.now();
    shortest = Math.min(shortest, nowMs - begunMs);
  }
  return shortest;
}

function relaxedSentence(withoutFlags: boolean): string {
  if (withoutFlags) return 'SIMD yes: --kernels auto is fma';
  return hasRelaxedSimd() ? 'SIMD yes, by the flag below: --kernels auto is fma' : 'SIMD no: --kernels auto is portable';
}

async function whetherFound(name: (typeof DATASETS)[number], context: Context): Promise<string> {
  const remarks: string[] = [];
  try {
    const { train, test } = await (await context.dataSource()).load(name, 'none', { notice: (sentence) => remarks.push(sentence) });
    return ['found', `${train.exampleCount} + ${test.exampleCount} examples`, ...remarks].join(', ');
  } catch {
    return ['not on this machine; train fetches it', ...remarks].join(', ');
  }
}

function gibibytes(bytes: number): string {
  return (bytes / GIB).toFixed(1);
}
