// Writes the tables of docs/protocol.md from cluster/protocol: `node dist/scripts/protocol-page.js`, after a build.
// Names and meanings come from the interfaces and their comments, what is allowed from the schemas, the rest from the tables that
// the program itself uses.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { CLUSTER_ERRORS } from '../cluster/protocol/errors.js';
import type { FrameLimits } from '../cluster/protocol/frame.js';
import * as limits from '../cluster/protocol/limits.js';
import type { Message } from '../cluster/protocol/messages.js';
import { SCHEMAS } from '../cluster/protocol/schemas.js';
import { COORDINATOR_EDGES, NODE_EDGES } from '../cluster/protocol/states.js';
import { encodeMessage } from '../cluster/protocol/wire.js';

/** The checkout: compiled, this file is in dist/scripts. */
const ROOT = new URL('../../', import.meta.url);
const PAGE = new URL('docs/protocol.md', ROOT);

/** The page with every part between `<!-- name: begin -->` and `<!-- name: end -->` written anew. */
export function regenerated(page: string): string {
  const parts = { messages, columns, states, errors, limits: limitTables, example };
  return Object.entries(parts).reduce((text, [name, write]) => {
    const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
    const [before, rest] = text.split(begin);
    const after = rest?.split(end)[1];
    if (before === undefined || after === undefined) throw new Error(`docs/protocol.md has no ${begin} or no ${end}`);
    return `${before}${begin}\n\n${write()}\n\n${end}${after}`;
  }, page);
}

interface DocumentedField {
  readonly name: string;
  readonly meaning: string;
}

interface DocumentedInterface {
  readonly name: string;
  readonly meaning: string;
  readonly body: string;
  readonly fields: readonly DocumentedField[];
}

/** The interfaces of a source file with their comments and those of their fields, which are of one line each. */
function interfacesOf(file: string): DocumentedInterface[] {
  const source = readFileSync(new URL(`cluster/protocol/${file}`, ROOT), 'utf8');
  return [...source.matchAll(/\/\*\* (.+) \*\/\nexport interface (\w+) \{\n([^]*?)\n\}/g)].map(([, meaning, name, body]) => ({
    name: name!,
    meaning: meaning!,
    body: body!,
    fields: [...body!.matchAll(/\/\*\* (.+) \*\/\n {2}readonly (\w+): /g)].map(([, words, field]) => ({ name: field!, meaning: words! })),
  }));
}

function messages(): string {
  return interfacesOf('messages.ts').map(messageChapter).join('\n\n');
}

function messageChapter({ meaning, body, fields }: DocumentedInterface): string {
  const type = /readonly type: '(\w+)'/.exec(body)![1] as Message['type'];
  const title = `### ${type}\n\n${meaning}`;
  if (fields.length === 0) return `${title} It has no field beside \`type\`.`;
  return `${title}\n\n${fieldTable(fields, SCHEMAS[type])}`;
}

function columns(): string {
  const [column] = interfacesOf('run-description.ts').filter(({ name }) => name === 'ManifestColumn');
  return fieldTable(column!.fields, SCHEMAS.welcome.shape.columns.element);
}

function fieldTable(fields: readonly DocumentedField[], schema: z.ZodType): string {
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return table(['field', 'on the wire', 'meaning'], fields.map(({ name, meaning }) => [`\`${name}\``, name === 'bytes' ? 'the tensor' : wireType(properties[name]), meaning]));
}

