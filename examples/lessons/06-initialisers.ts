// Lesson 6. A weighted sum of n inputs has n times the variance of one term. So weights are drawn the narrower the more inputs a
// layer has (its fan-in) and, going back, outputs (its fan-out): Glorot and Bengio (2010) for tanh, He et al. (2015) for ReLU.
import * as tfl from '@tensorflow/tfjs-layers';
import { initialize, type Dataset } from 'tensorflock';
import { classifier, first, formula, histogramOf, histograms, lines, mean, section, short, spread, table, text, valuesOf, withTrainer, type Findings, type LessonContext } from './kit.js';

const DEPTH = 10;
const WIDTH = 200;

type Kernel = ReturnType<typeof tfl.initializers.zeros>;
const normal = (stddev: number): Kernel => tfl.initializers.randomNormal({ mean: 0, stddev });
/** The variance of a uniform distribution from -a to a is a² / 3. */
const uniform = (variance: number): Kernel => tfl.initializers.randomUniform({ minval: -Math.sqrt(3 * variance), maxval: Math.sqrt(3 * variance) });

interface Initialiser {
  readonly name: string;
  readonly latex: string;
  readonly kernel: (fanIn: number, fanOut: number) => Kernel;
}

const INITIALISERS: readonly Initialiser[] = [
  { name: 'zeros', latex: String.raw`w = 0`, kernel: () => tfl.initializers.zeros() },
  { name: 'small uniform', latex: String.raw`w \sim U(-0.05, 0.05)`, kernel: () => uniform(0.05 ** 2 / 3) },
  { name: 'Xavier normal', latex: String.raw`w \sim N\left(0, \tfrac{2}{n_\text{in} + n_\text{out}}\right)`, kernel: (fanIn, fanOut) => normal(Math.sqrt(2 / (fanIn + fanOut))) },
  { name: 'Xavier uniform', latex: String.raw`w \sim U(-a, a), \quad a = \sqrt{\tfrac{6}{n_\text{in} + n_\text{out}}}`, kernel: (fanIn, fanOut) => uniform(2 / (fanIn + fanOut)) },
  { name: 'He normal', latex: String.raw`w \sim N\left(0, \tfrac{2}{n_\text{in}}\right)`, kernel: (fanIn) => normal(Math.sqrt(2 / fanIn)) },
  { name: 'He uniform', latex: String.raw`w \sim U(-a, a), \quad a = \sqrt{\tfrac{6}{n_\text{in}}}`, kernel: (fanIn) => uniform(2 / fanIn) },
];

/** tfjs cuts the normal distribution of `heNormal` at two standard deviations, which leaves 0.77 of the variance. */
const HE_OF_TFJS: Initialiser = { name: 'heNormal of tfjs', latex: '', kernel: () => tfl.initializers.heNormal({}) };

type Kind = 'relu' | 'tanh';
const relu = (z: number): number => Math.max(0, z);

/** The layers of a deep network: weighted sums, each followed by its activation. */
function layersOf(activation: Kind, { kernel }: Initialiser): { sums: tfl.SymbolicTensor[]; input: tfl.SymbolicTensor; output: tfl.SymbolicTensor } {
  const input = tfl.input({ shape: [28, 28] });
  let values = tfl.layers.flatten().apply(input) as tfl.SymbolicTensor;
  const sums = Array.from({ length: DEPTH }, (_, index) => {
    const fanIn = index === 0 ? 784 : WIDTH;
    const sum = tfl.layers.dense({ units: WIDTH, kernelInitializer: kernel(fanIn, WIDTH) }).apply(values) as tfl.SymbolicTensor;
    values = tfl.layers.activation({ activation }).apply(sum) as tfl.SymbolicTensor;
    return sum;
  });
  const output = tfl.layers.dense({ units: 10, activation: 'softmax', kernelInitializer: kernel(WIDTH, 10) }).apply(values) as tfl.SymbolicTensor;
  return { sums, input, output };
}

/** The weighted sums of each layer on some images: [layers][examples x units]. */
async function sumsOf(activation: Kind, initialiser: Initialiser, examples: Dataset, seed: number): Promise<number[][]> {
  const { sums, input } = layersOf(activation, initialiser);
  const model = tfl.model({ inputs: input, outputs: sums });
  initialize(model, seed);
  return withTrainer(model, { workers: 1 }, async (trainer) => (await trainer.predictAll(examples.x[0]!)).map(valuesOf));
}

