// SHA-256 by Node's own library, ten times as fast as JavaScript's. In a page sha256-in-pages.ts takes the place of this module: see
// `browser` in package.json.
import { createHash } from 'node:crypto';

/** A hash that bytes are added to, one part after the other. */
export interface RunningSha256 {
  update(bytes: Uint8Array | string): RunningSha256;
  /** 64 lower-case hex digits; the last call. */
  digest(): string;
}

export function startSha256(): RunningSha256 {
  const hash = createHash('sha256');
  const running: RunningSha256 = {
    update: (bytes) => {
      hash.update(bytes);
      return running;
    },
    digest: () => hash.digest('hex'),
  };
  return running;
}

/** 64 lower-case hex digits. Reads the bytes before it returns and keeps none. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
