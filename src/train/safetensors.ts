// The file format of the safetensors project (github.com/huggingface/safetensors, README "Format"): u64 little-endian length N of
// the header, N bytes of JSON padded with spaces, then the tensors' bytes, little-endian, without holes. Of its types we use F32.
import { z } from 'zod';
import { inputError } from '../errors.js';

/** A named float32 array; `values` holds the product of `shape`, row-major. */
export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export interface SafetensorsContents {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: readonly NamedTensor[];
}

const LENGTH_BYTES = 8;
const ALIGNMENT_BYTES = 8;
/** The limit of the reference implementation. */
const MAX_HEADER_BYTES = 100_000_000;
const METADATA_NAME = '__metadata__';
const SPACE = 0x20;

const size = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const entrySchema = z.strictObject({ dtype: z.string(), shape: z.array(size), data_offsets: z.tuple([size, size]) });
const metadataSchema = z.record(z.string(), z.string());

/**
 * The file as consecutive parts: the header, then each tensor's own memory (views, nothing is copied).
 * @throws ERR_CHECKPOINT_TENSORS for a name used twice or reserved, or a shape that does not fit its values.
 */
export function encodeSafetensors(tensors: readonly NamedTensor[], metadata: Readonly<Record<string, string>>): Uint8Array[] {
  assertTensors(tensors);
  return [encodeHeader(tensors, metadata), ...tensors.map(({ values }) => bytesOf(values))];
}

/**
 * The tensors in the order of their bytes; `values` are views of `bytes` where its alignment allows, otherwise copies.
 * @throws ERR_CHECKPOINT_TENSORS for a file cut short, a header that is no such JSON, a type other than F32, or tensors that overlap or leave holes.
 */
export function decodeSafetensors(bytes: Uint8Array): SafetensorsContents {
  const { header, dataStart } = readHeader(bytes);
  const { [METADATA_NAME]: metadata, ...entries } = header;
  const tensors = Object.entries(entries)
    .map(([name, entry]) => ({ name, ...parseEntry(name, entry) }))
    .sort((a, b) => a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1]);
  assertNoHoles(tensors.map(({ name, data_offsets }) => ({ name, offsets: data_offsets })), bytes.byteLength - dataStart);
  return {
    metadata: metadata === undefined ? {} : parseMetadata(metadata),
    tensors: tensors.map(({ name, shape, data_offsets: [begin, end] }) => ({ name, shape, values: floatsOf(bytes.subarray(dataStart + begin, dataStart + end)) })),
  };
}

/** Refuses tensors that no file could hold unambiguously. */
export function assertTensors(tensors: readonly NamedTensor[]): void {
  const names = new Set<string>([METADATA_NAME]);
  for (const { name, shape, values } of tensors) {
    if (names.has(name)) throw refused(`the name "${name}" is used twice or reserved`);
    names.add(name);
    if (countOf(shape) !== values.length) {
      throw refused(`tensor "${name}" of shape [${shape.join(', ')}] has ${String(values.length)} values, not ${String(countOf(shape))}`);
    }
  }
}

/** The values' own memory. Float32Array is little-endian wherever WebAssembly memory can be viewed through one. */
export function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** A view where the bytes are aligned, a copy where they are not. */
export function floatsOf(bytes: Uint8Array): Float32Array {
  const aligned = bytes.byteOffset % Float32Array.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / Float32Array.BYTES_PER_ELEMENT);
}

export function countOf(shape: readonly number[]): number {
  return shape.reduce((count, axis) => count * axis, 1);
}

function encodeHeader(tensors: readonly NamedTensor[], metadata: Readonly<Record<string, string>>): Uint8Array {
  let begin = 0;
  const entries = tensors.map(({ name, shape, values }) => {
    const end = begin + values.byteLength;
    const entry = { dtype: 'F32', shape, data_offsets: [begin, end] };
    begin = end;
    return [name, entry] as const;
  });
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries([[METADATA_NAME, metadata], ...entries])));
  const headerBytes = Math.ceil(text.byteLength / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
  const header = new Uint8Array(LENGTH_BYTES + headerBytes).fill(SPACE);
  new DataView(header.buffer).setBigUint64(0, BigInt(headerBytes), true);
  header.set(text, LENGTH_BYTES);
  return header;
}

function readHeader(bytes: Uint8Array): { header: Record<string, unknown>; dataStart: number } {
  if (bytes.byteLength < LENGTH_BYTES) throw malformed(`the file ends after ${String(bytes.byteLength)} bytes, before its header`);
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (headerBytes > MAX_HEADER_BYTES) throw malformed(`its header would be ${String(headerBytes)} bytes; at most ${String(MAX_HEADER_BYTES)} are allowed`);
  const dataStart = LENGTH_BYTES + Number(headerBytes);
  if (dataStart > bytes.byteLength) throw malformed(`the file ends after ${String(bytes.byteLength)} bytes, within its header of ${String(headerBytes)}`);
  return { header: parseHeader(bytes.subarray(LENGTH_BYTES, dataStart)), dataStart };
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw malformed('its header is no JSON', cause);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) throw malformed('its header is no JSON object');
  return header as Record<string, unknown>;
}

function parseEntry(name: string, entry: unknown): z.infer<typeof entrySchema> {
  const { data, success } = entrySchema.safeParse(entry);
  if (!success) throw malformed(`the header's entry "${name}" is not {dtype, shape, data_offsets}`);
  if (data.dtype !== 'F32') throw malformed(`tensor "${name}" has the type ${data.dtype}; only F32 is read here`);
  const [begin, end] = data.data_offsets;
  const byteLength = countOf(data.shape) * Float32Array.BYTES_PER_ELEMENT;
  if (end - begin !== byteLength) throw malformed(`tensor "${name}" of shape [${data.shape.join(', ')}] has ${String(end - begin)} bytes, not ${String(byteLength)}`);
  return data;
}

function parseMetadata(metadata: unknown): Record<string, string> {
  const { data, success } = metadataSchema.safeParse(metadata);
  if (!success) throw malformed(`its ${METADATA_NAME} is not an object of strings`);
  return data;
}

function assertNoHoles(ranges: readonly { name: string; offsets: readonly [number, number] }[], dataBytes: number): void {
  let position = 0;
  for (const { name, offsets } of ranges) {
    if (offsets[0] !== position) throw malformed(`tensor "${name}" starts at byte ${String(offsets[0])} of the data; the one before it ends at ${String(position)}`);
    position = offsets[1];
  }
  if (position !== dataBytes) throw malformed(`its tensors end at byte ${String(position)} of the data, which has ${String(dataBytes)}`);
}

function refused(reason: string): Error {
  return inputError('ERR_CHECKPOINT_TENSORS', `The tensors cannot be written: ${reason}.`);
}

function malformed(reason: string, cause?: unknown): Error {
  return inputError('ERR_CHECKPOINT_TENSORS', `This is no safetensors file that can be used: ${reason}.`, { cause });
}
