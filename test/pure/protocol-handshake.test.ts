import { createHmac, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ClusterError } from '../../cluster/protocol/errors.js';
import { answerChallenge, answerHello, bindingOfPage, checkProof, drawNonce, transcript, type Endpoint } from '../../cluster/protocol/handshake.js';
import { drawIdentitySecret, identityOf, isSignedBy } from '../../cluster/protocol/identity.js';
import { NO_KEY } from '../../cluster/protocol/keys.js';
import type { ChallengeMessage, HelloMessage, ProofMessage } from '../../cluster/protocol/messages.js';

const key = Uint8Array.from({ length: 16 }, (_, index) => index);
const identity = identityOf(new Uint8Array(32).fill(1));
const own = { role: 'coordinator', runId: 'ab'.repeat(16), nonce: '02'.repeat(32) } as const;
const hello: HelloMessage = { type: 'hello', protocolVersion: 1, role: 'node', identity: identity.publicKey, nonce: '01'.repeat(32), softwareVersion: '0.1.0' };
const end: Endpoint = { key, binding: 'cd'.repeat(32), address: '192.168.1.7' };

const challenge = answerHello(hello, own, end);
const proof = answerChallenge(challenge, hello, identity, end);
const refused = (code: string) => expect.objectContaining({ code }) as ClusterError;

test('both sides accept each other under the same key', () => {
  expect(() => checkProof(proof, hello, challenge, end)).not.toThrow();
});

test('a transcript is the fields with their names, each behind its length', () => {
  const part = (text: string): Buffer => Buffer.concat([Buffer.from(Uint32Array.of(Buffer.byteLength(text)).buffer), Buffer.from(text)]);
  const fields = [
    'tensorflock', 'node key', 'protocolVersion', '1', 'nodeRole', 'node', 'coordinatorRole', 'coordinator', 'nodeNonce', hello.nonce,
    'coordinatorNonce', own.nonce, 'identity', hello.identity, 'softwareVersion', '0.1.0', 'certificate', end.binding, 'runId', own.runId,
  ];
  const bytes = Buffer.concat(fields.map(part));
  expect(Buffer.from(transcript('node key', { hello, challenge, binding: end.binding }))).toEqual(bytes);
  expect(proof.proof).toBe(createHmac('sha256', key).update(bytes).digest('hex'));
});

test('a signature is Ed25519 as the platform has it', () => {
  const bytes = Uint8Array.of(1, 2, 3);
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(identity.publicKey, 'hex')]);
  expect(verify(null, bytes, createPublicKey({ key: spki, format: 'der', type: 'spki' }), Buffer.from(identity.sign(bytes), 'hex'))).toBe(true);
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const [raw, secret] = [publicKey.export({ format: 'jwk' }).x!, privateKey.export({ format: 'jwk' }).d!].map((text) => new Uint8Array(Buffer.from(text, 'base64url')));
  expect(identityOf(secret!).publicKey).toBe(Buffer.from(raw!).toString('hex'));
});

/** Each row changes what one side believes; the other believes the same as before. */
describe('a node refuses a coordinator', () => {
  test.each<[string, { challenge?: Partial<ChallengeMessage>; hello?: Partial<HelloMessage>; end?: Partial<Endpoint> }]>([
    ['with another key', { end: { key: key.with(15, 0) } }],
    ['with no key', { end: { key: NO_KEY } }],
    ['behind another certificate', { end: { binding: 'ce'.repeat(32) } }],
    ['that took the TLS away', { end: { binding: '' } }],
    ['that takes it for a page', { end: { binding: bindingOfPage('https://192.168.1.7:8080') } }],
    ['that answers an earlier hello', { hello: { nonce: '09'.repeat(32) } }],
    ['that changed its nonce', { challenge: { nonce: '03'.repeat(32) } }],
    ['that names another run', { challenge: { runId: 'ac'.repeat(16) } }],
    ['that names another role', { challenge: { role: 'relay' } }],
    ['that was told another role', { hello: { role: 'viewer' } }],
    ['that was told another version', { hello: { protocolVersion: 2 } }],
    ['that was told another identity', { hello: { identity: '00'.repeat(32) } }],
    ['that sends the node\'s own proof back', { challenge: { proof: proof.proof } }],
    ['whose proof is wrong in its last bit', { challenge: { proof: flipped(challenge.proof) } }],
  ])('%s', (_, changed) => {
    expect(() => answerChallenge({ ...challenge, ...changed.challenge }, { ...hello, ...changed.hello }, identity, { ...end, ...changed.end })).toThrow(refused('ERR_COORDINATOR_UNPROVED'));
  });
});

