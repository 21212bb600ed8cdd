import { formatAddress } from './net/address.js';
import { givenKey } from './net/run-keys.js';
import { clusterError } from './protocol/errors.js';
import { parseJoinLink, type JoinLink } from './protocol/keys.js';

/** A link, and the other places where its key may be. */
export interface GivenLink {
  readonly link: string;
  /** Path of a file with the key, for a link without. */
  readonly keyFile?: string | undefined;
  /** With `TENSORFLOCK_KEY`. */
  readonly environment: NodeJS.ProcessEnv;
  /** Somebody typed it: no key is proved, and none asked for. */
  readonly insecure?: boolean;
}

/** @throws ERR_JOIN_LINK, ERR_KEY, ERR_INSECURE */
export async function keyedLink({ link, keyFile, environment, insecure = false }: GivenLink): Promise<JoinLink> {
  const given = parseJoinLink(link);
  if (insecure) return given;
  if (given.insecure === true) throw clusterError('ERR_INSECURE', { address: formatAddress(given) });
  return { ...given, key: await givenKey({ link: given.key, keyFile, environment: environment['TENSORFLOCK_KEY'] }) };
}
