import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { CLUSTER_ERRORS } from '../../cluster/protocol/errors.js';
import { read, ROOT } from './documents.js';

const SOURCES = ['src', 'workers', 'cluster', 'scripts', 'examples'];
/** Node's own, and OpenSSL's. */
const OF_NODE = new Set(['ERR_WORKER_OUT_OF_MEMORY', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_TLS_CERT']);

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
  const ofCluster = Object.entries(CLUSTER_ERRORS).map(([code, { kind }]) => `${code} ${kind}`);
  expect(documented).toEqual(sorted([...thrown, ...ofCluster]));
});

test('the meaning of an error of the cluster is that of its table', () => {
  const rows = Object.entries(CLUSTER_ERRORS).map(([code, { kind, meaning }]) => `| \`${code}\` | ${kind} | ${meaning} |`);
  const [, chapter] = read('docs/errors.md').split('## Cluster\n');
  expect(chapter!.split('\n').filter((line) => line.startsWith('| `'))).toEqual(rows);
});

test('no other code is mentioned in the sources', () => {
  const mentioned = sorted(sources.flatMap((text) => [...text.matchAll(/\bERR_[A-Z_]+\b/g)].map(([code]) => code))).filter((code) => !OF_NODE.has(code));
  expect(mentioned).toEqual(documented.map((pair) => pair.split(' ')[0]));
});
