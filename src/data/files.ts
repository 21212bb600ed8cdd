import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { inputError } from '../errors.js';
import { quoted } from './words.js';

const inflate = promisify(gunzip);

/** Deflate cannot do better: 258 bytes for two bits (RFC 1951). */
const MOST_BYTES_PER_COMPRESSED_BYTE = 1032;
const LEAST_CHUNK_BYTES = 64 * 1024;
const MOST_CHUNK_BYTES = 256 * 1024 * 1024;

/** Whether bytes begin like a gzip file (RFC 1952). */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * Inflates a gzip file on a thread of Node's own pool. One output chunk of the length that the file's last four bytes
 * announce halves the time against zlib's 16 KiB chunks; a wrong announcement costs time, never correctness.
 * @param mostBytes the longest output accepted
 * @throws zlib's error where the file is damaged, cut short, or too long
 */
export async function inflateGzip(bytes: Uint8Array, mostBytes?: number): Promise<Uint8Array> {
  const announced = bytes.length < 18 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 4, true);
  const believable = Math.min(announced, bytes.length * MOST_BYTES_PER_COMPRESSED_BYTE, MOST_CHUNK_BYTES);
  const chunkSize = Math.max(believable + 1, LEAST_CHUNK_BYTES); // + 1: a full chunk makes zlib ask for another
  const inflated = await inflate(bytes, { chunkSize, ...(mostBytes && { maxOutputLength: mostBytes }) });
  return new Uint8Array(inflated.buffer, inflated.byteOffset, inflated.byteLength);
}

/**
 * The bytes of a file, inflated where it is gzip.
 * @throws TensorflockError where the file is missing, unreadable, empty, or damaged gzip
 */
export async function readDecodedFile(file: string): Promise<Uint8Array> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => { throw fileError(file, error); });
  if (bytes.length === 0) throw emptyFileError(file);
  if (!isGzip(bytes)) return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return inflateGzip(bytes).catch((error: Error) => {
    throw inputError(
      'ERR_FILE_GZIP',
      `the gzip file ${quoted(file)} of ${bytes.length} bytes is damaged or cut short (${error.message}); fetch it again`,
      { cause: error },
    );
  });
}

export function emptyFileError(file: string): Error {
  return inputError('ERR_FILE_EMPTY', `the file ${quoted(file)} is empty (0 bytes); give a file with data`);
}

/** The sentence for a file that could not be opened or read. */
export function fileError(file: string, error: NodeJS.ErrnoException): Error {
  if (error.code === 'ENOENT') {
    return inputError('ERR_FILE_MISSING', `the file ${quoted(file)} does not exist; check its path`, { cause: error });
  }
  if (error.code === 'EISDIR') {
    return inputError('ERR_FILE_UNREADABLE', `${quoted(file)} is a folder; name a file in it`, { cause: error });
  }
  return inputError(
    'ERR_FILE_UNREADABLE',
    `the file ${quoted(file)} cannot be read (${error.code ?? error.message}); check its path and rights`,
    { cause: error },
  );
}
