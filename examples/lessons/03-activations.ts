// Lesson 3. What a neuron makes of its weighted sum, and the slope of that, which is what the chain rule multiplies by. Then softmax,
// which overflows unless the maximum is subtracted first.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { bars, classifier, first, formula, lines, Random, scatter, section, short, steps, table, text, valuesOf, withTrainer, type Findings, type LessonContext } from './kit.js';

interface Activation {
  readonly name: string;
  readonly latex: string;
  readonly value: (z: number) => number;
  readonly slope: (z: number) => number;
  /** The same in tfjs, whose derivative is asked for as a check. */
  readonly ofTfjs: (z: tf.Tensor) => tf.Tensor;
}

const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));

const ACTIVATIONS: readonly Activation[] = [
  { name: 'linear', latex: String.raw`f(z) = z, \quad f'(z) = 1`, value: (z) => z, slope: () => 1, ofTfjs: (z) => tf.mul(z, 1) },
  { name: 'sigmoid', latex: String.raw`f(z) = \frac{1}{1 + e^{-z}}, \quad f'(z) = f(z)(1 - f(z)) \le \tfrac{1}{4}`, value: sigmoid, slope: (z) => sigmoid(z) * (1 - sigmoid(z)), ofTfjs: tf.sigmoid },
  { name: 'tanh', latex: String.raw`f(z) = \tanh z, \quad f'(z) = 1 - f(z)^2 \le 1`, value: Math.tanh, slope: (z) => 1 - Math.tanh(z) ** 2, ofTfjs: tf.tanh },
  { name: 'ReLU', latex: String.raw`f(z) = \max(0, z), \quad f'(z) = \begin{cases} 1 & z > 0 \\ 0 & z \le 0 \end{cases}`, value: (z) => Math.max(0, z), slope: (z) => (z > 0 ? 1 : 0), ofTfjs: tf.relu },
  { name: 'leaky ReLU', latex: String.raw`f(z) = \max(0.01 z, z), \quad f'(z) = \begin{cases} 1 & z > 0 \\ 0.01 & z \le 0 \end{cases}`, value: (z) => (z > 0 ? z : 0.01 * z), slope: (z) => (z > 0 ? 1 : 0.01), ofTfjs: (z) => tf.leakyRelu(z, 0.01) },
];

/** Randomised ReLU (Xu et al., 2015): the slope below 0 is drawn anew for each value in training, and is their mean afterwards. */
const SLOPES = { least: 1 / 8, most: 1 / 3 };
const drawSlope = (random: Random): number => SLOPES.least + (SLOPES.most - SLOPES.least) * random.uniform();
const meanSlope = (SLOPES.least + SLOPES.most) / 2;

