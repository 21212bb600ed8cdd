import '@tensorflow/tfjs-backend-cpu';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseTrainOptions } from '../../scripts/cli/options.js';
import { runTrain } from '../../scripts/cli/train.js';
import { tensorflock, temporaryFolder } from './command.js';
import { fakeRun } from './fakes.js';

async function run(folder: string, seed: string): Promise<string> {
  await runTrain(undefined, parseTrainOptions({ out: folder, seed, epochs: '2' }), fakeRun().context);
  return folder;
}

test('report compares runs: what differs, the results, and a line for each in every chart', async () => {
  const folder = temporaryFolder();
  const [first, second] = [await run(join(folder, 'first'), '1'), await run(join(folder, 'second'), '7')];
  const page = join(folder, 'both.html');
  expect(tensorflock('report', first, second, '--out', page)).toEqual({ status: 0, stdout: `2 runs compared in ${page}\n`, stderr: '' });
  const html = readFileSync(page, 'utf8');
  expect(html).toContain('<tr><td>seed</td><td>1</td><td>7</td></tr>');
  expect(html).not.toContain('<td>batchSize</td>'); // the same in both
  expect(html).toContain('<tr><td>testLoss</td><td>0.75000</td><td>0.75000</td></tr>');
  expect(html.match(/<svg/g)).toHaveLength(4);
  expect(html).not.toMatch(/<script|<link|src=/);
  tensorflock('report', first, first, '--out', page);
  expect(readFileSync(page, 'utf8')).toContain('They have the same options');
});

test('report refuses what holds no run, and writes nothing', async () => {
  const folder = temporaryFolder();
  const page = join(folder, 'page.html');
  const without = tensorflock('report', folder, '--out', page);
  expect(without).toMatchObject({ status: 2, stdout: '' });
  expect(without.stderr).toBe(`${folder} holds no report.json; name the --out of a run that has ended an epoch.\n`);
  mkdirSync(join(folder, 'odd'));
  writeFileSync(join(folder, 'odd', 'report.json'), '[]');
  expect(tensorflock('report', join(folder, 'odd'), '--out', page).stderr).toContain('is not the report of a run');
  expect(existsSync(page)).toBe(false);
  const kept = await run(join(folder, 'run'), '1');
  expect(tensorflock('report', kept, '--out', folder)).toMatchObject({ status: 2, stderr: expect.stringContaining('cannot be a file there') });
});
