import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { read, ROOT } from './documents.js';

const SOURCES = ['src', 'workers', 'cluster', 'scripts'];
/** Node's own. */
const OF_NODE = new Set(['ERR_WORKER_OUT_OF_MEMORY']);

const sources = SOURCES.flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts')).map((name) => read(`${folder}/${name}`)),
);

/** `code kind`, sorted, each once. */
function sorted(pairs: Iterable<string>): string[] {
  return [...new Set(pairs)].sort();
}

const documented = sorted([...read('docs/errors.md').matchAll(/^\| `(ERR_\w+)` \| (input|run) \| .+\. \|$/gm)].map(([, code, kind]) => `${code} ${kind}`));

test('every error that is thrown is documented with its kind, and every documented one can be thrown', () => {
  const thrown = sources.flatMap((text) => [...text.matchAll(/\b(input|run)Error\(\s*'(ERR_\w+)'/g)].map(([, kind, code]) => `${code} ${kind}`));
  expect(documented).toEqual(sorted(thrown));
});

test('no other code is mentioned in the sources', () => {
  const mentioned = sorted(sources.flatMap((text) => [...text.matchAll(/\bERR_[A-Z_]+\b/g)].map(([code]) => code))).filter((code) => !OF_NODE.has(code));
  expect(mentioned).toEqual(documented.map((pair) => pair.split(' ')[0]));
});