/** What a JSON schema allows, in words. */
function wireType(schema: z.core.JSONSchema._JSONSchema | undefined): string {
  if (typeof schema !== 'object') throw new Error('a field that is documented has no schema');
  const { type, pattern, maxLength, minimum, maximum, maxItems, minItems } = schema;
  if (schema.enum !== undefined) return schema.enum.length > 6 ? 'text, one of a list' : `text: ${schema.enum.map((value) => `\`${String(value)}\``).join(', ')}`;
  if (schema.anyOf !== undefined || schema.oneOf !== undefined || type === 'object') return 'map';
  if (type === 'boolean') return 'boolean';
  if (type === 'array') return `list of ${minItems ?? 0} to ${maxItems}`;
  if (type === 'string') return textType(pattern, maxLength);
  const range = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? `from ${minimum}` : `from ${minimum} to ${grouped(maximum)}`;
  return type === 'integer' ? `whole number ${range}` : minimum === undefined ? 'number' : `number ${range}`;
}

function textType(pattern: string | undefined, maxLength: number | undefined): string {
  const digits = /^\^\[0-9a-f\]\{(\d+)\}\$$/.exec(pattern ?? '')?.[1];
  if (digits !== undefined) return `text of ${digits} hex digits`;
  if (pattern?.startsWith('^([0-9a-f]{8})') === true) return `text of 8 hex digits a value, at most ${maxLength}`;
  return maxLength === undefined ? 'text' : `text of at most ${maxLength} characters`;
}

function states(): string {
  const rows = (edges: Readonly<Record<string, Readonly<Partial<Record<string, string>>>>>): string[][] =>
    Object.entries(edges).map(([state, next]) => [`\`${state}\``, Object.entries(next).map(([type, to]) => (to === state ? type : `${type} → ${to === 'ofRole' ? '*of the role*' : `\`${to}\``}`)).join(', ') || 'nothing']);
  return [
    table(['the coordinator, of one connection', 'expects from the node (→ the state after it, where it is another)'], rows(COORDINATOR_EDGES)),
    table(['a node', 'expects from the coordinator (→ the state after it, where it is another)'], rows(NODE_EDGES)),
  ].join('\n\n');
}

function errors(): string {
  return table(['code', 'close code', 'a node dials again'], Object.entries(CLUSTER_ERRORS).map(([code, { closeCode, retry }]) => [`\`${code}\``, String(closeCode), retry ? 'yes' : 'no']));
}

function limitTables(): string {
  const MAX_TENSOR = -1;
  const columnsOf = [limits.HANDSHAKE_LIMITS, limits.limitsOfNode(MAX_TENSOR), limits.limitsOfCoordinator(MAX_TENSOR)];
  const words: readonly (readonly [keyof FrameLimits, string])[] = [
    ['maxHeaderBytes', 'bytes of a header'],
    ['maxTensorBytes', 'bytes of a tensor'],
    ['maxDepth', 'maps and lists within each other'],
    ['maxKeys', 'keys in all maps of a header'],
    ['maxItems', 'items of a list'],
    ['maxTextBytes', 'bytes of a text'],
  ];
  const shown = (limit: number): string => (limit === MAX_TENSOR ? 'by plan and codec' : grouped(limit));
  const others = Object.entries<unknown>(limits).filter((entry): entry is [string, number] => typeof entry[1] === 'number').sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    table(['at most', 'before the proof, both ways', 'from a node', 'from a coordinator'], words.map(([name, what]) => [what, ...columnsOf.map((column) => shown(column[name]))])),
    table(['limit', 'value'], others.map(([name, value]) => [`\`${name}\``, grouped(value)])),
  ].join('\n\n');
}

/** A frame of two parameters, 1.5 and -2. */
function example(): string {
  const bytes = Uint8Array.of(0x00, 0x00, 0xc0, 0x3f, 0x00, 0x00, 0x00, 0xc0);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const frame = Buffer.concat(encodeMessage({
    type: 'parameters', generation: 1, version: 41, kind: 'whole', scalars: Float32Array.of(0.5), codec: 'float32', firstValue: 0, valueCount: 2, sha256, bytes,
  }));
  const lines = Array.from({ length: Math.ceil(frame.length / 16) }, (_, line) => {
    const part = frame.subarray(line * 16, line * 16 + 16);
    const hex = [...part].map((byte) => byte.toString(16).padStart(2, '0')).join(' ').padEnd(47);
    return `${(line * 16).toString(16).padStart(4, '0')}  ${hex}  ${part.toString('latin1').replace(/[^\x20-\x7e]/g, '.')}`;
  });
  return ['```text', ...lines, '```'].join('\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n').replaceAll('| --- ', '|---').replaceAll('--- |', '---|');
}

function grouped(value: number): string {
  return value.toLocaleString('en-US');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(PAGE, regenerated(readFileSync(PAGE, 'utf8')));
