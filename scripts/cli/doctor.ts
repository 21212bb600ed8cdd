import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { hasRelaxedSimd, setEngineFlags } from '../../src/kernels/load.js';
import type { Context } from './context.js';

const GIB = 2 ** 30;
const DATASETS = ['fashion-mnist', 'mnist'] as const;

/** A function of type () -> v128 whose body is v128.const 0: valid where WebAssembly has 128-bit SIMD. */
const SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 22, 1, 20, 0, 253, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0, 11,
]);

/** `tensorflock doctor`: what this machine offers, a line each; status 1 where training cannot work at all. */
export async function runDoctor(context: Context): Promise<number> {
  const relaxedWithoutFlags = hasRelaxedSimd();
  const flags = setEngineFlags();
  const hasSimd = WebAssembly.validate(SIMD_PROBE);
  const rows: [string, string][] = [
    ['cores', `${availableParallelism()} available, ${cpus()[0]?.model.trim() ?? 'unknown model'}`],
    ['memory', `${gibibytes(totalmem())} GiB, ${gibibytes(freemem())} free`],
    ['node', `${process.version}, V8 ${process.versions.v8}, ${process.platform} ${process.arch}`],
    ['SIMD', hasSimd ? 'yes' : 'no: this engine cannot run the kernels; use Node 20.19 or newer'],
    ['relaxed', relaxedSentence(relaxedWithoutFlags)],
    ['flags', flags.length === 0 ? 'none needed' : flags.join(' ')],
    ['workers', `--workers auto is ${availableParallelism()}`],
  ];
  for (const name of DATASETS) rows.push(['data', `${name}: ${await whetherFound(name, context)}`]);
  for (const [label, text] of rows) context.stdout.write(`${label.padEnd(9)}${text}\n`);
  return hasSimd ? 0 : 1;
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
