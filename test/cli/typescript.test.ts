import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tensorflock, temporaryFolder } from './command.js';

// In a folder without packages: what a file in TypeScript imports is what the command runs with.

const EXPERIMENT = `import * as tf from '@tensorflow/tfjs-layers';
import { datasets, defineExperiment } from 'tensorflock';
import { UNITS, type Rows } from './rows.js';

const rows: Rows = [[0, 1], [1, 0], [0, 2], [2, 0]];

export default defineExperiment({
  model: () => tf.sequential({ layers: [tf.layers.dense({ units: UNITS satisfies number, activation: 'softmax', inputShape: [2] })] }),
  loss: 'sparseCategoricalCrossentropy',
  metrics: ['accuracy'],
  data: () => {
    const all = datasets.arrays(rows, [0, 1, 0, 1]);
    return { train: all, test: all };
  },
  batchSize: 4,
  epochs: 2,
});
`;

test('an experiment in TypeScript, with a module beside it, trains to the bytes of the same in JavaScript', () => {
  const folder = temporaryFolder();
  const file = join(folder, 'experiment.ts');
  writeFileSync(file, EXPERIMENT);
  writeFileSync(join(folder, 'rows.ts'), 'export type Rows = number[][];\nexport const UNITS: number = 2;\n');
  const hashOf = (target: string): unknown => {
    const { status, stdout, stderr } = tensorflock('train', target, '--json', '--workers', '1');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return (JSON.parse(stdout.trim().split('\n').at(-1)!) as { readonly weightsSha256: string }).weightsSha256;
  };
  const script = join(folder, 'experiment.mjs');
  const door = new URL('../../src/index.js', import.meta.url).href;
  const layers = import.meta.resolve('@tensorflow/tfjs-layers');
  writeFileSync(script, EXPERIMENT.replace(/^import \{ UNITS.*$/m, 'const UNITS = 2;').replace('const rows: Rows', 'const rows').replace(' satisfies number', '').replace("'tensorflock'", `'${door}'`).replace("'@tensorflow/tfjs-layers'", `'${layers}'`));
  expect(hashOf(file)).toBe(hashOf(script));
});

test('an error in its functions is told with its line', () => {
  const file = join(temporaryFolder(), 'late.ts');
  writeFileSync(file, EXPERIMENT.replace(/^import \{ UNITS.*$/m, 'type Rows = number[][]; const UNITS = 2;').replace("inputShape: [2]", 'inputShape: (null as unknown as number[]).slice()'));
  const { status, stderr } = tensorflock('train', file, '--workers', '1');
  expect(stderr).toMatch(/^the model of .*late\.ts cannot be made \(Cannot read properties of null.*, line 8\); correct it and run again\.\n$/);
  expect(status).toBe(2);
});

test('init writes it where the name asks for it, and the compiler finds nothing wrong with it', async () => {
  const file = join(temporaryFolder(), 'first.ts');
  expect(tensorflock('init', file)).toMatchObject({ status: 0, stderr: '' });
  const { default: ts } = await import('typescript');
  const root = new URL('../../../', import.meta.url).pathname;
  const source = join(root, 'test', 'starter.ts'); // a name within reach of the packages; nothing is written there
  const options = { strict: true, noEmit: true, skipLibCheck: true, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, target: ts.ScriptTarget.ES2022, types: [], paths: { tensorflock: [join(root, 'dist/src/index.d.ts')] } };
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists } = host;
  host.fileExists = (name) => name === source || fileExists(name);
  host.readFile = (name) => (name === source ? readFileSync(file, 'utf8') : readFile(name));
  const problems = ts.getPreEmitDiagnostics(ts.createProgram([source], options, host)).filter((each) => each.file?.fileName === source);
  expect(problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '))).toEqual([]);
});