/** The spread (standard deviation) of the gradient of each hidden kernel. */
async function gradientSpreads(activation: Kind, initialiser: Initialiser, examples: Dataset, seed: number): Promise<number[]> {
  const { input, output } = layersOf(activation, initialiser);
  const model = classifier(tfl.model({ inputs: input, outputs: output }), seed);
  const { gradients } = await withTrainer(model, { workers: 1 }, (trainer) => trainer.gradients(examples));
  return [...gradients.values()].filter((_, index) => index % 2 === 0).slice(0, DEPTH).map(spread);
}

async function trainedAccuracy(initialiser: Initialiser, train: Dataset, test: Dataset, seed: number, epochs: number): Promise<number> {
  const { input, output } = layersOf('relu', initialiser);
  return withTrainer(classifier(tfl.model({ inputs: input, outputs: output }), seed), { seed }, async (trainer) => {
    await trainer.fit(train, null, { batchSize: 32, epochs });
    return (await trainer.evaluate(test))['accuracy']!;
  });
}

/** Variance of the last layer's sums to that of the first's: 1 where a network of this depth neither fades nor swells. */
const kept = (spreads: readonly number[]): number => (spreads[0] === 0 ? 0 : (spreads[DEPTH - 1]! / spreads[0]!) ** 2);

/** The geometric mean over several networks, layer by layer: one alone is often off by a factor of 1.5 at this width. */
const typical = (networks: readonly (readonly number[])[]): number[] => networks[0]!.map((_, layer) => Math.exp(mean(networks.map((spreads) => Math.log(spreads[layer]!)))));

/** What is measured of each of several networks, one after the other. */
async function ofSeveral<T>(seed: number, draws: number, measure: (seed: number) => Promise<T>): Promise<T[]> {
  const networks: T[] = [];
  for (let draw = 0; draw < draws; draw++) networks.push(await measure(seed + draw));
  return networks;
}

interface Row extends Initialiser {
  /** Of the weighted sums of ReLU layers, of what the ReLUs make of them, and of the gradients of their kernels. */
  readonly spreads: readonly number[];
  readonly activations: readonly number[];
  readonly gradients: readonly number[];
  readonly last: readonly number[];
  readonly kept: number;
  readonly keptByTanh: number;
  readonly accuracy: number;
}

