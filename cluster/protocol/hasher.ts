/** SHA-256 of long byte strings: the platform's own is ten times as fast as JavaScript's, and not everywhere the same. */
export interface Hasher {
  /** 64 lower-case hex digits. Reads the bytes before it returns and keeps none. */
  sha256(bytes: Uint8Array): string;
}
