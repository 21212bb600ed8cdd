// A curve of any length in bounded memory: neighbours are joined, evenly along the whole of it.

/** What of a run is drawn as one point. */
export interface CurvePoint {
  readonly step: number;
  readonly atMs: number;
  /** NaN where there is none. */
  readonly values: Readonly<Record<string, number>>;
}

/** At most `most` points, of which each but the last stands for as many as the others. */
export class ThinnedCurve {
  #points: CurvePoint[] = [];
  /** Points that were given, of each that is kept. */
  #each = 1;
  #group: CurvePoint[] = [];

  constructor(private readonly most: number) {}

  add(point: CurvePoint): void {
    this.#group.push(point);
    if (this.#group.length < this.#each) return;
    this.#points.push(joined(this.#group));
    this.#group = [];
    if (this.#points.length >= this.most) this.#halve();
  }

  /** In the order given; the last one may stand for fewer. */
  get points(): readonly CurvePoint[] {
    return this.#group.length === 0 ? this.#points : [...this.#points, joined(this.#group)];
  }

  #halve(): void {
    const pairs = Array.from({ length: Math.ceil(this.#points.length / 2) }, (_, index) => this.#points.slice(2 * index, 2 * index + 2));
    const last = pairs.at(-1)!.length === 1 ? pairs.pop()! : []; // has only half of its own
    this.#points = pairs.map(joined);
    this.#group = last;
    this.#each *= 2;
  }
}

/** Where the last of them is, with the means of their values. */
function joined(points: readonly CurvePoint[]): CurvePoint {
  const last = points.at(-1)!;
  if (points.length === 1) return last;
  const values = Object.fromEntries(Object.keys(last.values).map((name) => [name, mean(points.map((point) => point.values[name] ?? NaN))]));
  return { ...last, values };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
