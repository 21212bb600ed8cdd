// A link as a node would find it: by requests for what the coordinator's port serves to everybody, which need no key.
import { createHash } from 'node:crypto';
import { get as getPlain, type IncomingMessage } from 'node:http';
import { get as getSecure } from 'node:https';
import { connect } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { formatAddress } from '../../cluster/net/address.js';
import type { JoinLink } from '../../cluster/protocol/keys.js';
import { runError } from '../../src/errors.js';
import { median } from './statistics.js';

/** Some 300 kB, about what a round of the mlp carries. */
const FILE = '/tab-worker.js';
const CONNECTS = 9;
const DOWNLOADS = 5;
const TIMEOUT_MS = 5_000;

export interface LinkFacts {
  /** Median time of a connection's first packet there and back. */
  readonly roundTripMs: number;
  /** Of the fastest download. */
  readonly rateMbps: number;
  /** Their clock less ours, by the second that they tell; undefined where they tell none. */
  readonly clockOffsetSeconds: number | undefined;
}

/** @throws ERR_DOCTOR where nobody answers there, or somebody else */
export async function probeLink(link: JoinLink): Promise<LinkFacts> {
  const roundTrips = await several(CONNECTS, () => connectMs(link));
  const downloads = await several(DOWNLOADS, () => download(link));
  const offset = downloads.at(-1)!.clockOffsetSeconds;
  return { roundTripMs: median(roundTrips), rateMbps: Math.max(...downloads.map(({ rateMbps }) => rateMbps)), clockOffsetSeconds: offset };
}

/** One that breaks says nothing of the link; two in a row say that nobody can join. */
async function several<T>(count: number, measure: () => Promise<T>): Promise<T[]> {
  const measured: T[] = [];
  for (let failures = 0; measured.length < count;) {
    try {
      measured.push(await measure());
      failures = 0;
    } catch (error) {
      if (++failures === 2) throw error;
    }
  }
  return measured;
}

function connectMs(link: JoinLink): Promise<number> {
  const begunMs = performance.now();
  return new Promise((resolve, reject) => {
    const socket = connect({ host: link.host, port: link.port, timeout: TIMEOUT_MS });
    socket.on('connect', () => { resolve(performance.now() - begunMs); socket.destroy(); });
    socket.on('timeout', () => { reject(unreachable(link, `no answer within ${TIMEOUT_MS / 1000} s`)); socket.destroy(); });
    socket.on('error', (error: NodeJS.ErrnoException) => { reject(unreachable(link, error.code ?? error.message)); });
  });
}

interface Download {
  readonly rateMbps: number;
  readonly clockOffsetSeconds: number | undefined;
}

/** Timed from its head to its last byte: what comes before is the way there and back. */
function download(link: JoinLink): Promise<Download> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => { reject(unreachable(link, reason)); };
    const options = { host: link.host, port: link.port, path: FILE, timeout: TIMEOUT_MS, agent: false as const };
    const take = (response: IncomingMessage): void => {
      if (response.statusCode !== 200) { fail(`it answers ${String(response.statusCode)}`); return; }
      const [beganMs, date] = [performance.now(), response.headers.date];
      let byteLength = 0;
      response.on('data', (chunk: Buffer) => { byteLength += chunk.length; });
      response.on('error', (error) => { fail(error.message); });
      response.on('end', () => {
        const milliseconds = Math.max(performance.now() - beganMs, 0.01);
        resolve({ rateMbps: (byteLength * 8) / (milliseconds * 1000), clockOffsetSeconds: date === undefined ? undefined : Math.round((Date.parse(date) - Date.now()) / 1000) });
      });
    };
    // The link's fingerprint says whose certificate it is to be; nobody else vouches for one that signs itself.
    const request = link.scheme === 'http' ? getPlain(options, take) : getSecure({ ...options, rejectUnauthorized: false }, (response) => {
      const certificate = (response.socket as TLSSocket).getPeerCertificate().raw;
      if (link.certificateSha256 === undefined || createHash('sha256').update(certificate).digest('hex') === link.certificateSha256) take(response);
      else { fail('its certificate is another than that of the link'); response.destroy(); }
    });
    request.on('timeout', () => { fail(`no answer within ${TIMEOUT_MS / 1000} s`); request.destroy(); });
    request.on('error', (error: NodeJS.ErrnoException) => { fail(error.code ?? error.message); });
  });
}

function unreachable(link: JoinLink, reason: string): Error {
  return runError('ERR_DOCTOR', `nobody can join at ${formatAddress(link)} (${reason}); see whether the run still serves there, and whether a firewall lets its port through.`);
}
