import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LESSONS } from '../../examples/lessons/index.js';
import { FASHION_MNIST } from '../../src/data/image-sets.js';
import { findRealSet } from '../data/real-sets.js';
import { tensorflock, tensorflockIn, temporaryFolder } from './command.js';

const set = findRealSet(FASHION_MNIST);

test('without a name the lessons are listed, in order', () => {
  const { status, stdout, stderr } = tensorflock('lesson');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout.split('\n').slice(0, -1).map((line) => /^ *(\d+) {2}(\S+) +(.+)$/.exec(line)?.slice(1))).toEqual(LESSONS.map(({ name, about }, index) => [String(index + 1), name, about]));
  const events = tensorflock('lesson', '--json').stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as object);
  expect(events).toEqual(LESSONS.map(({ name, about }, index) => ({ event: 'lesson', number: index + 1, name, about })));
});

test('a mistyped name gets the nearest, a wrong number the right ones, and nothing is written', () => {
  const folder = join(temporaryFolder(), 'page');
  const names = LESSONS.map(({ name }) => name).join(', ');
  expect(tensorflock('lesson', 'percepton', '--out', folder)).toEqual({ status: 2, stdout: '', stderr: `"percepton" is not a lesson; did you mean perceptron (of ${names})?\n` });
  expect(tensorflock('lesson', '12', '--out', folder)).toEqual({ status: 2, stdout: '', stderr: 'there is no lesson 12; give a number from 1 to 11, or a name of the list that tensorflock lesson prints.\n' });
  expect(tensorflock('lesson', 'perceptron', '--dataset', 'mnst', '--out', folder)).toMatchObject({ status: 2, stderr: expect.stringContaining('did you mean mnist') });
  expect(existsSync(folder)).toBe(false);
});

test('without its images a lesson says what it lacks, and leaves nothing', () => {
  const folder = temporaryFolder();
  const { status, stdout, stderr } = tensorflockIn({ TENSORFLOCK_DATA: folder }, 'lesson', 'images', '--dataset', 'mnist', '--fetch', 'none', '--out', join(folder, 'page'));
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(/^MNIST was not found .*\n$/);
  expect(readdirSync(folder)).toEqual([]);
});

test('a lesson prints its finding and leaves its page; another needs --overwrite there, and files of others stay', (context) => {
  if ('missing' in set) return context.skip(set.missing);
  const folder = join(temporaryFolder(), 'page');
  const run = (...args: string[]) => tensorflockIn({ TENSORFLOCK_DATA: set.cacheFolder }, 'lesson', '1', '--quick', '--fetch', 'none', '--out', folder, ...args);
  const first = run();
  expect(first).toMatchObject({ status: 0, stderr: '' });
  expect(first.stdout).toMatch(/^One perceptron learns AND[^]*code in .*index\.html\n$/);
  expect(readdirSync(folder).sort()).toEqual(['easy.svg', 'gates.svg', 'hard.svg', 'index.html', 'lesson.json', 'weights.svg']);
  expect(readFileSync(join(folder, 'index.html'), 'utf8')).toContain('The code: 01-perceptron.ts');
  expect(run()).toMatchObject({ status: 2, stdout: '', stderr: `--out ${folder} holds an earlier lesson; replace it by --overwrite, or choose another folder.\n` });
  const quiet = run('--overwrite', '--quiet');
  expect(quiet).toMatchObject({ status: 0, stderr: '' });
  expect(quiet.stdout.split('\n')).toHaveLength(2);
  const { figures } = JSON.parse(run('--overwrite', '--json').stdout) as { readonly figures: object };
  expect(figures).toEqual((JSON.parse(readFileSync(join(folder, 'lesson.json'), 'utf8')) as { readonly figures: object }).figures);
  const foreign = temporaryFolder();
  writeFileSync(join(foreign, 'mine.txt'), 'mine');
  expect(tensorflock('lesson', '1', '--quick', '--overwrite', '--out', foreign)).toMatchObject({ status: 2, stderr: expect.stringContaining('holds files that are not a lesson') });
});
