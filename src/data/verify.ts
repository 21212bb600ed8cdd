import { createHash } from 'node:crypto';
import { inflateGzip, isGzip } from './files.js';
import type { SetFile } from './image-sets.js';

/** The decoded bytes of a set's file, or why the bytes are not that file. */
export type Verified = { readonly bytes: Uint8Array } | { readonly fault: string };

const SHOWN_HASH_DIGITS = 12;

/** Inflates `found` where it is gzip and compares length and SHA-256 with those of `file`. */
export async function verify(found: Uint8Array, file: SetFile): Promise<Verified> {
  const decoded = isGzip(found) ? await inflateAtMost(found, file.byteLength) : { bytes: found };
  if ('fault' in decoded) return decoded;
  if (decoded.bytes.length !== file.byteLength) {
    return { fault: `it has ${decoded.bytes.length} bytes, expected ${file.byteLength}` };
  }
  const sha256 = createHash('sha256').update(decoded.bytes).digest('hex');
  if (sha256 === file.sha256) return decoded;
  return { fault: `its SHA-256 begins ${shown(sha256)}, expected ${shown(file.sha256)}` };
}

async function inflateAtMost(bytes: Uint8Array, mostBytes: number): Promise<Verified> {
  try {
    return { bytes: await inflateGzip(bytes, mostBytes) };
  } catch (error) {
    return { fault: `its ${bytes.length} bytes of gzip are damaged, cut short or too long (${(error as Error).message})` };
  }
}

function shown(sha256: string): string {
  return sha256.slice(0, SHOWN_HASH_DIGITS);
}
