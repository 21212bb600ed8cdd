import { ed25519 } from '@noble/curves/ed25519.js';
import { bytesToHex, hexToBytes, randomBytes } from '@noble/hashes/utils.js';

/**
 * A node's identity is an Ed25519 key pair: the secret stays with the node, the public key is the identity. A signature, and
 * no HMAC, because the coordinator then keeps nothing secret: what it has to remember (in checkpoints and event logs, so that
 * a restarted coordinator knows its nodes again) is the public key alone, and neither a reader of those files nor, over plain
 * http, a listener on the network who knows the join key can come as the node. It costs about 2 ms once a connection.
 */
export interface Identity {
  /** 64 hex digits. */
  readonly publicKey: string;
  /** 128 hex digits. */
  sign(bytes: Uint8Array): string;
}

export const IDENTITY_SECRET_BYTES = 32;

export function drawIdentitySecret(): Uint8Array {
  return randomBytes(IDENTITY_SECRET_BYTES);
}

/** @param secret `IDENTITY_SECRET_BYTES` random bytes, kept where only the node can read them */
export function identityOf(secret: Uint8Array): Identity {
  return {
    publicKey: bytesToHex(ed25519.getPublicKey(secret)),
    sign: (bytes) => bytesToHex(ed25519.sign(bytes, secret)),
  };
}

/** Whether the owner of `publicKey` signed the bytes, by the strict rules of RFC 8032; false for what is no key. */
export function isSignedBy(publicKey: string, bytes: Uint8Array, signature: string): boolean {
  return ed25519.verify(hexToBytes(signature), bytes, hexToBytes(publicKey), { zip215: false });
}
