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
 * until the sources hold enough. A source whose start alone is later gets nothing. Where frames cost something, a source
 * takes only numbers of leaves whose subtrees are worth their frames. Ties go to the source that stands first.
 */
export function fillSources(leaves: number, sources: readonly Filling[]): number[] {
  if (leaves === 0 || sources.length < 2) return sources.map(() => leaves);
  const [early, late] = finishingTime(leaves, sources);
  const counts = sources.map((source) => capacity(source, late, leaves));
  const before = sources.map((source) => capacity(source, early, leaves));
  giveBack(counts, before, sources, late, counts.reduce((sum, count) => sum + count, 0) - leaves);
  return counts;
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

/** Takes the surplus off again, from those who would otherwise finish last, so that nobody finishes later than `late`. */
function giveBack(counts: number[], before: readonly number[], sources: readonly Filling[], lateMs: number, surplus: number): void {
  let left = surplus;
  // Those whose last leaves end exactly now take them back whole; the source that stands first is asked last.
  for (let source = counts.length - 1; source >= 0 && left > 0; source--) {
    const jump = counts[source]! - before[source]!;
    if (jump > left) continue;
    counts[source]! -= jump;
    left -= jump;
  }
  // Then who pays nothing for a ragged number, a leaf at a time.
  for (; left > 0; left--) {
    const source = latest(sources, counts, ({ frameMs }, count) => frameMs === 0 && count > 0);
    if (source < 0) break;
    counts[source]!--;
  }
  while (left > 0) left -= cutOne(counts, sources, lateMs, left);
}

/** One source gives up to `surplus` leaves: one that is still in time with the ragged rest, else the one that is least late. */
function cutOne(counts: number[], sources: readonly Filling[], lateMs: number, surplus: number): number {
  let chosen = -1;
  let chosenMs = Infinity;
  sources.forEach((source, index) => {
    const count = counts[index]!;
    if (count === 0) return;
    const doneMs = Math.max(lateMs, finishMs(source, Math.max(0, count - surplus)));
    if (doneMs <= chosenMs) [chosen, chosenMs] = [index, doneMs];
  });
  const cut = Math.min(surplus, counts[chosen]!);
  counts[chosen]! -= cut;
  return cut;
}

function latest(sources: readonly Filling[], counts: readonly number[], isCandidate: (source: Filling, count: number) => boolean): number {
  let chosen = -1;
  let chosenMs = -Infinity;
  sources.forEach((source, index) => {
    const doneMs = finishMs(source, counts[index]!);
    if (isCandidate(source, counts[index]!) && doneMs >= chosenMs) [chosen, chosenMs] = [index, doneMs];
  });
  return chosen;
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
