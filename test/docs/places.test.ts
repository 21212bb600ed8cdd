import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { read, README, ROOT } from './documents.js';

const onOneLine = README.replace(/\s+/g, ' ');

test('every file and folder of ours that the README names exists', () => {
  const named = [...README.matchAll(/`((?:src|workers|cluster|scripts|examples|test|docs)(?:\/[\w.-]+)*\/?)`/g)].map((match) => match[1]!);
  const linked = [...README.matchAll(/\]\(((?!https?:|#)[^)]+)\)/g)].map((match) => match[1]!);
  expect(named.length).toBeGreaterThan(40);
  expect([...named, ...linked].filter((path) => !existsSync(join(ROOT, path.split('#')[0]!)))).toEqual([]);
});

test('every heading that the README links to, within itself or in docs, is there', () => {
  const headings = (text: string): string[] => [...text.matchAll(/^##+ (.+)$/gm)].map((match) => match[1]!.toLowerCase().replaceAll(' ', '-'));
  const links = [...README.matchAll(/\]\((docs\/[\w-]+\.md)?#([\w-]+)\)/g)].map(([, page, heading]) => [page ?? 'README.md', heading!] as const);
  expect(links.filter(([page, heading]) => !headings(read(page)).includes(heading))).toEqual([]);
});

test('every invariant names tests that exist', () => {
  const named = [...onOneLine.matchAll(/`(test\/[\w./-]+\.test\.ts)` "([^"]+)"/g)];
  const [, chapter] = onOneLine.split('**Invariants**');
  const invariants = chapter!.split('## ')[0]!.split(' - **').slice(1);
  for (const invariant of invariants) expect(invariant).toMatch(/`test\/[\w./-]+\.test\.ts` "/);
  for (const [, file, title] of named) expect(read(file!), `${file}: ${title}`).toContain(title);
});
