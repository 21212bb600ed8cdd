// SHA-256 where there is no Node: `crypto.subtle` is missing on plain http, takes no shared memory, and answers later.
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import type * as node from './sha256.js';

export const startSha256: typeof node.startSha256 = () => {
  const hash = sha256.create();
  const running: node.RunningSha256 = {
    update: (bytes) => {
      hash.update(typeof bytes === 'string' ? utf8ToBytes(bytes) : bytes);
      return running;
    },
    digest: () => bytesToHex(hash.digest()),
  };
  return running;
};

export const sha256Hex: typeof node.sha256Hex = (bytes) => bytesToHex(sha256(bytes));
