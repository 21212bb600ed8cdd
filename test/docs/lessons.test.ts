import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LESSONS } from '../../examples/lessons/index.js';
import { read, ROOT } from './documents.js';

const PAGE = read('docs/lessons.md');

test('docs/lessons.md has a section for each lesson, in order', () => {
  expect([...PAGE.matchAll(/^## (.+)$/gm)].map((match) => match[1])).toEqual(LESSONS.map(({ name }, index) => `${index + 1}. ${name}`));
});

test('every lesson has its file, with its number before its name', () => {
  for (const [index, { file, name }] of LESSONS.entries()) {
    expect(file).toMatch(new RegExp(`^${String(index + 1).padStart(2, '0')}-${name}$`));
    expect(existsSync(join(ROOT, 'examples/lessons', `${file}.ts`))).toBe(true);
    expect(existsSync(join(ROOT, 'dist/test/lessons', `${name}.test.js`))).toBe(true);
  }
});

test('its picture is there', () => {
  const [, picture] = /!\[[^\]]+\]\(([^)]+)\)/.exec(PAGE)!;
  expect(existsSync(join(ROOT, 'docs', picture!))).toBe(true);
});
