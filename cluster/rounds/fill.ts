// How many leaves each source gets so that all finish together: water-filling with start times and the price of frames.

/** What a source needs for leaves, in milliseconds from now. */
export interface Filling {
  /** When its first share can be here at the earliest, without any leaf computed. */
  readonly startMs: number;
  readonly leafMs: number;
  /** For each subtree after the first. */
  readonly frameMs: number;
}

/** When `leaves` leaves in the fewest aligned subtrees are done; a source without leaves is done at once. */
export function finishMs({ startMs, leafMs, frameMs }: Filling, leaves: number): number {
  return leaves === 0 ? 0 : startMs + leaves * leafMs + (bitsIn(leaves) - 1) * frameMs;
}

/**
 * Leaves for each source, all in all `leaves`, so that the last finishes as early as can be: a finishing time is raised
 * until the sources hold enough, and what is too many is given back. A source whose start alone is later gets nothing.
 * Where frames cost something, a source takes only numbers of leaves whose subtrees are worth their frames. Ties go to
 * the source that stands first.
 */
export function fillSources(leaves: number, sources: readonly Filling[]): number[] {
  if (leaves === 0 || sources.length < 2) return sources.map(() => leaves);
  const [early, late] = finishingTime(leaves, sources);
  const before = sources.map((source) => capacity(source, early, leaves));
  const filled = splitUntil(late, leaves, sources, before);
  // A ragged rest may end later than a larger share of another would have; nobody could hold more than is held then.
  return filled.endMs > late ? splitUntil(filled.endMs * (1 + CLOSE), leaves, sources, before).counts : filled.counts;
}

/** The best way to split the leaves where nobody gets more than it can do until then. */
function splitUntil(timeMs: number, leaves: number, sources: readonly Filling[], before: readonly number[]): { readonly counts: number[]; readonly endMs: number } {
  const most = sources.map((source) => capacity(source, timeMs, leaves));
  return giveBack(most, before, sources, most.reduce((sum, count) => sum + count, 0) - leaves);
}

/** Two times are close enough: far below the resolution of any clock, far above rounding. */
const CLOSE = 1e-9;

/** Two times close together: with the first the sources hold too few leaves, with the second enough. */
function finishingTime(leaves: number, sources: readonly Filling[]): readonly [number, number] {
  let early = 0;
  let late = Math.min(...sources.map((source) => finishMs(source, leaves)));
  // Rounding may take a leaf from a capacity at the very time that it was computed for.
  while (!isEnough(leaves, sources, late)) late *= 1 + CLOSE;
  while (late - early > late * CLOSE) {
    const middle = (early + late) / 2;
    if (isEnough(leaves, sources, middle)) late = middle;
    else early = middle;
  }
  return [early, late];
}

function isEnough(leaves: number, sources: readonly Filling[], timeMs: number): boolean {
  let held = 0;
  for (const source of sources) if ((held += capacity(source, timeMs, leaves)) >= leaves) return true;
  return false;
}

/** The most leaves that a source can be done with in time. It grows with the time, for every number of frames. */
function capacity({ startMs, leafMs, frameMs }: Filling, timeMs: number, most: number): number {
  const atOnce = Math.min(most, Math.floor((timeMs - startMs) / leafMs));
  if (!(atOnce > 0)) return 0;
  if (frameMs === 0) return atOnce;
  let best = 0;
  for (let frames = 1; ; frames++) {
    const room = Math.min(most, Math.floor((timeMs - startMs - (frames - 1) * frameMs) / leafMs));
    if (room <= best) return best;
    best = Math.max(best, topBits(room, frames));
  }
}

/** For each number of leaves that the sources so far give back together: the best way to, by what the last of them gives. */
interface Ways {
  readonly given: Int32Array;
  readonly endsMs: Float64Array;
  /** Leaves that are taken from sources which would have been in time with them all along. */
  readonly missed: Float64Array;
}

/**
 * Takes the surplus off again so that the last finishes as early as can be: of all ways, source after source, which are
 * no more than the surplus times all leaves. Of ways that end alike it is one that takes leaves back from those whose
 * last ones end only now, and of these one that takes them from the sources that stand last.
 */
function giveBack(most: readonly number[], before: readonly number[], sources: readonly Filling[], surplus: number): { readonly counts: number[]; readonly endMs: number } {
  let ways = nobodyYet(surplus);
  const afterEach = sources.map((source, index) => (ways = withNext(ways, source, most[index]!, before[index]!)));
  const counts = [...most];
  let left = surplus;
  for (let index = counts.length - 1; index >= 0; index--) {
    const given = afterEach[index]!.given[left]!;
    counts[index]! -= given;
    left -= given;
  }
  return { counts, endMs: ways.endsMs[surplus]! };
}

function nobodyYet(surplus: number): Ways {
  const endsMs = new Float64Array(surplus + 1).fill(Infinity);
  endsMs[0] = 0;
  return { given: new Int32Array(surplus + 1), endsMs, missed: new Float64Array(surplus + 1) };
}

function withNext(ways: Ways, source: Filling, count: number, before: number): Ways {
  const size = ways.endsMs.length;
  const next: Ways = { given: new Int32Array(size), endsMs: new Float64Array(size).fill(Infinity), missed: new Float64Array(size) };
  for (let given = 0; given <= Math.min(count, size - 1); given++) {
    const doneMs = finishMs(source, count - given);
    const missing = Math.max(0, before - (count - given));
    for (let all = given; all < size; all++) {
      const endMs = Math.max(ways.endsMs[all - given]!, doneMs);
      const missed = ways.missed[all - given]! + missing;
      if (endMs > next.endsMs[all]! || (endMs === next.endsMs[all] && missed > next.missed[all]!)) continue;
      next.given[all] = given;
      next.endsMs[all] = endMs;
      next.missed[all] = missed;
    }
  }
  return next;
}

/** The binary digits of a number that are 1: in so few aligned subtrees can so many leaves lie. */
export function bitsIn(number: number): number {
  let bits = 0;
  for (let rest = number; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}

/** The largest number up to `number` with at most `bits` binary digits that are 1; leaves are counted in 31 bits. */
function topBits(number: number, bits: number): number {
  let rest = number;
  for (let bit = 0; rest > 0 && bit < bits; bit++) rest ^= 1 << (31 - Math.clz32(rest));
  return number - rest;
}
