// Lesson 5. The chain rule multiplies one slope and one weight for every layer that it goes back. A sigmoid's slope is at most 1/4, so
// that early layers learn hardly at all (Hochreiter, 1991); weights that are too large make the product explode instead.
import * as tfl from '@tensorflow/tfjs-layers';
import { datasets, initialize, optimizers, TensorflockError, type Dataset, type Optimizer } from 'tensorflock';
import { bars, classifier, first, formula, label, lines, norm, Random, section, setWeights, short, table, text, withTrainer, type Findings, type LessonContext } from './kit.js';

const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
const slope = (z: number): number => sigmoid(z) * (1 - sigmoid(z));

const CHAIN = 4;
const DEPTH = 10;
const WIDTH = 100;
/** What the weights are multiplied by to be too large, and the rate of SGD then. */
const [SCALE, RATE] = [1.4, 0.005];

/** Four hidden neurons, one a layer, and one output: a weighted sum z, a slope and a gradient of its bias for each. */
interface Chain {
  readonly weights: readonly number[];
  readonly z: readonly number[];
  readonly gradients: readonly number[];
}

/** The output is linear and the loss half its square error to 0, so that dE/da of the last hidden neuron is output times weight. */
function chainByHand(weights: readonly number[]): Chain {
  let a = 1;
  const z = weights.slice(0, CHAIN).map((w) => {
    const sum = w * a;
    a = sigmoid(sum);
    return sum;
  });
  const last = weights[CHAIN]!;
  let arriving = last * a * last; // dE/da of hidden neuron 4
  const gradients = new Array<number>(CHAIN);
  for (let layer = CHAIN - 1; layer >= 0; layer--) {
    gradients[layer] = arriving * slope(z[layer]!);
    arriving = gradients[layer]! * weights[layer]!;
  }
  return { weights, z, gradients };
}

/** The gradients of the hidden biases as the library computes them. Its squared error is not halved. */
async function chainByLibrary(weights: readonly number[]): Promise<number[]> {
  const hidden = Array.from({ length: CHAIN }, (_, layer) => tfl.layers.dense({ units: 1, activation: 'sigmoid', ...(layer === 0 ? { inputShape: [1] } : {}) }));
  const model = tfl.sequential({ layers: [...hidden, tfl.layers.dense({ units: 1 })] });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  setWeights(model, weights.flatMap((w) => [[[w]], [0]]));
  const { gradients } = await withTrainer(model, { workers: 1 }, (trainer) => trainer.gradients(datasets.arrays([[1]], [[0]])));
  return [...gradients.values()].filter((_, index) => index % 2 === 1).slice(0, CHAIN).map((bias) => bias[0]! / 2);
}

type Kind = 'sigmoid' | 'tanh' | 'relu';
/** As people write them. */
const NAMES: Readonly<Record<Kind, string>> = { sigmoid: 'sigmoid', tanh: 'tanh', relu: 'ReLU' };

/** Ten hidden layers. `scale` multiplies the weights that suit the activation: Glorot's for sigmoid and tanh, He's for ReLU. */
function deep(activation: Kind, scale = 1, last: 'softmax' | 'linear' = 'softmax'): tfl.LayersModel {
  const layer = (units: number, fanIn: number, activationOf: Kind | typeof last) => tfl.layers.dense({
    units, activation: activationOf,
    kernelInitializer: tfl.initializers.randomNormal({ mean: 0, stddev: scale * Math.sqrt(activation === 'relu' ? 2 / fanIn : 2 / (fanIn + units)) }),
  });
  const hidden = Array.from({ length: DEPTH }, (_, index) => layer(WIDTH, index === 0 ? 784 : WIDTH, activation));
  return tfl.sequential({ layers: [tfl.layers.flatten({ inputShape: [28, 28] }), ...hidden, layer(10, WIDTH, last)] });
}

/** Ten linear outputs that should be the one-hot row, with weights that are too large: nothing bounds the error, or its gradient. */
function large(scale: number, seed: number): tfl.LayersModel {
  const model = deep('relu', scale, 'linear');
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  initialize(model, seed);
  return model;
}

function withOneHot(data: Dataset): Dataset {
  const values = Float32Array.from({ length: data.exampleCount * 10 }, (_, index) => (label(data, Math.floor(index / 10)) === index % 10 ? 1 : 0));
  return { ...data, y: [{ values, shape: [data.exampleCount, 10] }] };
}

