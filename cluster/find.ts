// Coordinators on the LAN, for somebody who has no link: the one to join, or all of them to choose from.
import { systemClock, type Clock } from './net/clock.js';
import { browse, type Found } from './net/discovery.js';
import { clusterError } from './protocol/errors.js';

export interface FindOptions {
  /** A key was given, so that one coordinator is enough to know. */
  readonly hasKey: boolean;
  /** Somebody typed it, so that a coordinator without keys is enough too. */
  readonly insecure: boolean;
  readonly notice: (sentence: string) => void;
  /** What is found within `waitMs`; a test hands in its own. */
  readonly look?: (waitMs: number, clock: Clock) => Promise<Found[]>;
}

/** Announcements come at once where they come; a busy Wi-Fi may lose the first question. */
const LOOK_MS = 3_000;

/**
 * Looks for announced coordinators.
 * @returns the link of the only one, where it can be joined with what was given; otherwise all of them, as lines for people
 * @throws ERR_NO_COORDINATOR
 */
export async function findCoordinator({ hasKey, insecure, notice, look = browse }: FindOptions): Promise<{ readonly link: string } | { readonly list: string }> {
  notice('looking for coordinators on this network');
  const found = await look(LOOK_MS, systemClock).catch((cause: unknown) => {
    throw clusterError('ERR_NO_COORDINATOR', { problem: `mDNS cannot be used here (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})` }, { cause });
  });
  const [only] = found;
  if (only === undefined) throw clusterError('ERR_NO_COORDINATOR', { problem: 'none is announced on this network, which --serve with --announce does' });
  const fits = only.insecure ? insecure : hasKey && !insecure;
  if (found.length > 1 || !fits) return { list: listOf(found) };
  notice(`found "${only.name}"`);
  return { link: only.links[0]! };
}

function listOf(found: readonly Found[]): string {
  const rows = found.flatMap(({ name, links }) => [`  ${name}`, ...links.map((link) => `    ${link}`)]);
  return ['Coordinators on this network:', '', ...rows, '', sentenceFor(found)].join('\n');
}

function sentenceFor(found: readonly Found[]): string {
  if (found.every(({ insecure }) => insecure)) return 'To join one, which asks for no key: tensorflock join <link> --insecure.';
  return 'A key is never announced. To join one, take the link that it printed, or add its key: tensorflock join <link> --key-file <path>, or TENSORFLOCK_KEY.';
}
