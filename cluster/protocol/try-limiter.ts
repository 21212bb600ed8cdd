/** Bounds of a `TryLimiter`. */
export interface TryLimits {
  /** Handshakes that may be under way, or have failed lately, from one network. */
  readonly burst: number;
  /** Time after which one failed try is forgotten, in ms. */
  readonly forgetMs: number;
  /** Networks that are remembered one by one. */
  readonly maxNetworks: number;
}

export const TRY_LIMITS: TryLimits = { burst: 64, forgetMs: 2_000, maxNetworks: 1_024 };

/** Those that came when there was no more room to remember them one by one. */
const ALL_OTHERS = 'all others';

/**
 * Counts handshakes by the network that they come from. A try is taken when a hello comes and given back when its proof was
 * good, so that many connections at once gain nothing. Memory is bounded: when `maxNetworks` are remembered, all further ones
 * share one count, which costs strangers their turn while an attack from that many networks lasts, and never a node that
 * is connected.
 */
export class TryLimiter {
  /** By network, when the last of its tries will be forgotten: each is `forgetMs` long, one behind the other. */
  readonly #clearMs = new Map<string, number>();

  constructor(private readonly limits: TryLimits = TRY_LIMITS) {}

  /**
   * @param nowMs monotonic
   * @returns 0 where the handshake may go on, otherwise the time in ms after which there is a try again
   */
  take(address: string, nowMs: number): number {
    const { burst, forgetMs } = this.limits;
    const network = this.#networkIn(address, nowMs);
    const clearMs = Math.max(nowMs, this.#clearMs.get(network) ?? nowMs);
    const waitMs = clearMs - nowMs - (burst - 1) * forgetMs;
    if (waitMs > 0) return waitMs;
    this.#clearMs.set(network, clearMs + forgetMs);
    return 0;
  }

  /** After a good proof, for the try that was taken before it. */
  giveBack(address: string, nowMs: number): void {
    const network = this.#networkIn(address, nowMs);
    const clearMs = (this.#clearMs.get(network) ?? nowMs) - this.limits.forgetMs;
    if (clearMs > nowMs) this.#clearMs.set(network, clearMs);
    else this.#clearMs.delete(network);
  }

  /** Networks in memory. */
  get size(): number {
    return this.#clearMs.size;
  }

  #networkIn(address: string, nowMs: number): string {
    const network = networkOf(address);
    return this.#clearMs.has(network) || this.#hasRoom(nowMs) ? network : ALL_OTHERS;
  }

  #hasRoom(nowMs: number): boolean {
    const room = this.limits.maxNetworks - 1;
    if (this.#clearMs.size < room) return true;
    for (const [network, clearMs] of this.#clearMs) {
      if (clearMs <= nowMs) this.#clearMs.delete(network);
    }
    return this.#clearMs.size < room;
  }
}

/** What counts as one place to come from: an IPv4 address, or the /64 of an IPv6 address, which is one household's. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped) return mapped[1]!;
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.replace(/%.*$/, '').split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0');
  return `${[...before, ...zeros, ...after].slice(0, 4).map((group) => group.toLowerCase().replace(/^0+(?=.)/, '')).join(':')}::/64`;
}