export async function run({ seed, quick, images }: LessonContext): Promise<Findings> {
  const { train, test } = await images();
  const batch = first(train, 100);
  const some = first(train, quick ? 2000 : 6000);
  const draws = quick ? 2 : 3;
  const rows: Row[] = [];
  for (const initialiser of [...INITIALISERS, HE_OF_TFJS]) {
    const sums = await ofSeveral(seed, draws, (each) => sumsOf('relu', initialiser, batch, each));
    const spreads = typical(sums.map((layers) => layers.map(spread)));
    const sumsOfTanh = await ofSeveral(seed, draws, (each) => sumsOf('tanh', initialiser, batch, each));
    rows.push({
      ...initialiser, spreads, kept: kept(spreads), last: sums[0]![DEPTH - 1]!,
      activations: typical(sums.map((layers) => layers.map((z) => spread(z.map(relu))))),
      keptByTanh: kept(typical(sumsOfTanh.map((layers) => layers.map(spread)))),
      gradients: typical(await ofSeveral(seed, draws, (each) => gradientSpreads('relu', initialiser, batch, each))),
      accuracy: await trainedAccuracy(initialiser, some, test, seed, quick ? 1 : 3),
    });
  }
  const shown = rows.filter(({ name }) => name !== HE_OF_TFJS.name);
  const of = (name: string) => rows.find((row) => row.name === name)!;
  const curve = (values: readonly number[]) => values.map((value, layer) => [layer + 1, value] as const);

  return {
    figures: {
      kept: shown.map((row) => row.kept), keptByHeOfTfjs: of(HE_OF_TFJS.name).kept,
      keptByTanh: shown.map((row) => row.keptByTanh),
      gradientRatio: shown.map(({ gradients }) => (gradients[1] === 0 ? 0 : gradients[DEPTH - 1]! / gradients[1]!)),
      accuracies: shown.map(({ accuracy }) => accuracy), zeroGradients: Math.max(...of('zeros').gradients),
    },
    lines: [
      `Of the variance of the weighted sums, the last of ${DEPTH} ReLU layers has kept ${shown.slice(1).map((row) => `${short(row.kept)} with ${row.name}`).join(', ')}.`,
      `With zeros every gradient of a hidden kernel is 0, for ever: test accuracy ${short(of('zeros').accuracy)}, against ${short(of('small uniform').accuracy)} with small uniform, ${short(of('Xavier uniform').accuracy)} with Xavier uniform and ${short(of('He uniform').accuracy)} with He uniform weights.`,
      `tfjs's heNormal is cut at two standard deviations and keeps ${short(of(HE_OF_TFJS.name).kept)}.`,
    ],
    sections: [
      section('Six initialisers',
        text(`A weighted sum of n inputs, weights and inputs independent, has n times the variance of one product. A layer with n_in inputs keeps the variance going forward where Var(w) = 1 / n_in, and going back where Var(w) = 1 / n_out; Xavier takes the mean of n_in and n_out for n, and He doubles the first, since ReLU takes half of the square away.`),
        formula(String.raw`\operatorname{Var}(z) = n_\text{in} \operatorname{Var}(w)\, \operatorname{E}(x^2), \qquad \operatorname{E}(\operatorname{ReLU}(z)^2) = \tfrac{1}{2} \operatorname{Var}(z)`),
        ...INITIALISERS.map(({ name, latex }) => formula(String.raw`\text{${name}:} \quad ${latex}`)),
        table(['layer', 'fan-in', 'fan-out', 'σ Xavier', 'σ He'], [['first', 784, WIDTH], ['2 to 10', WIDTH, WIDTH], ['output', WIDTH, 10]].map(([name, fanIn, fanOut]) => [name!, fanIn!, fanOut!, short(Math.sqrt(2 / (Number(fanIn) + Number(fanOut)))), short(Math.sqrt(2 / Number(fanIn)))]))),
      section('Weighted sums and activations, layer by layer',
        lines({ file: 'sums', title: 'Spread of weighted sums', x: 'hidden layer', y: 'standard deviation', caption: `Spread of the weighted sums in each of ${DEPTH} ReLU layers of ${WIDTH} units on ${batch.exampleCount} images, before training, logarithmic; the geometric mean of ${draws} networks. With zeros it is 0 everywhere.` },
          shown.map(({ name, spreads }) => ({ name, points: curve(spreads) })), { logY: true }),
        lines({ file: 'activations', title: 'Spread of activations', x: 'hidden layer', y: 'standard deviation', caption: 'Spread of what the ReLUs make of these sums: of a sum with mean 0 about 0.58 of its spread is left.' },
          shown.map(({ name, activations }) => ({ name, points: curve(activations) })), { logY: true }),
        histograms({ file: 'last-layer', title: 'Weighted sums of the last hidden layer', x: 'weighted sum', y: 'density', caption: 'The weighted sums of the tenth layer: with Xavier they have shrunk, with He they have not.' },
          ['Xavier normal', 'He normal'].map((name) => histogramOf(name, of(name).last, 60))),
        text('tanh has slope 1 at 0 and takes only a little of each sum. Under Xavier weights, which are for it, sums fade slowly; under He weights, of twice the variance, they stay.'),
        table(['initialiser', 'variance kept, ReLU', 'variance kept, tanh', 'test accuracy, ReLU'], rows.map((row) => [row.name, short(row.kept), short(row.keptByTanh), row.accuracy.toFixed(3)]))),
      section('Gradients, layer by layer',
        text('The gradient of a kernel is made of what came forward to its layer and of what came back. Weights that are too small shrink both at every layer, so that their product is small, but alike in all layers.'),
        lines({ file: 'gradients', title: 'Spread of gradients', x: 'hidden layer', y: 'standard deviation', caption: 'Spread of the gradient of each hidden kernel at the same moment, logarithmic. With zeros it is 0 everywhere.' },
          shown.map(({ name, gradients }) => ({ name, points: curve(gradients) })), { logY: true })),
    ],
  };
}
