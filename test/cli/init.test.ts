import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fashionMnist } from '../../src/data/index.js';
import { tensorflock, temporaryFolder } from './command.js';

test('init writes an experiment, and leaves a file that exists alone', () => {
  const file = join(temporaryFolder(), 'first.mjs');
  expect(tensorflock('init', file)).toEqual({ status: 0, stdout: `${file} is an experiment to begin with; train it with: tensorflock train ${file}\n`, stderr: '' });
  expect(readFileSync(file, 'utf8')).toContain(`tensorflock train ${file} --out`);
  writeFileSync(file, 'mine');
  expect(tensorflock('init', file)).toEqual({ status: 2, stdout: '', stderr: `${file} exists already; name another file.\n` });
  expect(readFileSync(file, 'utf8')).toBe('mine');
  expect(tensorflock('init', 'starter.txt')).toMatchObject({ status: 2, stderr: expect.stringContaining('end it in .js') });
});

test('what init writes trains as it is', async (context) => {
  const missing = await fashionMnist({ fetch: 'none' }).then(() => undefined, (error: Error) => error.message);
  if (missing !== undefined) context.skip(missing);
  const file = join(temporaryFolder(), 'first.mjs');
  tensorflock('init', file);
  // Where the packages are found depends on the file's folder; what it says is run from beside them.
  const door = new URL('../../src/index.js', import.meta.url).href;
  const layers = import.meta.resolve('@tensorflow/tfjs-layers');
  const text = readFileSync(file, 'utf8');
  const here = join(temporaryFolder(), 'here.mjs');
  writeFileSync(here, text.replace("'tensorflock'", `'${door}'`).replace("'@tensorflow/tfjs-layers'", `'${layers}'`).replace('datasets.fashionMnist()', "datasets.fashionMnist({ fetch: 'none' })"));
  const trained = tensorflock('train', here, '--train-examples', '200', '--test-examples', '50', '--epochs', '1', '--json');
  expect(trained).toMatchObject({ status: 0, stderr: '' });
});
