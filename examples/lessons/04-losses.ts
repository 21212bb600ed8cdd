// Lesson 4. A loss turns outputs and targets into the one number that training makes small. What fits is a matter of its slope: by
// the weighted sum z, the right pair of output and loss leaves the plain error, output minus target.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { datasets, initialize, optimizers, type Dataset } from 'tensorflock';
import { first, formula, label, lines, mean, pixels, section, setWeights, short, steps, table, text, valuesOf, withTrainer, type Findings, type LessonContext } from './kit.js';

const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));

// Of one example: outputs p, targets t.
const squaredError = (p: readonly number[], t: readonly number[]): number => mean(p.map((value, k) => (value - t[k]!) ** 2));
const binaryCrossentropy = (p: readonly number[], t: readonly number[]): number => mean(p.map((value, k) => -(t[k]! * Math.log(value) + (1 - t[k]!) * Math.log(1 - value))));
const categoricalCrossentropy = (p: readonly number[], t: readonly number[]): number => -p.reduce((sum, value, k) => sum + t[k]! * Math.log(value), 0);
const sparseCategoricalCrossentropy = (p: readonly number[], classIndex: number): number => -Math.log(p[classIndex]!);

/** The library's loss of outputs that are given: a layer that changes nothing. The target is a row of numbers, or one class number. */
async function lossOf(loss: string, outputs: readonly number[], targets: readonly [number] | readonly [readonly number[]]): Promise<number> {
  const units = outputs.length;
  const model = tfl.sequential({ layers: [tfl.layers.dense({ units, useBias: false, inputShape: [units] })] });
  model.compile({ optimizer: 'sgd', loss });
  setWeights(model, [outputs.map((_, i) => outputs.map((__, j) => (i === j ? 1 : 0)))]);
  const data = datasets.arrays([outputs], targets);
  return withTrainer(model, { workers: 1 }, async (trainer) => (await trainer.evaluate(data)).loss);
}

/** One sigmoid neuron that begins far from its target 0 (Nielsen, 2015): input 1, weight 2, bias 2, so that its output is 0.98. */
async function learnFromAfar(loss: string, epochs: number): Promise<number[]> {
  const model = tfl.sequential({ layers: [tfl.layers.dense({ units: 1, activation: 'sigmoid', inputShape: [1] })] });
  model.compile({ optimizer: 'sgd', loss });
  setWeights(model, [[[2]], [2]]);
  const outputs: number[] = [];
  const weights = (): number[] => model.getWeights().map((tensor) => tensor.dataSync()[0]!);
  await withTrainer(model, { workers: 1, optimizer: optimizers.sgd({ learningRate: 0.15 }) }, (trainer) =>
    trainer.fit(datasets.arrays([[1]], [0]), null, { epochs, callbacks: { onEpochEnd: () => { outputs.push(sigmoid(weights().reduce((sum, each) => sum + each))); } } }));
  return outputs;
}

const oneHot = (data: Dataset): Float32Array => Float32Array.from({ length: data.exampleCount * 10 }, (_, index) => (label(data, Math.floor(index / 10)) === index % 10 ? 1 : 0));

/** A layer of ten outputs on images, with a loss: its test accuracy. */
async function onImages(activation: 'softmax' | 'sigmoid', loss: string, train: Dataset, test: Dataset, seed: number): Promise<{ accuracy: number; hash: string }> {
  const model = tfl.sequential({ layers: [tfl.layers.flatten({ inputShape: [28, 28] }), tfl.layers.dense({ units: 10, activation })] });
  model.compile({ optimizer: 'adam', loss });
  initialize(model, seed);
  const sparse = loss.startsWith('sparse');
  return withTrainer(model, { seed }, async (trainer) => {
    await trainer.fit(train.x[0]!, sparse ? train.y[0]! : { values: oneHot(train), shape: [train.exampleCount, 10] }, { batchSize: 32, epochs: 3 });
    const outputs = await trainer.predict(test.x[0]!);
    const predicted = valuesOf(tf.argMax(outputs, -1));
    outputs.dispose();
    return { accuracy: mean(predicted.map((each, example) => (each === label(test, example) ? 1 : 0))), hash: trainer.hashes().weightsSha256 };
  });
}

