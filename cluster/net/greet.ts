// The handshake over a stream, both ends of it; what is proved and how is the protocol's.
import { clusterError } from '../protocol/errors.js';
import { answerChallenge, answerHello, bindingOfPage, checkProof, drawNonce } from '../protocol/handshake.js';
import type { Identity } from '../protocol/identity.js';
import { keyNameOf, type KeyName } from '../protocol/keys.js';
import { PROTOCOL_VERSION, type ChallengeMessage, type HelloMessage, type Message, type MessageOf, type Role, type ServingRole } from '../protocol/messages.js';
import type { TryLimiter } from '../protocol/try-limiter.js';
import { encodeMessage } from '../protocol/wire.js';
import type { Clock } from './clock.js';
import type { Frames } from './frames.js';
import type { FromCoordinator, FromNode, Inbox } from './inbox.js';

/** Who has proved the key, and an identity. */
export interface Peer {
  readonly role: Role;
  /** 64 hex digits. */
  readonly identity: string;
  readonly softwareVersion: string;
  readonly address: string;
}

/** The coordinator's end. */
export interface Host {
  readonly role: ServingRole;
  /** 32 hex digits. */
  readonly runId: string;
  /** Empty keys where somebody typed `--insecure`. */
  readonly keys: Readonly<Record<KeyName, Uint8Array>>;
  /** 64 hex digits; empty without TLS. */
  readonly certificateSha256: string;
  readonly tries: TryLimiter;
  readonly clock: Clock;
}

/** The node's end. */
export interface Guest {
  readonly role: Role;
  readonly identity: Identity;
  /** At most 32 characters. */
  readonly softwareVersion: string;
  /** The join key, or an operator's the operator key. */
  readonly key: Uint8Array;
  /** As the handshake's endpoint has it. */
  readonly binding: string;
}

/**
 * Answers a node until it has proved key and identity.
 * @param pageOrigin of a page, which this door has found to be its own
 * @returns undefined where the stream ended before
 * @throws ClusterError for what the node does wrong
 */
export async function greetNode(stream: Frames, inbox: FromNode, host: Host, pageOrigin?: string): Promise<Peer | undefined> {
  const { address } = stream;
  const hello = await next<'hello'>(stream, inbox);
  if (hello === undefined) return undefined;
  const waitMs = host.tries.take(address, host.clock.nowMs());
  if (waitMs > 0) throw clusterError('ERR_TOO_MANY_TRIES', { address, seconds: Math.ceil(waitMs / 1_000) });
  const binding = pageOrigin === undefined ? host.certificateSha256 : bindingOfPage(pageOrigin);
  const end = { key: host.keys[keyNameOf(hello.role)], binding, address };
  const challenge = answerHello(hello, { role: host.role, runId: host.runId, nonce: drawNonce() }, end);
  void stream.send(encodeMessage(challenge));
  const proof = await next<'proof'>(stream, inbox);
  if (proof === undefined) return undefined;
  checkProof(proof, hello, challenge, end);
  host.tries.giveBack(address, host.clock.nowMs());
  return { role: hello.role, identity: hello.identity, softwareVersion: hello.softwareVersion, address };
}

/**
 * Proves the key to a coordinator that has proved it first.
 * @returns the challenge, which names the run; undefined where the stream ended before
 * @throws ERR_COORDINATOR_UNPROVED, or another ClusterError for what the coordinator does wrong
 */
export async function greetCoordinator(stream: Frames, inbox: FromCoordinator, guest: Guest): Promise<ChallengeMessage | undefined> {
  const { role, identity, softwareVersion, key, binding } = guest;
  const hello: HelloMessage = { type: 'hello', protocolVersion: PROTOCOL_VERSION, role, identity: identity.publicKey, nonce: drawNonce(), softwareVersion };
  void stream.send(encodeMessage(hello));
  const challenge = await next<'challenge'>(stream, inbox);
  if (challenge === undefined) return undefined;
  const proof = answerChallenge(challenge, hello, identity, { key, binding, address: stream.address });
  stream.trust();
  void stream.send(encodeMessage(proof));
  return challenge;
}

/** In each state of a handshake one type of message alone may come, which the inbox holds; the type is named for the reader. */
async function next<Type extends Message['type']>(stream: Frames, inbox: Inbox<Message>): Promise<MessageOf<Type> | undefined> {
  const frame = await stream.receive();
  return frame && (inbox.read(frame) as MessageOf<Type>);
}
