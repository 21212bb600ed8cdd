// Second opinions: a share that may be wrong is held back until its leaves have been computed once more.
import type { LeafRange, TreeNode } from '../../src/plan/tree.js';
import type { Source } from './assign.js';
import type { Share } from './share.js';

/** It is not finite, its norm is odd, it was drawn for an audit, or two sources gave different bytes. */
export type DoubtReason = 'notFinite' | 'oddNorm' | 'audit' | 'differs';

export interface Doubt {
  readonly subtree: TreeNode;
  readonly leaves: LeafRange;
  readonly reason: DoubtReason;
  /** One for each computation of the leaves, in the order of arrival. */
  readonly shares: Share[];
}

export type Settlement =
  | { readonly kind: 'open' }
  /** `share` counts; the sources of `wrong` gave other bytes. Without `share` all who spoke contradicted themselves. */
  | { readonly kind: 'settled'; readonly share: Share | undefined; readonly wrong: readonly number[] };

const OPEN: Settlement = { kind: 'open' };

/**
 * What the computations of a doubted share say. In exact runs the same bytes twice are right. Where bytes differ, those of the
 * trusted local pool are right, else those of most sources, if at least two; a source that gave different bytes for the same
 * leaves is wrong in any case. In other runs bytes cannot be compared: a finite second computation counts, and nobody is blamed.
 */
export function settle(doubt: Doubt, exact: boolean, isTrusted: (source: number) => boolean): Settlement {
  const { shares } = doubt;
  if (!exact) return shares.length < 2 ? OPEN : { kind: 'settled', share: shares.findLast(({ isFinite }) => isFinite) ?? shares[0], wrong: [] };
  const contradictory = new Set(shares.filter(({ source, digest }) => shares.some((other) => other.source === source && other.digest !== digest)).map(({ source }) => source));
  const consistent = shares.filter(({ source }) => !contradictory.has(source));
  const right = rightShare(consistent, isTrusted);
  if (right === undefined && consistent.length > 0) return OPEN;
  const wrong = new Set([...contradictory, ...consistent.filter(({ digest }) => digest !== right?.digest).map(({ source }) => source)]);
  return { kind: 'settled', share: right, wrong: [...wrong].sort((a, b) => a - b) };
}

function rightShare(shares: readonly Share[], isTrusted: (source: number) => boolean): Share | undefined {
  const digests = new Set(shares.map(({ digest }) => digest));
  const first = shares[0];
  if (digests.size < 2) return shares.length < 2 ? undefined : first;
  const trusted = shares.find(({ source }) => isTrusted(source));
  if (trusted !== undefined) return trusted;
  const supporters = (digest: string): number => new Set(shares.filter((share) => share.digest === digest).map(({ source }) => source)).size;
  const [most, next] = [...digests].map((digest) => ({ digest, count: supporters(digest) })).sort((a, b) => b.count - a.count);
  return most!.count >= 2 && most!.count > next!.count ? shares.find(({ digest }) => digest === most!.digest) : undefined;
}

/**
 * Who computes doubted leaves again: the local pool before others, else who would begin first, but never one who already spoke.
 * Where nobody else is there, those who spoke once speak again: a passing fault contradicts itself then. Between sources that
 * stand by different bytes nobody can judge.
 */
export function judgeOf(doubt: Doubt, sources: readonly Source[], isTrusted: (source: number) => boolean): Source | undefined {
  const timesSpoken = ({ number }: Source): number => doubt.shares.filter(({ source }) => source === number).length;
  const others = sources.filter((source) => timesSpoken(source) === 0);
  return others.find(({ number }) => isTrusted(number)) ?? soonest(others) ?? sources.find((source) => timesSpoken(source) === 1);
}

function soonest(sources: readonly Source[]): Source | undefined {
  return [...sources].sort((a, b) => a.busyMs + a.pace.latencyMs - (b.busyMs + b.pace.latencyMs) || a.number - b.number)[0];
}

/** A norm is odd when it is further than this factor from the median: subtrees of 1 and of 64 leaves differ by up to 8 from noise alone. */
const ODD_FACTOR = 16;

/** Norms that a median is worth something of. */
const FEWEST_NORMS = 8;
const MOST_NORMS = 64;

/** Whether a norm per example stands out of the latest ones; of too few of them none does. */
export function isOddNorm(norm: number, latest: readonly number[]): boolean {
  if (latest.length < FEWEST_NORMS) return false;
  const median = [...latest].sort((a, b) => a - b)[Math.floor(latest.length / 2)]!;
  return norm > median * ODD_FACTOR || norm * ODD_FACTOR < median;
}

export function noteNorm(latest: number[], norm: number): void {
  latest.push(norm);
  if (latest.length > MOST_NORMS) latest.shift();
}