/** The length of the gradient of each hidden layer's kernel, from the first layer on. */
async function gradientNorms(model: tfl.LayersModel, examples: Dataset): Promise<number[]> {
  const { gradients } = await withTrainer(model, { workers: 1 }, (trainer) => trainer.gradients(examples));
  return [...gradients.values()].filter((_, index) => index % 2 === 0).slice(0, DEPTH).map(norm);
}

/** The loss of each step, up to the one that is no number any more. */
async function lossesOf(model: tfl.LayersModel, data: Dataset, optimizer: Optimizer, seed: number, epochs: number): Promise<{ losses: number[]; ended: string }> {
  const losses: number[] = [];
  const options = { batchSize: 32, epochs, callbacks: { onBatchEnd: (_: number, logs?: Record<string, number>) => { losses.push(logs!['loss']!); } } };
  return withTrainer(model, { seed, optimizer }, async (trainer) => {
    try {
      await trainer.fit(data, null, options);
      return { losses, ended: 'finite' };
    } catch (error) {
      if (error instanceof TensorflockError && error.code === 'ERR_NAN_LOSS') return { losses, ended: 'not a number' };
      throw error;
    }
  });
}

export async function run({ seed, quick, images }: LessonContext): Promise<Findings> {
  const random = new Random(seed);
  const weights = Array.from({ length: CHAIN + 1 }, () => random.normal());
  const chain = chainByHand(weights);
  const ofLibrary = await chainByLibrary(weights);
  const chainDifference = Math.max(...chain.gradients.map((value, layer) => Math.abs(value - ofLibrary[layer]!)));
  const chainFalls = Math.abs(chain.gradients[CHAIN - 1]! / chain.gradients[0]!);

  const { train, test } = await images();
  const batch = first(train, 256);
  const kinds = ['sigmoid', 'tanh', 'relu'] as const;
  const some = first(train, quick ? 3000 : 20000);
  const depths = [];
  for (const kind of kinds) {
    const norms = await gradientNorms(classifier(deep(kind), seed), batch);
    const accuracy = await withTrainer(classifier(deep(kind), seed), { seed }, async (trainer) => {
      await trainer.fit(some, null, { batchSize: 32, epochs: quick ? 2 : 3 });
      return (await trainer.evaluate(test))['accuracy']!;
    });
    // The second and the tenth layer have kernels of the same size.
    depths.push({ kind, norms, falls: norms[DEPTH - 1]! / norms[1]!, accuracy });
  }
  const [ofSigmoid, ofTanh, ofRelu] = depths as [(typeof depths)[number], (typeof depths)[number], (typeof depths)[number]];

  const targets = withOneHot(first(train, quick ? 1000 : 4000));
  const epochs = quick ? 6 : 10;
  const norms = { usual: norm(await gradientNorms(large(1, seed), withOneHot(batch))), large: norm(await gradientNorms(large(SCALE, seed), withOneHot(batch))) };
  const exploded = await lossesOf(large(SCALE, seed), targets, optimizers.sgd({ learningRate: RATE }), seed, epochs);
  const clipped = await lossesOf(large(SCALE, seed), targets, optimizers.sgd({ learningRate: RATE, clipNorm: 1 }), seed, epochs);
  const lastOf = (losses: readonly number[]): number => losses.slice(-10).reduce((sum, loss) => sum + loss, 0) / 10;

  return {
    figures: {
      chainDifference, chainFalls, chainWeights: chain.weights, chainGradients: chain.gradients,
      sigmoidFalls: ofSigmoid.falls, tanhFalls: ofTanh.falls, reluFalls: ofRelu.falls,
      sigmoidAccuracy: ofSigmoid.accuracy, tanhAccuracy: ofTanh.accuracy, reluAccuracy: ofRelu.accuracy,
      largeNorm: norms.large, usualNorm: norms.usual, explodedAfterSteps: exploded.losses.length, exploded: exploded.ended, clipped: clipped.ended, clippedFirst: clipped.losses[0]!, clippedLast: lastOf(clipped.losses),
    },
    lines: [
      `In a chain of ${CHAIN} sigmoid neurons the gradient falls from ${short(Math.abs(chain.gradients[CHAIN - 1]!))} at the last to ${short(Math.abs(chain.gradients[0]!))} at the first, by a factor of ${short(chainFalls)}.`,
      `Of ${DEPTH} layers, the second's gradient is ${short(1 / ofSigmoid.falls)} times as long as the tenth's with sigmoid, ${short(1 / ofTanh.falls)} times with tanh, ${short(1 / ofRelu.falls)} times with ReLU; test accuracy after training ${short(ofSigmoid.accuracy)}, ${short(ofTanh.accuracy)}, ${short(ofRelu.accuracy)}.`,
      `With weights ${SCALE} times as large a ReLU network's gradient is ${short(norms.large)} long instead of ${short(norms.usual)}; ${exploded.ended === 'finite' ? `training leaves the loss at ${short(lastOf(exploded.losses))}` : `after ${exploded.losses.length} steps the loss is not a number`}. Clipped to length 1 the loss falls from ${short(clipped.losses[0]!)} to ${short(lastOf(clipped.losses))}.`,
    ],
    sections: [
      section('A chain of four neurons',
        formula(String.raw`a_l = \sigma(w_l a_{l-1} + b_l), \qquad \frac{\partial E}{\partial b_1} = \sigma'(z_1)\, w_2\, \sigma'(z_2)\, w_3\, \sigma'(z_3)\, w_4\, \sigma'(z_4)\, \frac{\partial E}{\partial a_4}`),
        formula(String.raw`y = w_5 a_4, \qquad E = \tfrac{1}{2} (y - t)^2, \qquad \frac{\partial E}{\partial a_4} = (y - t)\, w_5`),
        formula(String.raw`\sigma'(z) = \sigma(z)(1 - \sigma(z)) \le \tfrac{1}{4} \quad\Rightarrow\quad |w_l\, \sigma'(z_l)| < \tfrac{1}{4} \text{ wherever } |w_l| < 1`),
        text(`Weights are drawn from a normal distribution, biases are 0, the input a₀ is 1, the target t is 0; w₅ is ${weights[CHAIN]!.toFixed(4)}. The library's gradients agree to ${chainDifference.toExponential(0)}.`),
        table(['neuron', 'weight', 'sum z', "slope σ'(z)", 'gradient of its bias'], chain.gradients.map((gradient, layer) => [`h${layer + 1}`, chain.weights[layer]!.toFixed(4), chain.z[layer]!.toFixed(4), slope(chain.z[layer]!).toFixed(4), gradient.toExponential(3)])),
        bars({ file: 'chain', title: 'Gradient in the chain', x: 'magnitude of the gradient', caption: 'How much of the gradient arrives at each of the four neurons.' }, chain.gradients.map((gradient, layer) => ({ name: `h${layer + 1}`, value: Math.abs(gradient) })))),
      section('Ten layers',
        text(`${DEPTH} hidden layers of ${WIDTH} units on ${batch.exampleCount} images, with weights whose variance is 2 / (fan-in + fan-out) for sigmoid and tanh, and 2 / fan-in for ReLU.`),
        lines({ file: 'depth', title: 'Gradient norms', x: 'hidden layer', y: 'gradient norm', caption: 'Length of the gradient of each layer\'s kernel before the first step, logarithmic. The first layer has 784 inputs, the others 100.' },
          depths.map(({ kind, norms }) => ({ name: NAMES[kind], points: norms.map((value, layer) => [layer + 1, value] as const) })), { logY: true }),
        table(['activation', 'norm in layer 2', 'norm in layer 10', 'layer 10 / layer 2', 'test accuracy'], depths.map(({ kind, norms, falls, accuracy }) => [NAMES[kind], norms[1]!.toExponential(2), norms[DEPTH - 1]!.toExponential(2), short(falls), accuracy.toFixed(3)]))),
      section('Exploding, and clipped',
        text(`The same ReLU network with linear outputs, squared error, and weights ${SCALE} times as large: so much is every sum multiplied by in each layer, forward and backward. Clipping takes all gradients as one vector, keeps its direction and bounds its length:`),
        formula(String.raw`g \leftarrow g \cdot \min\left(1, \frac{c}{\lVert g \rVert}\right), \qquad c = 1`),
        lines({ file: 'clipping', title: 'Loss', x: 'step', y: 'loss', caption: `Loss of each step of SGD at rate ${RATE}, both axes logarithmic. A line ends where the loss is not a number any more.` }, [
          { name: 'as it is', points: exploded.losses.map((loss, step) => [step + 1, loss] as const) },
          { name: 'clipped to length 1', points: clipped.losses.map((loss, step) => [step + 1, loss] as const) },
        ], { logX: true, logY: true })),
    ],
  };
}
