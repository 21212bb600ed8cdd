// A node's end of a connection from the first frame to the welcome, over whatever socket.
import { ClusterError, clusterError } from '../protocol/errors.js';
import { MAX_PLAN_BYTES } from '../protocol/limits.js';
import type { ChallengeMessage, WelcomeMessage } from '../protocol/messages.js';
import type { Clock } from './clock.js';
import { Connection, WAITING_PACE, type ToCoordinator } from './connection.js';
import type { Ending } from './ending.js';
import type { Frames } from './frames.js';
import { greetCoordinator, type Guest } from './greet.js';
import { FromCoordinator } from './inbox.js';

export interface IntroductionLimits {
  /** Until the coordinator has proved the key; and of silence until it has sent the whole welcome. */
  readonly handshakeTimeoutMs: number;
  /** Time in which a coordinator that does not read what waits for it is given up. */
  readonly stallMs: number;
}

export const INTRODUCTION_LIMITS: IntroductionLimits = { handshakeTimeoutMs: 10_000, stallMs: 30_000 };

export interface Introduction extends Guest {
  readonly limits: IntroductionLimits;
  readonly clock: Clock;
}

export interface Dialled {
  readonly connection: ToCoordinator;
  readonly welcome: WelcomeMessage;
  /** 32 hex digits: the run that was joined. */
  readonly runId: string;
}

/**
 * A node waits so many deadlines for a word of the coordinator, which gives it up after one: a coordinator that stood still has all its
 * nodes when it goes on. One that was killed is known at once, since its system says so.
 */
const DEADLINES = 4;

/**
 * Proves the key on both sides and waits for the welcome. Where it rejects, the stream has ended.
 * @throws ERR_COORDINATOR_UNPROVED, ERR_HANDSHAKE_TIMEOUT, ERR_UNREACHABLE, or what the coordinator ended the connection for
 */
export async function introduce(stream: Frames, introduction: Introduction): Promise<Dialled> {
  const { limits: { handshakeTimeoutMs }, clock } = introduction;
  const inbox = new FromCoordinator(introduction.role);
  const cancel = clock.after(handshakeTimeoutMs, () => { stream.fail(lateHandshake(stream.address, handshakeTimeoutMs)); });
  try {
    const challenge = await greetCoordinator(stream, inbox, introduction);
    cancel();
    if (challenge === undefined) throw errorOfEnding(await stream.ended, stream.address);
    return await welcomed(new Connection(stream, inbox, clock), stream, introduction, challenge);
  } catch (error) {
    cancel();
    if (error instanceof ClusterError) stream.fail(error);
    else stream.end();
    await stream.ended;
    throw error;
  }
}

export function lateHandshake(address: string, timeoutMs: number): ClusterError {
  return clusterError('ERR_HANDSHAKE_TIMEOUT', { address, timeoutMs });
}

async function welcomed(connection: ToCoordinator, stream: Frames, { limits, clock }: Introduction, { runId }: ChallengeMessage): Promise<Dialled> {
  const { handshakeTimeoutMs, stallMs } = limits;
  connection.allow(MAX_PLAN_BYTES);
  connection.beat({ heartbeatMs: WAITING_PACE.heartbeatMs, deadlineMs: Infinity, stallMs }); // silence is watched below
  const stopWatch = watchSilence(stream, handshakeTimeoutMs, clock, () => { stream.fail(lateHandshake(stream.address, handshakeTimeoutMs)); });
  const message = await connection.receive();
  stopWatch();
  if (message?.type === 'error') throw new ClusterError(message.code, message.sentence);
  if (message?.type !== 'welcome') throw errorOfEnding(await connection.ended, stream.address);
  connection.beat({ heartbeatMs: message.heartbeatMs, deadlineMs: DEADLINES * message.deadlineMs, stallMs });
  return { connection, welcome: message, runId };
}

/** A plan may be long and a network slow, so what counts is that bytes come. */
function watchSilence(stream: Frames, timeoutMs: number, clock: Clock, silent: () => void): () => void {
  const [begunMs, seenMs] = [clock.nowMs(), stream.readMs];
  let cancel = (): void => {};
  const watch = (since: number, read: number): void => {
    cancel = clock.after(since + timeoutMs - clock.nowMs(), () => {
      clock.afterReading(() => {
        if (stream.readMs > read) watch(stream.readMs, stream.readMs);
        else silent();
      });
    });
  };
  watch(begunMs, seenMs);
  return () => { cancel(); };
}

/** What a connection that ended before its welcome ended for. */
function errorOfEnding(ending: Ending, address: string): Error {
  if (ending.how === 'failed') return ending.error;
  return clusterError('ERR_UNREACHABLE', { address, problem: 'it ended the connection before the welcome' });
}
