import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

/** SHA-256 of long byte strings: the platform's own is ten times as fast as JavaScript's, and not everywhere the same. */
export interface Hasher {
  /** 64 lower-case hex digits. Reads the bytes before it returns and keeps none. */
  sha256(bytes: Uint8Array): string;
}

/** JavaScript alone, for pages whose browser offers no SHA-256 without TLS. */
export const portableHasher: Hasher = { sha256: (bytes) => bytesToHex(sha256(bytes)) };
