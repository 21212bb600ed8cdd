// Lesson 7. Dropout (Srivastava et al., 2014) silences hidden units at random while it trains, so that none relies on another. What
// is left is weaker, which is made good at test time, or at once (inverted dropout), or not needed (Gaussian noise of mean 1).
import * as tfl from '@tensorflow/tfjs-layers';
import type { Dataset } from 'tensorflock';
import { bytes, classifier, first, formula, histogramOf, histograms, lines, mean, Random, section, short, spread, table, text, valuesOf, withTrainer, type Findings, type LessonContext } from './kit.js';

const RATE = 0.5; // of units that are silenced
const KEEP = 1 - RATE;
const UNITS = 256;

/** What happens to the activations of a layer in training, and at test time. */
interface Way {
  readonly name: string;
  readonly inTraining: (activation: number, random: Random) => number;
  readonly atTest: (activation: number) => number;
}

const WAYS: readonly Way[] = [
  { name: 'scaled at test time', inTraining: (a, random) => (random.uniform() < KEEP ? a : 0), atTest: (a) => a * KEEP },
  { name: 'inverted', inTraining: (a, random) => (random.uniform() < KEEP ? a / KEEP : 0), atTest: (a) => a },
  { name: 'Gaussian', inTraining: (a, random) => a * (1 + Math.sqrt(RATE / (1 - RATE)) * random.normal()), atTest: (a) => a },
];

const LAYERS = {
  without: () => [],
  dropout: () => [tfl.layers.dropout({ rate: RATE })],
  'Gaussian dropout': () => [tfl.layers.gaussianDropout({ rate: RATE })],
} as const;

function network(between: () => tfl.layers.Layer[], seed: number): tfl.Sequential {
  const hidden = (): tfl.layers.Layer[] => [tfl.layers.dense({ units: UNITS, activation: 'relu', kernelInitializer: 'heUniform' }), ...between()];
  return classifier(tfl.sequential({ layers: [tfl.layers.flatten({ inputShape: [28, 28] }), ...hidden(), ...hidden(), tfl.layers.dense({ units: 10, activation: 'softmax' })] }), seed) as tfl.Sequential;
}

interface Trained {
  readonly name: string;
  readonly model: tfl.Sequential;
  readonly valLoss: readonly number[];
  readonly valAccuracy: readonly number[];
  /** Of the training images without masks, at the end. */
  readonly trainAccuracy: number;
  readonly trainLoss: number;
}

async function train(name: keyof typeof LAYERS, data: Dataset, test: Dataset, seed: number, epochs: number): Promise<Trained> {
  const model = network(LAYERS[name], seed);
  return withTrainer(model, { seed }, async (trainer) => {
    const { history } = await trainer.fit(data, null, { batchSize: 32, epochs, validationData: test });
    const { loss, accuracy } = await trainer.evaluate(data);
    return { name, model, valLoss: history['val_loss']!, valAccuracy: history['val_accuracy']!, trainAccuracy: accuracy!, trainLoss: loss };
  });
}

/** The last hidden activations of an image, and the weights from them to the score of its class. */
async function lastHidden(model: tfl.Sequential, image: Dataset): Promise<number[]> {
  const layer = model.layers.filter((each) => each.getClassName() === 'Dense').at(-2)!;
  const part = tfl.model({ inputs: model.inputs, outputs: layer.output as tfl.SymbolicTensor });
  return withTrainer(part, { workers: 1 }, async (trainer) => valuesOf(await trainer.predict({ values: Float32Array.from(bytes(image, 0), (byte) => byte / 255), shape: [1, 28, 28] })));
}

