// What somebody who opens a door asks for, checked as a whole before anything is loaded or opened.
import { readFile } from 'node:fs/promises';
import { inputError } from '../../src/errors.js';
import { findKey } from '../protocol/keys.js';
import { isLoopback, parseServeAddress } from './address.js';
import { checkTlsIdentity, type TlsIdentity } from './certificate.js';

export interface DoorOptions {
  /** `[host:]port`; true: where the run of `serveFrom` was served. */
  readonly address: string | true;
  /** The folder of a run that was served before: its nodes know this coordinator again. */
  readonly serveFrom?: string | undefined;
  /** As a link has it after `k=`; default: drawn. */
  readonly joinKey?: string | undefined;
  /** Further names under which it may be addressed, besides every address and `localhost`. */
  readonly hosts?: readonly string[] | undefined;
  /** Tells the network by mDNS where it is, never its key. */
  readonly announce?: boolean | undefined;
  /** Nobody needs a key, and off loopback there is no TLS but with `tls`. */
  readonly insecure?: boolean | undefined;
  /** In the place of a certificate that signs itself. */
  readonly tls?: TlsIdentity | undefined;
}

/** Of a host name, RFC 1035. */
const MAX_HOST_CHARACTERS = 253;

/** @throws ERR_LISTEN, ERR_KEY, ERR_OPTION */
export function checkDoor({ address, joinKey, hosts = [], announce = false, insecure = false, tls }: DoorOptions): void {
  if (address !== true) checkReach(parseServeAddress(address).host, announce);
  findKey({ option: joinKey });
  const wrong = hosts.find((name) => !isHostName(name));
  if (wrong !== undefined) throw inputError('ERR_OPTION', `--host ${JSON.stringify(wrong)} is no host name; give one such as trainer.lan, without scheme and port.`);
  if (insecure && joinKey !== undefined) throw inputError('ERR_OPTION', '--insecure asks nobody for a key, and one is given; leave out the one or the other.');
  if (tls !== undefined) checkTlsIdentity(tls);
}

/** @throws ERR_OPTION where nobody could follow the announcement */
export function checkReach(host: string, announce: boolean | undefined): void {
  if (announce !== true || !isLoopback(host)) return;
  throw inputError('ERR_OPTION', `--announce tells other machines of ${host}, which none of them reaches; serve on 0.0.0.0:port, or leave it out.`);
}

/**
 * The PEM files of `--tls-cert` and `--tls-key`.
 * @throws ERR_OPTION for a file that cannot be read
 */
export async function readTlsFiles(certificateFile: string, keyFile: string): Promise<TlsIdentity> {
  const [certificatePem, privateKeyPem] = await Promise.all([textOf('--tls-cert', certificateFile), textOf('--tls-key', keyFile)]);
  return { certificatePem, privateKeyPem };
}

async function textOf(option: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw inputError('ERR_OPTION', `${option} ${path} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown'}); give the path of a PEM file.`, { cause });
  }
}

/** A name or IPv4 address as a link can have it. */
function isHostName(name: string): boolean {
  return name.length <= MAX_HOST_CHARACTERS && /^[\w.-]+$/.test(name) && URL.canParse(`http://${name}:1/`);
}
