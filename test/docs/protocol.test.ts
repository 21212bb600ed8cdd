import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { PROTOCOL_VERSION, type Message } from '../../cluster/protocol/messages.js';
import { SCHEMAS } from '../../cluster/protocol/schemas.js';
import { transcript } from '../../cluster/protocol/handshake.js';
import { regenerated } from '../../scripts/protocol-page.js';
import { read, ROOT } from './documents.js';

const page = read('docs/protocol.md');

test('the tables of the page are those of the program', () => {
  expect(page).toBe(regenerated(page));
});

test('the page has every message with every field, and no other', () => {
  const chapters = new Map(page.split('## Messages')[1]!.split('### A column')[0]!.split('\n### ').slice(1).map((chapter) => [chapter.split('\n')[0]!, chapter]));
  expect([...chapters.keys()].sort()).toEqual(Object.keys(SCHEMAS).sort());
  for (const [type, chapter] of chapters) {
    const documented = [...chapter.matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]!).filter((name) => name !== 'bytes');
    expect(documented.sort(), type).toEqual(Object.keys(SCHEMAS[type as Message['type']].shape).filter((name) => name !== 'type').sort());
  }
});

test('the page is of this version, and names the fields of a transcript in their order', () => {
  expect(page).toContain(`version ${PROTOCOL_VERSION}.`);
  const documented = [...page.split('| name | value |')[1]!.split('\n\n')[0]!.matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1]!);
  const hello = { type: 'hello', protocolVersion: 1, role: 'node', identity: '', nonce: '', softwareVersion: '' } as const;
  const names = namesIn(transcript('node key', { hello, challenge: { role: 'relay', runId: '', nonce: '' }, binding: '' }));
  expect(names).toEqual(documented);
});

/** Every other of the texts, each of which stands behind its length. */
function namesIn(bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const texts: string[] = [];
  for (let at = 0; at < bytes.length; at += 4 + view.getUint32(at, true)) texts.push(new TextDecoder().decode(bytes.subarray(at + 4, at + 4 + view.getUint32(at, true))));
  return texts.filter((_, index) => index % 2 === 0);
}

/** Modules of ours that a compiled module loads, itself included, as paths from dist. */
function loaded(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const specifier of importsOf(file).filter((one) => one.startsWith('.'))) loaded(join(dirname(file), specifier), seen);
  return seen;
}

function importsOf(file: string): string[] {
  return [...readFileSync(join(ROOT, 'dist', file), 'utf8').matchAll(/^(?:import|export)\b[^;']*\bfrom '([^']+)'/gm)].map((match) => match[1]!);
}

test('what the protocol loads is plain JavaScript, which a browser runs too', () => {
  const files = readdirSync(join(ROOT, 'dist/cluster/protocol')).filter((name) => name.endsWith('.js')).map((name) => `cluster/protocol/${name}`);
  const specifiers = files.flatMap((file) => [...loaded(file)].flatMap(importsOf)).filter((specifier) => !specifier.startsWith('.'));
  const allowed = ['@noble/curves/ed25519.js', '@noble/curves/utils.js', '@noble/hashes/hmac.js', '@noble/hashes/sha2.js', '@noble/hashes/utils.js', 'msgpackr/pack', 'msgpackr/unpack', 'zod'];
  expect([...new Set(specifiers)].sort()).toEqual(allowed);
});