function naiveSoftmax(scores: readonly number[]): number[] {
  const powers = scores.map(Math.exp);
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** The same number, since e^(z - m) / Σ e^(z - m) = e^z / Σ e^z; but now the largest power is e^0 = 1. */
function softmax(scores: readonly number[]): number[] {
  const most = Math.max(...scores);
  return naiveSoftmax(scores.map((score) => score - most));
}

/** The least whole number whose power of e is infinite in this format. */
const overflowAt = (round: (value: number) => number): number => steps(0, 1000, 1001).find((z) => !Number.isFinite(round(Math.exp(z))))!;

const hiddenLayers = (): Record<string, tfl.layers.Layer[]> => ({
  linear: [tfl.layers.dense({ units: 100, activation: 'linear' })],
  sigmoid: [tfl.layers.dense({ units: 100, activation: 'sigmoid' })],
  tanh: [tfl.layers.dense({ units: 100, activation: 'tanh' })],
  ReLU: [tfl.layers.dense({ units: 100, activation: 'relu' })],
  'leaky ReLU': [tfl.layers.dense({ units: 100 }), tfl.layers.leakyReLU({ alpha: 0.01 })],
});

export async function run({ seed, quick, images }: LessonContext): Promise<Findings> {
  const at = steps(-5, 5, 101);
  // A tenth of a step beside 0, where the ReLUs have no derivative.
  const checked = at.map((z) => z + 0.01);
  const differences = ACTIVATIONS.map(({ slope, ofTfjs }) => {
    const slopes = tf.tidy(() => tf.grad(ofTfjs)(tf.tensor1d(checked)));
    return Math.max(...valuesOf(slopes).map((value, index) => Math.abs(value - slope(checked[index]!))));
  });
  const random = new Random(seed);
  const drawn = steps(-5, 5, 300).map((z) => {
    const a = drawSlope(random);
    return { z, a, value: z > 0 ? z : a * z, slope: z > 0 ? 1 : a };
  });
  const slopesOfPrelu = valuesOf(tf.tidy(() => tf.grad((z) => tf.prelu(z, tf.tensor1d(drawn.map(({ a }) => a))))(tf.tensor1d(drawn.map(({ z }) => z)))));
  const differenceOfDrawn = Math.max(...slopesOfPrelu.map((value, index) => Math.abs(value - drawn[index]!.slope)));

  const large = [1000, 1001, 1002];
  const [naive, stable] = [naiveSoftmax(large), softmax(large)];
  const jacobian = stable.map((si, i) => stable.map((sj, j) => si * ((i === j ? 1 : 0) - sj)));

  const { train, test } = await images();
  const some = first(train, quick ? 3000 : 20000);
  const accuracies = [];
  for (const [name, hidden] of Object.entries(hiddenLayers())) {
    const model = classifier(tfl.sequential({ layers: [tfl.layers.flatten({ inputShape: [28, 28] }), ...hidden, tfl.layers.dense({ units: 10, activation: 'softmax' })] }), seed);
    const accuracy = await withTrainer(model, { seed }, async (trainer) => {
      await trainer.fit(some, null, { batchSize: 32, epochs: quick ? 2 : 5 });
      return (await trainer.evaluate(test))['accuracy']!;
    });
    accuracies.push({ name, value: accuracy });
  }

  const largestDifference = Math.max(...differences, differenceOfDrawn);
  /** A step at 0 is drawn upright: the slope right beside 0 as well. */
  const withStep = at.flatMap((z) => (z === 0 ? [z, Number.EPSILON] : [z]));
  const maxima = ACTIVATIONS.map(({ slope }) => Math.max(...at.map(slope)));
  return {
    figures: {
      largestSlopes: maxima, largestDifference, meanSlope, drawnSlopes: drawn.map(({ a }) => a), jacobian: jacobian.flat(),
      overflow32: overflowAt(Math.fround), overflow64: overflowAt((value) => value),
      naiveIsFinite: naive.every(Number.isFinite), stable, accuracies: accuracies.map(({ value }) => value),
    },
    lines: [
      `The slope is at most ${short(maxima[1]!)} for sigmoid, ${short(maxima[2]!)} for tanh, and 1 for every positive sum of a ReLU; tfjs derives the same, to ${largestDifference.toExponential(0)}.`,
      `Softmax of ${large.join(', ')} is ${naive.some(Number.isNaN) ? 'not a number' : naive.map(short).join(', ')} by the plain formula, since e^z is too large from z = ${overflowAt(Math.fround)} on in float32 and from ${overflowAt((value) => value)} on in float64.`,
      `With the maximum subtracted it is ${stable.map((value) => value.toFixed(4)).join(', ')}.`,
      `784-100-10 on ${some.exampleCount.toLocaleString('en-US')} images: test accuracy ${accuracies.map(({ name, value }) => `${name} ${value.toFixed(3)}`).join(', ')}.`,
    ],
    sections: [
      section('Five activations and their slopes',
        ...ACTIVATIONS.map(({ name, latex }) => formula(String.raw`\text{${name}:} \quad ${latex}`)),
        lines({ file: 'activations', title: 'Activations', x: 'weighted sum z', y: 'f(z)', caption: 'What each makes of the weighted sum, cut at -2 and 2. Right of 0, linear and both ReLUs are one line.' },
          ACTIVATIONS.map(({ name, value }) => ({ name, points: at.map((z) => [z, value(z)] as const).filter(([, y]) => Math.abs(y) <= 2), dashed: name === 'leaky ReLU' }))),
        lines({ file: 'slopes', title: 'Derivatives', x: 'weighted sum z', y: "f'(z)", caption: 'The slopes. Where one is near 0, what lies before that neuron hardly learns. Right of 0, linear and both ReLUs are one line.' },
          ACTIVATIONS.map(({ name, slope }) => ({ name, points: withStep.map((z) => [z, slope(z)] as const), dashed: name === 'leaky ReLU' }))),
        table(['activation', 'largest slope', 'difference to tfjs'], ACTIVATIONS.map(({ name }, index) => [name, short(maxima[index]!), short(differences[index]!)]))),
      section('Randomised ReLU',
        text('Below 0 its slope is drawn for every value in training; afterwards the mean of the range is used. tfjs calls it prelu when the slopes are given, and derives the same.'),
        formula(String.raw`f(z) = \max(a z, z), \quad f'(z) = \begin{cases} 1 & z > 0 \\ a & z \le 0 \end{cases}`),
        formula(String.raw`a \sim U(\tfrac{1}{8}, \tfrac{1}{3}) \text{ in training}, \quad a = \tfrac{1}{2}(\tfrac{1}{8} + \tfrac{1}{3}) = ${short(meanSlope)} \text{ afterwards}`),
        scatter({ file: 'randomised', title: 'Randomised ReLU', x: 'weighted sum z', y: 'f(z)', caption: 'Three hundred values in training, and the line that is used afterwards.' },
          [{ name: 'training', points: drawn.map(({ z, value }) => [z, value] as const) }], [{ name: 'afterwards', points: [[-5, -5 * meanSlope], [0, 0], [5, 5]] }]),
        scatter({ file: 'randomised-slopes', title: 'Derivative of randomised ReLU', x: 'weighted sum z', y: "f'(z)", caption: 'The slopes of the same values.' },
          [{ name: 'training', points: drawn.map(({ z, slope }) => [z, slope] as const) }], [{ name: 'afterwards', points: [[-5, meanSlope], [0, meanSlope], [0, 1], [5, 1]] }])),
      section('Softmax',
        formula(String.raw`s_i = \frac{e^{z_i}}{\sum_j e^{z_j}} = \frac{e^{z_i - m}}{\sum_j e^{z_j - m}}, \quad m = \max_j z_j, \qquad \frac{\partial s_i}{\partial z_j} = s_i (\delta_{ij} - s_j), \quad \delta_{ij} = \begin{cases} 1 & i = j \\ 0 & i \ne j \end{cases}`),
        table(['scores', 'plain', 'maximum subtracted'], large.map((score, index) => [String(score), Number.isFinite(naive[index]) ? short(naive[index]!) : `${Math.exp(score)} / ${Infinity} is not a number`, stable[index]!.toFixed(6)])),
        text('Its derivatives, a row for each output and a column for each score; each column sums to 0, as the outputs always sum to 1, and each row, as a number added to all scores changes nothing.'),
        table(['', ...large.map((_, j) => `z${j + 1}`)], jacobian.map((row, i) => [`s${i + 1}`, ...row.map((value) => value.toFixed(4))]))),
      section('On images',
        text('The same network with each of the five between its two layers. A linear one adds nothing: two linear layers are one.'),
        bars({ file: 'accuracies', title: 'Test accuracy', x: 'test accuracy', caption: 'Test accuracy of 784-100-10 with each activation.' }, accuracies)),
    ],
  };
}