test('a page proves where it came from, in the place of the certificate', () => {
  const page = { ...end, binding: bindingOfPage('https://Trainer.lan:8080') };
  expect(page.binding).toBe('page https://trainer.lan:8080');
  const asked = answerHello(hello, own, page);
  expect(() => checkProof(answerChallenge(asked, hello, identity, page), hello, asked, page)).not.toThrow();
});

describe('a coordinator refuses a node', () => {
  const viewer = { ...hello, role: 'viewer' as const };
  const viewed = answerHello(viewer, own, end);
  const again = answerHello(hello, { ...own, nonce: '0a'.repeat(32) }, end);

  test.each<[string, ProofMessage, HelloMessage, ChallengeMessage, Partial<Endpoint>]>([
    ['with another key', proof, hello, challenge, { key: key.with(0, 1) }],
    ['that came under another certificate', proof, hello, challenge, { binding: 'ce'.repeat(32) }],
    ['that came without TLS', proof, hello, challenge, { binding: '' }],
    ['that came as a page', proof, hello, challenge, { binding: bindingOfPage('https://192.168.1.7:8080') }],
    ['that plays an old proof to a new nonce', proof, hello, again, {}],
    ['that changed its nonce', proof, { ...hello, nonce: '0b'.repeat(32) }, challenge, {}],
    ['that sends the coordinator\'s proof back', { ...proof, proof: challenge.proof }, hello, challenge, {}],
    ['that proved another role', proof, viewer, viewed, {}],
    ['that proved another version', proof, { ...hello, protocolVersion: 2 }, challenge, {}],
    ['that proved it to a relay', proof, hello, { ...challenge, role: 'relay' }, {}],
    ['that proved another identity', proof, { ...hello, identity: '00'.repeat(32) }, challenge, {}],
    ['whose proof is wrong in its last bit', { ...proof, proof: flipped(proof.proof) }, hello, challenge, {}],
  ])('%s', (_, given, said, asked, changed) => {
    expect(() => checkProof(given, said, asked, { ...end, ...changed })).toThrow(refused('ERR_WRONG_KEY'));
  });

  test('and names the key that its role proves', () => {
    const operator = { ...hello, role: 'operator' as const };
    expect(() => checkProof(proof, operator, challenge, end)).toThrow('The operator at 192.168.1.7 did not prove the operator key');
  });

  const stranger = identityOf(new Uint8Array(32).fill(2));
  test.each<[string, string]>([
    ['that has the key and not the identity', answerChallenge(challenge, hello, stranger, end).signature],
    ['that plays an old signature', answerChallenge(again, hello, identity, end).signature],
    ['whose signature is of what proves the key', identity.sign(transcript('node key', { hello, challenge, binding: end.binding }))],
    ['whose signature is no signature', 'ff'.repeat(64)],
  ])('%s', (_, signature) => {
    expect(() => checkProof({ ...proof, signature }, hello, challenge, end)).toThrow(refused('ERR_IDENTITY'));
  });

  test('whose identity anybody can sign for', () => {
    // The neutral element of the curve, y = 1, with R the same and S = 0: 8 S B = 8 R + 8 k A holds for every text under lax rules.
    const neutral = `01${'00'.repeat(31)}`;
    expect(isSignedBy(neutral, Uint8Array.of(1), neutral + '00'.repeat(32))).toBe(false);
  });
});

test('without a key two sides that both dropped it agree, and identities are proved all the same', () => {
  const open = { ...end, key: NO_KEY };
  const asked = answerHello(hello, own, open);
  const given = answerChallenge(asked, hello, identity, open);
  expect(() => checkProof(given, hello, asked, open)).not.toThrow();
  expect(() => checkProof({ ...given, signature: '00'.repeat(64) }, hello, asked, open)).toThrow(refused('ERR_IDENTITY'));
});

test('nonces and identities are drawn anew', () => {
  expect(drawNonce()).toMatch(/^[0-9a-f]{64}$/);
  expect(drawNonce()).not.toBe(drawNonce());
  expect(identityOf(drawIdentitySecret()).publicKey).not.toBe(identityOf(drawIdentitySecret()).publicKey);
});

function flipped(proof: string): string {
  return proof.slice(0, -1) + (Number.parseInt(proof.at(-1)!, 16) ^ 1).toString(16);
}
