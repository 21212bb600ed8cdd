/** A matrix in the share: rows `stride` floats apart. */
export interface SharedMatrix {
  readonly rows: number;
  readonly stride: number;
}

/** Rows [first, end) of the matrix number `matrix`. */
export interface Segment {
  readonly matrix: number;
  readonly first: number;
  readonly end: number;
}

/** Segments are cut at multiples of so many rows: on cache lines, and where products and packings take whole vectors. */
const ROW_STEP = 4;

/** Divides the matrices in order among the workers, by floats as even as whole steps of rows allow. Pure. */
export function segmentsOf(matrices: readonly SharedMatrix[], worker: number, workers: number): Segment[] {
  const total = matrices.reduce((sum, { rows, stride }) => sum + rows * stride, 0);
  const [from, to] = [(worker * total) / workers, ((worker + 1) * total) / workers];
  const segments: Segment[] = [];
  let before = 0;
  matrices.forEach(({ rows, stride }, matrix) => {
    const [first, end] = [borderRow(from - before, rows, stride), borderRow(to - before, rows, stride)];
    if (end > first) segments.push({ matrix, first, end });
    before += rows * stride;
  });
  return segments;
}

/** The row of a matrix before which a border lies, given in floats from the matrix's begin. */
function borderRow(floats: number, rows: number, stride: number): number {
  if (floats >= rows * stride) return rows; // all of it, whether or not its rows make whole steps
  return Math.min(rows, Math.max(0, Math.round(floats / (stride * ROW_STEP)) * ROW_STEP));
}
