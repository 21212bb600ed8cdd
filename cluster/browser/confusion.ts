// What a confusion matrix says in a few figures.

export interface Mistake {
  readonly actual: number;
  readonly predicted: number;
  readonly count: number;
}

/** Examples on the diagonal by all; NaN for none. */
export function accuracyOf(confusion: readonly (readonly number[])[]): number {
  const right = confusion.reduce((sum, row, index) => sum + row[index]!, 0);
  return right / confusion.flat().reduce((sum, count) => sum + count, 0);
}

/** The most frequent first. */
export function worstMistakes(confusion: readonly (readonly number[])[], most: number): Mistake[] {
  return confusion
    .flatMap((row, actual) => row.map((count, predicted): Mistake => ({ actual, predicted, count })))
    .filter(({ actual, predicted, count }) => actual !== predicted && count > 0)
    .sort((a, b) => b.count - a.count)
    .slice(0, most);
}

/** Of a row's examples the part in each cell; all 0 for a class without any. */
export function rowFractions(row: readonly number[]): number[] {
  const all = row.reduce((sum, count) => sum + count, 0);
  return row.map((count) => (all === 0 ? 0 : count / all));
}
