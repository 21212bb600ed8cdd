// The fields of every message as they stand in the header, checked both when they are read and when they are written.
import * as z from 'zod'; // as a namespace, of which a page gets what is used
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { CLUSTER_ERROR_CODES } from './errors.js';
import {
  MAX_AXES, MAX_CHUNK_BYTES, MAX_COLUMNS, MAX_FEED_RECORDS, MAX_NODES_BELOW, MAX_SCALARS, MAX_SENTENCE, MAX_SETTLED, MAX_SUBTREES, MAX_SUMS, MAX_THREADS, MAX_WORKERS_BELOW,
} from './limits.js';
import { COMMANDS, IMPEDIMENTS, LEAVE_REASONS, ROLES, type Message, type MessageOf } from './messages.js';
import { COLUMN_TYPES, type ManifestColumn } from './run-description.js';

const MAX_LEVEL = 40;
const FLOAT32_HEX_DIGITS = 8;

const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const positive = count.min(1);
const upTo = (limit: number): z.ZodNumber => count.max(limit);
const hex = (byteLength: number): z.ZodString => z.string().regex(new RegExp(`^[0-9a-f]{${2 * byteLength}}$`), `expected ${2 * byteLength} hex digits`);
const sha256 = hex(32);
const milliseconds = z.number().min(0);
const printable = (limit: number): z.ZodString => z.string().max(limit).regex(/^[^\p{C}\p{Zl}\p{Zp}]*$/u, 'expected no control characters');
const name = printable(80);
const arithmetic = z.string().regex(/^(fma|portable|native:[\x21-\x7e]{1,64})$/, 'expected the name of an arithmetic');

/** Float32 values by their bytes, little-endian: msgpack would lose the sign of -0 and the payload of a NaN. */
const floats = (limit: number) =>
  z.codec(z.string().max(limit * FLOAT32_HEX_DIGITS).regex(/^([0-9a-f]{8})*$/, 'expected float32 values in hex'), z.instanceof(Float32Array), {
    decode: (text) => new Float32Array(hexToBytes(text).buffer),
    encode: (values) => bytesToHex(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)),
  });

const subtree = z
  .strictObject({ level: upTo(MAX_LEVEL), index: count })
  .refine(({ level, index }) => (index + 1) * 2 ** level <= Number.MAX_SAFE_INTEGER, 'expected leaves that can be counted');
const codecName = z.enum(['float32', 'float16', 'bfloat16', 'int8', 'topk']);
const codec = z.discriminatedUnion('name', [
  z.strictObject({ name: z.enum(['float32', 'float16', 'bfloat16']) }),
  z.strictObject({ name: z.literal('int8'), blockValues: positive.max(65_536) }),
  z.strictObject({ name: z.literal('topk'), keptFraction: z.number().gt(0).max(1) }),
]);
const mode = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.enum(['sync', 'async']) }),
  z.strictObject({ kind: z.literal('stale'), staleness: count.max(1_000_000) }),
  z.strictObject({ kind: z.literal('local'), period: positive.max(1_000_000) }),
]);

const TYPE_BYTES = { uint8: 1, int32: 4, float32: 4 } as const;
const column = z
  .strictObject({
    name,
    role: z.enum(['input', 'target']),
    split: z.enum(['train', 'validation']),
    sha256,
    byteLength: positive,
    type: z.enum(COLUMN_TYPES),
    shape: z.array(positive).max(MAX_AXES),
    exampleCount: positive,
    scale: z.number().refine((scale) => scale !== 0, 'expected another scale than 0'),
  })
  .refine((value) => value.byteLength === bytesOfColumn(value), 'expected the byte length of type, shape and examples');

function bytesOfColumn({ type, shape, exampleCount }: Pick<ManifestColumn, 'type' | 'shape' | 'exampleCount'>): number {
  return shape.reduce((product, size) => product * size, TYPE_BYTES[type] * exampleCount);
}

const generation = positive;
const span = { codec: codecName, firstValue: count, valueCount: count, sha256 };

