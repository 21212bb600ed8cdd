import { expect, test } from 'vitest';
import * as door from '../../src/index.js';
import { apiPage, optionsPage } from '../../scripts/reference-pages.js';
import { read } from './documents.js';

const REMEDY = 'run node dist/scripts/reference-pages.js after a build';

test('docs/options.md is what the commands say', () => {
  expect(read('docs/options.md') === optionsPage(), REMEDY).toBe(true);
});

test('docs/api.md is what the types say, and has every export', async () => {
  const page = read('docs/api.md');
  expect(page === (await apiPage()), REMEDY).toBe(true);
  for (const name of Object.keys(door)) expect(page).toMatch(new RegExp(`^#+ ${name}(\\(\\))?$`, 'm'));
});

test.each(['docs/api.md', 'docs/options.md'])('every link within %s leads somewhere', (file) => {
  const page = read(file);
  const anchors = new Set([...page.matchAll(/^#+ (.+)$/gm)].map((match) => match[1]!.replace(/[`\\]/g, '').toLowerCase().replace(/[^\w\s-]/g, '').replaceAll(' ', '-')));
  for (const [, id] of page.matchAll(/<a id="([\w-]+)">/g)) anchors.add(id!);
  const links = [...page.matchAll(/\]\(#([\w-]+)\)/g)].map((match) => match[1]!);
  expect(links.filter((link) => !anchors.has(link) && !anchors.has(link.replace(/-\d+$/, '')))).toEqual([]);
});
