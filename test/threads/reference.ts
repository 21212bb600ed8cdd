// Training of one small network written out plainly: loops over numbers, rounded after every operation as float32 does,
// the shards summed along the tree. It shares no code with the product.

const f = Math.fround;

/** Dense(hidden, relu) and Dense(outputs), row-major kernels. */
export interface Network {
  readonly kernel1: Float32Array;
  readonly bias1: Float32Array;
  readonly kernel2: Float32Array;
  readonly bias2: Float32Array;
}

export interface Sizes {
  readonly inputs: number;
  readonly hidden: number;
  /** A power of two: the division by it in the mean is exact, whichever way it is done. */
  readonly outputs: number;
}

export interface Examples {
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly count: number;
}

/** What a shard adds: gradients in the order of the network's weights, and the sum of its losses. */
type Share = readonly Float32Array[];

/** One chain from +0: the sum of a(i) * b(i), product and sum rounded apart. */
function chain(length: number, a: (i: number) => number, b: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum = f(sum + f(a(i) * b(i)));
  return sum;
}

/** The mean squared error's gradients over the rows [first, first + rows), each a chain over them. */
function shareOf({ kernel1, bias1, kernel2, bias2 }: Network, { inputs, hidden, outputs }: Sizes, { x, y }: Examples, first: number, rows: number): Share {
  const activation: number[][] = [];
  const hiddenSlope: number[][] = [];
  const slope: number[][] = [];
  let loss = 0;
  for (let r = 0; r < rows; r++) {
    const row = (first + r) * inputs;
    const before = Array.from({ length: hidden }, (_, j) => f(chain(inputs, (i) => x[row + i]!, (i) => kernel1[i * hidden + j]!) + bias1[j]!));
    const h = before.map((value) => Math.max(0, value));
    // d loss / d output: the mean's 1 / outputs, twice the difference.
    const error = Array.from({ length: outputs }, (_, j) => {
      const output = f(chain(hidden, (i) => h[i]!, (i) => kernel2[i * outputs + j]!) + bias2[j]!);
      return f(output - y[(first + r) * outputs + j]!);
    });
    const back = error.map((value) => f(value * (2 / outputs)));
    let squares = 0;
    for (const value of error) squares = f(squares + f(value * value));
    loss = f(loss + f(squares / outputs));
    activation.push(h);
    slope.push(back);
    hiddenSlope.push(before.map((value, j) => (value > 0 ? chain(outputs, (k) => back[k]!, (k) => kernel2[j * outputs + k]!) : 0)));
  }
  const overRows = (columns: number, left: (r: number) => (m: number) => number, m: number, right: readonly number[][]): number[] =>
    Array.from({ length: m * columns }, (_, at) => chain(rows, (r) => left(r)(Math.floor(at / columns)), (r) => right[r]![at % columns]!));
  const ones = (): (m: number) => number => () => 1;
  return [
    Float32Array.from(overRows(hidden, (r) => (m) => x[(first + r) * inputs + m]!, inputs, hiddenSlope)),
    Float32Array.from(overRows(hidden, ones, 1, hiddenSlope)),
    Float32Array.from(overRows(outputs, (r) => (m) => activation[r]![m]!, hidden, slope)),
    Float32Array.from(overRows(outputs, ones, 1, slope)),
    Float32Array.of(loss),
  ];
}

/** Level by level: node i is child 2i + child 2i+1, a last child without sibling goes up unchanged. */
function sumLevelByLevel(shares: readonly Share[]): Share {
  let level = shares;
  while (level.length > 1) {
    level = Array.from({ length: Math.ceil(level.length / 2) }, (_, i) => {
      const [left, right] = [level[2 * i]!, level[2 * i + 1]];
      return right === undefined ? left : left.map((values, w) => values.map((value, at) => f(value + right[w]![at]!)));
    });
  }
  return level[0]!;
}

export interface Training {
  readonly batchSize: number;
  readonly shardSize: number;
  readonly epochs: number;
  /** A float32. */
  readonly rate: number;
}

/** Trains with plain gradient descent in the examples' own order; returns the weights and the mean loss of each epoch. */
export function train(start: Network, sizes: Sizes, examples: Examples, { batchSize, shardSize, epochs, rate }: Training): { network: Network; losses: number[] } {
  let network = start;
  const losses: number[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    let total = 0;
    for (let first = 0; first < examples.count; first += batchSize) {
      const rows = Math.min(batchSize, examples.count - first);
      const shards: Share[] = [];
      for (let row = 0; row < rows; row += shardSize) shards.push(shareOf(network, sizes, examples, first + row, Math.min(shardSize, rows - row)));
      const sum = sumLevelByLevel(shards);
      total += sum[4]![0]!;
      const step = (weights: Float32Array, which: number): Float32Array => weights.map((value, at) => f(value - f(rate * f(sum[which]![at]! / rows))));
      network = { kernel1: step(network.kernel1, 0), bias1: step(network.bias1, 1), kernel2: step(network.kernel2, 2), bias2: step(network.bias2, 3) };
    }
    losses.push(total / examples.count);
  }
  return { network, losses };
}