/** Of each type of message the fields in its header. */
export const SCHEMAS = {
  hello: z.strictObject({ type: z.literal('hello'), protocolVersion: count, role: z.enum(ROLES), identity: hex(32), nonce: hex(32), softwareVersion: printable(32) }),
  challenge: z.strictObject({ type: z.literal('challenge'), role: z.enum(['coordinator', 'relay']), runId: hex(16), nonce: hex(32), proof: hex(32) }),
  proof: z.strictObject({ type: z.literal('proof'), proof: hex(32), signature: hex(64) }),
  welcome: z
    .strictObject({
      type: z.literal('welcome'),
      generation, node: count, step: count, arithmetic, mode,
      codecs: z.strictObject({ toNode: codec, toCoordinator: codec }),
      batchRows: positive, shardSize: positive, seed: count, shuffle: z.boolean(), exampleCount: positive,
      workersHint: upTo(MAX_THREADS),
      heartbeatMs: positive.max(3_600_000), deadlineMs: positive.max(3_600_000),
      columns: z.array(column).max(MAX_COLUMNS),
      sha256,
    })
    .refine(({ heartbeatMs, deadlineMs }) => deadlineMs > heartbeatMs, { path: ['deadlineMs'], message: 'expected more than heartbeatMs' })
    .refine(({ columns, exampleCount }) => columns.every((one) => one.split !== 'train' || one.exampleCount >= exampleCount), { path: ['exampleCount'], message: 'expected no more than the columns have' }),
  probe: z.strictObject({ type: z.literal('probe'), probeSeed: count }),
  probed: z.strictObject({ type: z.literal('probed'), probeSeed: count, arithmetic, workerHashes: z.array(sha256).min(1).max(MAX_THREADS) }),
  dataRequest: z.strictObject({ type: z.literal('dataRequest'), column: sha256, offset: count, byteLength: positive.max(MAX_CHUNK_BYTES) }),
  dataChunk: z.strictObject({ type: z.literal('dataChunk'), column: sha256, offset: count, sha256 }),
  ready: z.strictObject({ type: z.literal('ready'), generation, workers: positive.max(MAX_WORKERS_BELOW), nodes: positive.max(MAX_NODES_BELOW), data: z.enum(['columns', 'rows']) }),
  parameters: z.strictObject({ type: z.literal('parameters'), generation, version: count, kind: z.enum(['whole', 'update']), scalars: floats(MAX_SCALARS), ...span, valueCount: positive }),
  assign: z.strictObject({
    type: z.literal('assign'),
    generation, assignment: count, task: z.enum(['train', 'validate']), epoch: count, step: count, stepCount: positive, version: count,
    subtrees: z.array(subtree).min(1).max(MAX_SUBTREES),
  }),
  rows: z.strictObject({ type: z.literal('rows'), generation, assignment: count, column: sha256, rowCount: positive, sha256 }),
  cancel: z.strictObject({ type: z.literal('cancel'), generation, assignments: z.array(count).min(1).max(MAX_SUBTREES) }),
  settled: z.strictObject({
    type: z.literal('settled'),
    generation,
    shares: z.array(z.strictObject({ assignment: count, level: upTo(MAX_LEVEL), index: count, counts: z.boolean() })).min(1).max(MAX_SETTLED),
  }),
  share: z.strictObject({
    type: z.literal('share'),
    generation, assignment: count, step: count, version: count, subtree, exampleCount: positive, sums: floats(MAX_SUMS), computeMs: milliseconds, encodeMs: milliseconds, ...span,
  }),
  state: z.strictObject({
    type: z.literal('state'),
    generation, assignment: count, version: count, stepCount: positive, exampleCount: positive, sums: floats(MAX_SUMS), computeMs: milliseconds, ...span, valueCount: positive,
  }),
  pause: z.strictObject({ type: z.literal('pause'), reason: z.enum(['quorum', 'operator']) }),
  resume: z.strictObject({ type: z.literal('resume') }),
  done: z.strictObject({ type: z.literal('done'), outcome: z.enum(['finished', 'stopped']), step: count, weightsSha256: sha256 }),
  leave: z.strictObject({ type: z.literal('leave'), reason: z.enum(LEAVE_REASONS) }),
  command: z.strictObject({ type: z.literal('command'), id: count, command: z.enum(COMMANDS) }),
  impede: z.strictObject({ type: z.literal('impede'), id: count, node: count, how: z.enum(IMPEDIMENTS) }),
  watch: z.strictObject({ type: z.literal('watch') }),
  feed: z.strictObject({ type: z.literal('feed'), recordCount: positive.max(MAX_FEED_RECORDS), sha256 }),
  performed: z.strictObject({ type: z.literal('performed'), id: count, step: count }),
  heartbeat: z.strictObject({ type: z.literal('heartbeat'), sentMs: milliseconds, echoMs: milliseconds }),
  error: z.strictObject({ type: z.literal('error'), code: z.enum(CLUSTER_ERROR_CODES), sentence: printable(MAX_SENTENCE) }),
} satisfies { readonly [Type in Message['type']]: z.ZodType<Omit<MessageOf<Type>, 'bytes'>> };
