// A relay, put together: a door for the nodes below, and what a node makes of the runs that it hands on to them.
import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { announced } from '../announced.js';
import { Register } from '../coordinator/register.js';
import { parseServeAddress } from '../net/address.js';
import { systemClock } from '../net/clock.js';
import { checkDoor, type DoorOptions } from '../net/door-options.js';
import { describeLinks } from '../net/links.js';
import { listen } from '../net/listen.js';
import { RefusalLog } from '../net/refusal-log.js';
import { drawRunKeys } from '../net/run-keys.js';
import type { OpenSession } from '../node/run-session.js';
import { NO_KEY } from '../protocol/keys.js';
import { MAX_CHUNK_BYTES } from '../protocol/limits.js';
import { Hall } from './hall.js';
import type { RelayTools } from './relay-run.js';

/** A relay's keys are its own, and new at each start. */
export type RelayDoor = Omit<DoorOptions, 'address' | 'serveFrom' | 'joinKey'> & { readonly address: string };

export interface Relay {
  readonly openSession: OpenSession;
  /** Sends the nodes below away, who dial again. */
  close(): Promise<void>;
}

/**
 * Opens the door; its links go to `notice`.
 * @throws ERR_LISTEN, ERR_PORT_BUSY, ERR_OPTION
 */
export async function openRelay(door: RelayDoor, tools: Omit<RelayTools, 'register'>): Promise<Relay> {
  checkDoor(door);
  const { hosts: names = [], insecure = false, tls } = door;
  const { notice } = tools;
  const hall = new Hall({ ...tools, register: new Register() });
  const keys = drawRunKeys();
  const runId = randomBytes(16).toString('hex');
  const refusals = new RefusalLog(systemClock, notice);
  const listener = await listen({
    address: parseServeAddress(door.address), role: 'relay', runId, keys, names, insecure, ...(tls === undefined ? {} : { tls }),
    limits: { maxTensorBytes: MAX_CHUNK_BYTES }, // more than any panel of float32 has
    receive: (peer, connection) => hall.receive(peer, connection),
    refused: (error) => { refusals.note(error); },
  });
  notice(describeLinks({ join: insecure ? NO_KEY : keys.join }, { ...listener, names, interfaces: networkInterfaces() }));
  const silence = door.announce === true ? await announced(listener, runId, insecure, notice) : undefined;
  return {
    openSession: hall.open,
    close: async () => {
      refusals.close();
      await hall.close();
      await Promise.all([listener.close(), silence?.()]);
    },
  };
}
