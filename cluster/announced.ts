import { hostname } from 'node:os';
import { announce } from './net/discovery.js';
import type { Listener } from './net/listen.js';

/**
 * Tells the network of a door by mDNS. Who has the link needs no announcement, so that a network without mDNS ends no run.
 * @returns what takes it back; undefined where there is none
 */
export async function announced({ address, scheme, certificateSha256 }: Listener, runId: string, insecure: boolean, notice: (sentence: string) => void): Promise<(() => Promise<void>) | undefined> {
  const name = `${hostname().split('.')[0]} ${runId.slice(0, 6)}`;
  try {
    const silence = await announce({ name, address, scheme, certificateSha256, insecure });
    notice(`announced on this network as "${name}", without its key`);
    return silence;
  } catch (error) {
    notice(`--announce does nothing here, because mDNS cannot be used (${(error as NodeJS.ErrnoException).code ?? 'unknown'}); give nodes the link.`);
    return undefined;
  }
}
