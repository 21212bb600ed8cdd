// Who may read /metrics: whoever sends the metrics key, which opens nothing else.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { clusterError } from '../protocol/errors.js';
import { formatKey } from '../protocol/keys.js';
import { TryLimiter } from '../protocol/try-limiter.js';
import type { Answer } from './answer.js';
import type { Clock } from './clock.js';
import { linksWith, type LinkSource } from './links.js';
import { refusal, valuesOf } from './requests.js';

export interface MetricsSource {
  /** Empty where somebody typed `--insecure`: then nobody needs it. */
  readonly key: Uint8Array;
  readonly contentType: string;
  readonly text: () => Promise<string>;
}

export const METRICS_PATH = '/metrics';

const CHALLENGE = { 'WWW-Authenticate': 'Bearer realm="tensorflock metrics"' };

export class MetricsDoor {
  /** Of its own: who guesses here keeps no node out. */
  readonly #tries = new TryLimiter();

  constructor(private readonly source: MetricsSource, private readonly clock: Clock) {}

  /** The answer to a GET of our own host and origin. */
  async answer({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>, address: string): Promise<Answer> {
    const refused = this.source.key.byteLength === 0 ? undefined : this.#refusalOf(valuesOf(rawHeaders, 'authorization'), address);
    if (refused !== undefined) return refused;
    try {
      return { status: 200, text: await this.source.text(), headers: { 'Content-Type': this.source.contentType } };
    } catch {
      return { status: 500, text: 'The metrics cannot be read.\n' };
    }
  }

  #refusalOf(given: readonly string[], address: string): Answer | undefined {
    // Who has not tried has not failed: a browser, or a scanner.
    if (given.length === 0) return { status: 401, text: `Send "Authorization: Bearer" and the metrics key.\n`, headers: CHALLENGE };
    const nowMs = this.clock.nowMs();
    const waitMs = this.#tries.take(address, nowMs);
    const seconds = Math.ceil(waitMs / 1_000);
    if (waitMs > 0) return { ...refusal(429, clusterError('ERR_TOO_MANY_TRIES', { address, seconds })), headers: { 'Retry-After': String(seconds) } };
    if (given.length > 1 || !isKey(given[0]!, this.source.key)) return { ...refusal(401, clusterError('ERR_METRICS_KEY', { address })), headers: CHALLENGE };
    this.#tries.giveBack(address, nowMs);
    return undefined;
  }
}

/** In a time that does not depend on how much of it is right. */
function isKey(authorization: string, key: Uint8Array): boolean {
  const [, token = ''] = /^bearer +(\S+) *$/i.exec(authorization) ?? [];
  return timingSafeEqual(digestOf(token), digestOf(formatKey(key)));
}

function digestOf(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}

/** What a coordinator prints for whoever sets up Prometheus. */
export function describeMetrics(key: Uint8Array, source: LinkSource): string {
  const [link] = linksWith(new Uint8Array(0), source);
  const place = `${new URL(link!).origin}${METRICS_PATH}`;
  if (key.byteLength === 0) return `Prometheus reads ${place}.`;
  return `Prometheus reads ${place} with the header "Authorization: Bearer ${formatKey(key)}"; this key opens nothing else.`;
}