export async function run({ seed, quick, images }: LessonContext): Promise<Findings> {
  const { train: all, test } = await images();
  const data = first(all, 1000);
  const held = first(test, quick ? 2000 : 10000);
  const epochs = quick ? 25 : 60;
  const runs: Trained[] = [];
  for (const name of Object.keys(LAYERS) as (keyof typeof LAYERS)[]) runs.push(await train(name, data, held, seed, epochs));
  const [without, dropped, gaussian] = runs as [Trained, Trained, Trained];

  // One score of the network with dropout: the same activations under many masks.
  const activations = await lastHidden(dropped.model, held);
  const kernel = dropped.model.layers.at(-1)!.getWeights()[0]!.dataSync<'float32'>();
  const winner = held.y[0]!.values[0]!;
  const weights = activations.map((_, unit) => kernel[unit * 10 + winner]!);
  const score = (values: readonly number[]): number => values.reduce((sum, value, unit) => sum + value * weights[unit]!, 0);
  const random = new Random(seed);
  const masks = quick ? 1000 : 5000;
  const ways = WAYS.map((way) => {
    const inTraining = Array.from({ length: masks }, () => score(activations.map((a) => way.inTraining(a, random))));
    return { ...way, scores: inTraining, mean: mean(inTraining), spread: spread(inTraining), test: score(activations.map(way.atTest)) };
  });
  const whole = score(activations);
  // Var of a sum of independent units: mask in {0, 1/keep} or noise of the same variance.
  const expectedSpread = Math.sqrt((RATE / KEEP) * activations.reduce((sum, a, unit) => sum + (a * weights[unit]!) ** 2, 0));
  const gap = ({ trainAccuracy, valAccuracy }: Trained): number => trainAccuracy - valAccuracy.at(-1)!;

  return {
    figures: {
      whole, means: ways.map((way) => way.mean), spreads: ways.map((way) => way.spread), tests: ways.map((way) => way.test), expectedSpread, masks,
      withoutGap: gap(without), dropoutGap: gap(dropped), gaussianGap: gap(gaussian),
      withoutLoss: without.valLoss.at(-1)!, dropoutLoss: dropped.valLoss.at(-1)!, gaussianLoss: gaussian.valLoss.at(-1)!,
      withoutAccuracy: without.valAccuracy.at(-1)!, dropoutAccuracy: dropped.valAccuracy.at(-1)!, gaussianAccuracy: gaussian.valAccuracy.at(-1)!,
    },
    lines: [
      `On ${data.exampleCount.toLocaleString('en-US')} images the test loss ends at ${short(without.valLoss.at(-1)!)} without dropout, at ${short(dropped.valLoss.at(-1)!)} with it and at ${short(gaussian.valLoss.at(-1)!)} with Gaussian dropout.`,
      `Accuracy, training against test: ${runs.map((each) => `${each.name} ${each.trainAccuracy.toFixed(3)} / ${each.valAccuracy.at(-1)!.toFixed(3)}`).join(', ')}.`,
      `A score of ${short(whole)} averages ${ways.map((way) => `${short(way.mean)} over ${masks.toLocaleString('en-US')} masks (${way.name}; at test time ${short(way.test)})`).join(', ')}.`,
    ],
    sections: [
      section('On few images',
        text(`784-${UNITS}-${UNITS}-10 on ${data.exampleCount.toLocaleString('en-US')} images, batch 32, Adam. It has 270,000 parameters, and learns these images by heart.`),
        lines({ file: 'loss', title: 'Test loss', x: 'epoch', y: 'test loss', caption: 'Loss on images that it has not seen. Without dropout it gets more and more sure of its wrong answers.' },
          runs.map(({ name, valLoss }) => ({ name, points: valLoss.map((value, epoch) => [epoch + 1, value] as const) }))),
        lines({ file: 'accuracy', title: 'Test accuracy', x: 'epoch', y: 'test accuracy', caption: 'Accuracy on images that it has not seen.' },
          runs.map(({ name, valAccuracy }) => ({ name, points: valAccuracy.map((value, epoch) => [epoch + 1, value] as const) }))),
        table(['', 'training accuracy', 'test accuracy', 'training loss', 'test loss'], runs.map((each) => [each.name, each.trainAccuracy.toFixed(4), each.valAccuracy.at(-1)!.toFixed(4), short(each.trainLoss), short(each.valLoss.at(-1)!)]))),
      section('Three ways to keep the scale',
        text(`A unit is kept with probability q = ${KEEP}; m is 1 where it is kept, else 0. Scaled at test time, the sum is weaker in training and the activations are made as weak afterwards. Inverted, it is made as strong at once, and nothing is left to do at test time: so do tfjs, Keras and this library. Gaussian noise of mean 1 and the same variance silences nobody.`),
        formula(String.raw`\text{scaled at test time:} \quad \tilde a = m\, a, \qquad a_\text{test} = q\, a`),
        formula(String.raw`\text{inverted:} \quad \tilde a = \frac{m\, a}{q}, \qquad a_\text{test} = a`),
        formula(String.raw`\text{Gaussian:} \quad \tilde a = a\, (1 + \varepsilon), \quad \varepsilon \sim N\left(0, \tfrac{1 - q}{q}\right), \qquad a_\text{test} = a`),
        histograms({ file: 'scores', title: 'A score under masks', x: 'score', y: 'density', caption: `The score that the network gives the right class of a test image, without bias, under ${masks.toLocaleString('en-US')} masks of its last hidden layer.` }, ways.map((way) => histogramOf(way.name, way.scores, 50))),
        table(['way', 'mean in training', 'spread in training', 'at test time'], ways.map((way) => [way.name, short(way.mean), short(way.spread), short(way.test)])),
        text('The score is the sum of activation a times weight w over all units i. Where each has a mask or noise of its own, its spread in the last two ways is'),
        formula(String.raw`\sqrt{\frac{1 - q}{q} \sum_i (a_i w_i)^2} = ${short(expectedSpread)}`),
        text('and q times that in the first.')),
    ],
  };
}
