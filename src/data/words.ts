const QUOTED_CHARACTERS = 60;
const LISTED_NAMES = 12;

/** A text from a file or a caller as a sentence can carry it: quoted, on one line, cut where it is long. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > QUOTED_CHARACTERS ? `${text.slice(0, QUOTED_CHARACTERS)}…` : text);
}

/** Names for a sentence: the first dozen, and how many more. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, LISTED_NAMES).map(quoted).join(', ');
  return names.length > LISTED_NAMES ? `${shown} and ${names.length - LISTED_NAMES} more` : shown;
}

/** The fewest insertions, deletions and replacements that turn one word into the other (Levenshtein's distance). */
function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const replaced = previous[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[to.length]!;
}

/** The candidate most like `word`, case aside; undefined without candidates. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const wanted = word.slice(0, QUOTED_CHARACTERS).toLowerCase();
  const ranked = candidates.map((name) => ({
    name,
    distance: editDistance(wanted, name.slice(0, QUOTED_CHARACTERS).toLowerCase()),
  }));
  return ranked.sort((a, b) => a.distance - b.distance)[0]?.name;
}