/** A number as target: the brightness of an image's lower half from that of its upper half, by a linear output and the squared error. */
async function regression(train: Dataset, seed: number): Promise<{ loss: number; variance: number }> {
  const halves = Array.from({ length: train.exampleCount }, (_, example) => pixels(train, example)).map((image) => [mean(image.slice(0, 392)), mean(image.slice(392))] as const);
  const targets = halves.map(([, lower]) => lower);
  const model = tfl.sequential({ layers: [tfl.layers.dense({ units: 1, inputShape: [1] })] });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  initialize(model, seed);
  const data = datasets.arrays(halves.map(([upper]) => [upper]), targets);
  const loss = await withTrainer(model, { seed, optimizer: optimizers.adam({ learningRate: 0.05 }) }, async (trainer) => {
    await trainer.fit(data, null, { batchSize: 100, epochs: 20 });
    return (await trainer.evaluate(data)).loss;
  });
  const centre = mean(targets);
  return { loss, variance: mean(targets.map((target) => (target - centre) ** 2)) };
}

export async function run({ seed, quick, images }: LessonContext): Promise<Findings> {
  const outputs = [0.7, 0.2, 0.1];
  const target = [1, 0, 0];
  const compared = [
    { name: 'mean squared error', byHand: squaredError(outputs, target), library: await lossOf('meanSquaredError', outputs, [target]) },
    { name: 'binary cross-entropy', byHand: binaryCrossentropy(outputs, target), library: await lossOf('binaryCrossentropy', outputs, [target]) },
    { name: 'categorical cross-entropy', byHand: categoricalCrossentropy(outputs, target), library: await lossOf('categoricalCrossentropy', outputs, [target]) },
    { name: 'sparse categorical cross-entropy', byHand: sparseCategoricalCrossentropy(outputs, 0), library: await lossOf('sparseCategoricalCrossentropy', outputs, [0]) },
  ];
  const largestDifference = Math.max(...compared.map(({ byHand, library }) => Math.abs(byHand - library)));

  const epochs = 300;
  const afar = { squared: await learnFromAfar('meanSquaredError', epochs), crossEntropy: await learnFromAfar('binaryCrossentropy', epochs) };
  const half = (curve: readonly number[]): number => curve.findIndex((output) => output < 0.5) + 1; // from 1; 0: never

  const { train, test } = await images();
  const some = first(train, quick ? 6000 : 60000);
  const pairs = [
    ['softmax', 'sparseCategoricalCrossentropy', 'class number'], ['softmax', 'categoricalCrossentropy', 'one-hot'],
    ['sigmoid', 'binaryCrossentropy', 'one-hot'], ['softmax', 'meanSquaredError', 'one-hot'],
  ] as const;
  const trained = [];
  for (const [activation, loss, targets] of pairs) trained.push({ activation, loss, targets, ...(await onImages(activation, loss, some, test, seed)) });
  const line = await regression(first(train, quick ? 500 : 2000), seed);

  const at = steps(-6, 6, 121);
  return {
    figures: {
      largestDifference, squared: compared[0]!.byHand, binary: compared[1]!.byHand, categorical: compared[2]!.byHand, sparse: compared[3]!.byHand,
      squaredHalf: half(afar.squared), crossEntropyHalf: half(afar.crossEntropy),
      squaredAtEnd: afar.squared.at(-1)!, crossEntropyAtEnd: afar.crossEntropy.at(-1)!,
      accuracies: trained.map(({ accuracy }) => accuracy), sparseAndCategoricalGiveTheSameBytes: trained[0]!.hash === trained[1]!.hash,
      regressionLoss: line.loss, regressionVariance: line.variance,
    },
    lines: [
      `For outputs ${outputs.join(', ')} and the first class: ${compared.map(({ name, byHand }) => `${name} ${byHand.toFixed(4)}`).join(', ')}; the library gives the same, to ${largestDifference.toExponential(0)}.`,
      `A sigmoid that is sure of the wrong answer comes to the border of ½ after ${half(afar.crossEntropy)} steps of cross-entropy and ${half(afar.squared)} of squared error, whose slope is flat there.`,
      `One layer on images: test accuracy ${trained.map(({ activation, loss, accuracy }) => `${accuracy.toFixed(3)} (${activation}, ${loss})`).join(', ')}.`,
    ],
    sections: [
      section('Four losses',
        formula(String.raw`\text{MSE} = \frac{1}{K} \sum_k (p_k - t_k)^2`),
        formula(String.raw`\text{BCE} = -\frac{1}{K} \sum_k \left( t_k \ln p_k + (1 - t_k) \ln (1 - p_k) \right)`),
        formula(String.raw`\text{CCE} = -\sum_k t_k \ln p_k, \qquad \text{sparse CCE} = -\ln p_c`),
        text(`Of the outputs ${outputs.join(', ')}, where the first is right. The sparse form is the categorical one with the class number c in place of a row of zeros and a one.`),
        table(['loss', 'by hand', 'library'], compared.map(({ name, byHand, library }) => [name, byHand.toFixed(6), library.toFixed(6)]))),
      section('Which fits which output',
        table(['the target is', 'output', 'loss'], [
          ['a number', 'linear', 'mean squared error'], ['yes or no, for one class or several at once', 'sigmoid', 'binary cross-entropy'],
          ['one of K classes, one-hot', 'softmax', 'categorical cross-entropy'], ['one of K classes, as its number', 'softmax', 'sparse categorical cross-entropy'],
        ]),
        text('Each pair leaves output minus target, times a constant, as the slope by the weighted sum:'),
        formula(String.raw`\text{linear:} \quad \frac{\partial\,\text{MSE}}{\partial z_k} = \tfrac{2}{K} (p_k - t_k)`),
        formula(String.raw`\text{sigmoid:} \quad \frac{\partial\,\text{BCE}}{\partial z_k} = \tfrac{1}{K} (p_k - t_k)`),
        formula(String.raw`\text{softmax:} \quad \frac{\partial\,\text{CCE}}{\partial z_k} = p_k - t_k`),
        text('With the squared error of a sigmoid, its own slope is a factor too, and that is flat on both sides:'),
        formula(String.raw`\text{sigmoid:} \quad \frac{\partial\,\text{MSE}}{\partial z_k} = \tfrac{2}{K} (p_k - t_k)\, p_k (1 - p_k)`),
        lines({ file: 'losses', title: 'Losses', x: 'weighted sum z, target 1', y: 'loss', caption: 'The loss of a sigmoid whose target is 1.' }, [
          { name: 'binary cross-entropy', points: at.map((z) => [z, binaryCrossentropy([sigmoid(z)], [1])] as const) },
          { name: 'mean squared error', points: at.map((z) => [z, squaredError([sigmoid(z)], [1])] as const) },
        ]),
        lines({ file: 'slopes', title: 'Slopes', x: 'weighted sum z, target 1', y: 'slope by z', caption: 'Their slopes: where the answer is most wrong (left), the squared error pulls least.' }, [
          { name: 'binary cross-entropy', points: at.map((z) => [z, sigmoid(z) - 1] as const) },
          { name: 'mean squared error', points: at.map((z) => [z, 2 * (sigmoid(z) - 1) * sigmoid(z) * (1 - sigmoid(z))] as const) },
        ]),
        lines({ file: 'afar', title: 'Learning from afar', x: 'step', y: 'output, target 0', caption: 'A sigmoid neuron that begins at 0.98 and should come to 0, at rate 0.15.' }, [
          { name: 'binary cross-entropy', points: afar.crossEntropy.map((output, step) => [step + 1, output] as const) },
          { name: 'mean squared error', points: afar.squared.map((output, step) => [step + 1, output] as const) },
        ])),
      section('On images',
        text(`Dense(10) on ${some.exampleCount.toLocaleString('en-US')} images, batch 32, 3 epochs, Adam, the same seed. ${trained[0]!.hash === trained[1]!.hash ? 'The first two end at the very same bytes.' : 'The first two compute the same in another order of rounding.'} The last does not fit, and learns all the same: it begins at outputs that are nearly even, where no slope is flat.`),
        table(['output', 'loss', 'targets', 'test accuracy'], trained.map(({ activation, loss, targets, accuracy }) => [activation, loss, targets, accuracy.toFixed(4)])),
        text(`A number: the brightness of the lower half of an image from that of its upper half, with a linear output. The squared error comes to ${short(line.loss)}, of a variance of ${short(line.variance)}.`)),
    ],
  };
}
