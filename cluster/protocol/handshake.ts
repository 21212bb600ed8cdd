// Both sides prove the key before anything else is read: hello, challenge (the coordinator's proof), proof (the node's), welcome.
// The coordinator goes first, so that a node shows nothing to a stranger. Nonces, keys and certificates are arguments.
import { equalBytes } from '@noble/curves/utils.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes, hexToBytes, randomBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { clusterError } from './errors.js';
import { isSignedBy, type Identity } from './identity.js';
import { keyNameOf } from './keys.js';
import type { ChallengeMessage, HelloMessage, ProofMessage, ServingRole } from './messages.js';

const NONCE_BYTES = 32;

/** What a side knows of its own end of the connection; the other end must know the same for a proof to be good. */
export interface Endpoint {
  /** Of the key that the node's role proves. */
  readonly key: Uint8Array;
  /**
   * What the connection is known by: SHA-256 of the TLS certificate that it is under, 64 hex digits; empty without TLS; of a page's
   * `bindingOfPage`.
   */
  readonly binding: string;
  /** Of the other side, for sentences. */
  readonly address: string;
}

/**
 * A page sees no certificate: whether it is the right one was for its browser to judge, before there was a page. What it knows is where
 * it came from, and a browser names that truly on each connection that a page opens. No program but a page takes or gives such a proof,
 * so that one who stands between cannot have one instead of a proof over the certificate.
 * @param origin `scheme://host:port`
 */
export function bindingOfPage(origin: string): string {
  return `page ${origin.toLowerCase()}`;
}

/** Everything that a proof covers. */
export interface HandshakeFacts {
  readonly hello: HelloMessage;
  readonly challenge: Omit<ChallengeMessage, 'type' | 'proof'>;
  readonly binding: string;
}

/** Who proves what. The label goes into the transcript, so that no proof can stand for another. */
export type ProofLabel = 'coordinator key' | 'node key' | 'node identity';

export function drawNonce(): string {
  return bytesToHex(randomBytes(NONCE_BYTES));
}

/**
 * What is proved, as bytes: every field with its name, both with their length before them (u32, little-endian), so that no two
 * sets of facts give the same bytes.
 */
export function transcript(label: ProofLabel, { hello, challenge, binding }: HandshakeFacts): Uint8Array {
  const fields = {
    tensorflock: label,
    protocolVersion: String(hello.protocolVersion),
    nodeRole: hello.role,
    coordinatorRole: challenge.role,
    nodeNonce: hello.nonce,
    coordinatorNonce: challenge.nonce,
    identity: hello.identity,
    softwareVersion: hello.softwareVersion,
    certificate: binding,
    runId: challenge.runId,
  };
  return concatBytes(...Object.entries(fields).flat().map(withLength));
}

/** Coordinator: answers a hello, whose version and form the decoder has checked. */
export function answerHello(hello: HelloMessage, own: { readonly role: ServingRole; readonly runId: string; readonly nonce: string }, end: Endpoint): ChallengeMessage {
  const challenge = { role: own.role, runId: own.runId, nonce: own.nonce };
  return { type: 'challenge', ...challenge, proof: prove('coordinator key', { hello, challenge, binding: end.binding }, end.key) };
}

/**
 * Node: checks the coordinator's proof and gives its own.
 * @throws ERR_COORDINATOR_UNPROVED, and then nothing that depends on the key may be sent
 */
export function answerChallenge(challenge: ChallengeMessage, hello: HelloMessage, identity: Identity, end: Endpoint): ProofMessage {
  const facts = { hello, challenge, binding: end.binding };
  const purpose = hello.role === 'operator' ? ' for operate' : '';
  if (!isProved('coordinator key', facts, end.key, challenge.proof)) throw clusterError('ERR_COORDINATOR_UNPROVED', { address: end.address, purpose });
  return { type: 'proof', proof: prove('node key', facts, end.key), signature: identity.sign(transcript('node identity', facts)) };
}

/**
 * Coordinator: checks the node's proof of the key, then that of its identity.
 * @param challenge what `answerHello` gave for this connection
 * @throws ERR_WRONG_KEY, ERR_IDENTITY
 */
export function checkProof(proof: ProofMessage, hello: HelloMessage, challenge: ChallengeMessage, end: Endpoint): void {
  const facts = { hello, challenge, binding: end.binding };
  const { address } = end;
  if (!isProved('node key', facts, end.key, proof.proof)) throw clusterError('ERR_WRONG_KEY', { role: hello.role, address, keyName: keyNameOf(hello.role) });
  if (isSignedBy(hello.identity, transcript('node identity', facts), proof.signature)) return;
  throw clusterError('ERR_IDENTITY', { address, identity: hello.identity });
}

function prove(label: ProofLabel, facts: HandshakeFacts, key: Uint8Array): string {
  return bytesToHex(hmac(sha256, key, transcript(label, facts)));
}

/** In constant time: how far a wrong proof is right does not show in how long it takes. */
function isProved(label: ProofLabel, facts: HandshakeFacts, key: Uint8Array, proof: string): boolean {
  return equalBytes(hmac(sha256, key, transcript(label, facts)), hexToBytes(proof));
}

function withLength(text: string): Uint8Array {
  const bytes = utf8ToBytes(text);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.byteLength, true);
  return concatBytes(length, bytes);
}
