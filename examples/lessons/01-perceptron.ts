// Lesson 1. A perceptron (Rosenblatt, 1958) weighs its inputs, adds a bias, and answers 1 where the sum is above 0. That is a side of
// a straight line, so it learns AND and OR but not XOR, and trousers from boots better than pullovers from coats.
import * as tfl from '@tensorflow/tfjs-layers';
import { datasets, initialize, optimizers, type Dataset } from 'tensorflock';
import { className, formula, greyPicture, label, lines, mean, ofClasses, pictures, pixels, scatter, section, short, table, text, withTrainer, type Findings, type LessonContext, type Series } from './kit.js';

interface Perceptron {
  readonly weights: number[];
  bias: number;
}

const INPUTS = [[0, 0], [0, 1], [1, 0], [1, 1]] as const;
const GATES = { AND: [0, 0, 0, 1], OR: [0, 1, 1, 1], XOR: [0, 1, 1, 0] } as const;

const weightedSum = ({ weights, bias }: Perceptron, x: readonly number[]): number => x.reduce((sum, value, i) => sum + weights[i]! * value, bias);
const answer = (perceptron: Perceptron, x: readonly number[]): number => (weightedSum(perceptron, x) > 0 ? 1 : 0);

/** Rosenblatt's rule: after a wrong answer the weights go towards the input, or away from it. Gives the mistakes of each epoch. */
function learn(xs: readonly (readonly number[])[], targets: readonly number[], epochs: number): { perceptron: Perceptron; mistakes: number[] } {
  const perceptron: Perceptron = { weights: xs[0]!.map(() => 0), bias: 0 };
  const mistakes = Array.from({ length: epochs }, () => {
    let wrong = 0;
    xs.forEach((x, example) => {
      const error = targets[example]! - answer(perceptron, x); // -1, 0 or 1
      if (error !== 0) wrong++;
      x.forEach((value, i) => { perceptron.weights[i]! += error * value; });
      perceptron.bias += error;
    });
    return wrong;
  });
  return { perceptron, mistakes };
}

/** Two layers, trained by gradient descent, have a line for each hidden unit. */
async function learnXorWithTwoLayers(seed: number): Promise<number> {
  const model = tfl.sequential({ layers: [tfl.layers.dense({ units: 8, activation: 'tanh', inputShape: [2] }), tfl.layers.dense({ units: 1, activation: 'sigmoid' })] });
  model.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy', metrics: ['accuracy'] });
  initialize(model, seed);
  const data = datasets.arrays(INPUTS, GATES.XOR);
  return withTrainer(model, { workers: 1, seed, optimizer: optimizers.adam({ learningRate: 0.05 }) }, async (trainer) => {
    await trainer.fit(data, null, { batchSize: 4, epochs: 200 });
    return (await trainer.evaluate(data))['accuracy']!;
  });
}

/** A picture as two numbers: the mean brightness of its upper and of its lower half. */
function halves(image: readonly number[]): number[] {
  return [mean(image.slice(0, image.length / 2)), mean(image.slice(image.length / 2))];
}

/** Two classes as inputs and targets 0 and 1. */
function twoClasses(data: Dataset, [, one]: readonly number[]): { images: number[][]; targets: number[] } {
  const examples = Array.from({ length: data.exampleCount }, (_, example) => example);
  return { images: examples.map((example) => pixels(data, example)), targets: examples.map((example) => (label(data, example) === one ? 1 : 0)) };
}

const accuracy = (perceptron: Perceptron, xs: readonly (readonly number[])[], targets: readonly number[]): number => mean(xs.map((x, example) => (answer(perceptron, x) === targets[example] ? 1 : 0)));

/** The line on which the weighted sum of two inputs is 0, where it crosses the points' square. */
function border({ weights, bias }: Perceptron, points: readonly (readonly number[])[]): Series {
  const [w1, w2] = weights as [number, number];
  const least = (i: number): number => Math.min(...points.map((point) => point[i]!));
  const most = (i: number): number => Math.max(...points.map((point) => point[i]!));
  const on = Array.from({ length: 201 }, (_, step) => least(0) + ((most(0) - least(0)) * step) / 200).map((x) => [x, -(bias + w1 * x) / w2] as const);
  return { name: 'border', points: on.filter(([, y]) => y >= least(1) && y <= most(1)) };
}

export async function run({ seed, quick, images }: LessonContext): Promise<Findings> {
  const gates = Object.entries(GATES).map(([name, targets]) => ({ name, ...learn(INPUTS, targets, 20) }));
  const xorAccuracy = await learnXorWithTwoLayers(seed);

  const { train, test } = await images();
  const count = quick ? 100 : 500;
  const pairs = [[1, 9], [2, 4]].map((classes) => {
    const [learnt, held] = [train, test].map((data) => twoClasses(ofClasses(data, classes, count), classes)) as [ReturnType<typeof twoClasses>, ReturnType<typeof twoClasses>];
    const points = learnt.images.map(halves);
    const ofHalves = learn(points, learnt.targets, 100).perceptron;
    const ofPixels = learn(learnt.images, learnt.targets, 30).perceptron;
    return {
      names: classes.map((each) => className(train, each)), points, targets: learnt.targets, ofHalves, ofPixels,
      byHalves: accuracy(ofHalves, held.images.map(halves), held.targets),
      byPixels: accuracy(ofPixels, held.images, held.targets),
    };
  });
  const [easy, hard] = pairs as [(typeof pairs)[number], (typeof pairs)[number]];
  const plotOf = ({ names, points, targets, ofHalves }: typeof easy, file: string) => scatter(
    { file, title: names.join(' and '), x: 'brightness of the upper half', y: 'brightness of the lower half', caption: `${names.join(' and ')} as two numbers each, and the border that the last epoch left.` },
    names.map((name, target) => ({ name, points: points.filter((_, example) => targets[example] === target) as unknown as [number, number][] })),
    [border(ofHalves, points)],
  );

  return {
    figures: {
      mistakesAnd: gates[0]!.mistakes.at(-1)!, mistakesOr: gates[1]!.mistakes.at(-1)!, mistakesXor: gates[2]!.mistakes.at(-1)!, xorTwoLayers: xorAccuracy,
      easyByHalves: easy.byHalves, hardByHalves: hard.byHalves, easyByPixels: easy.byPixels, hardByPixels: hard.byPixels,
    },
    lines: [
      `One perceptron learns AND and OR without a mistake; in its 20th epoch it still gives ${gates[2]!.mistakes.at(-1)} of 4 wrong answers to XOR. Two layers answer XOR with accuracy ${short(xorAccuracy)}.`,
      `By the brightness of two halves it tells ${easy.names.join(' from ')} with accuracy ${short(easy.byHalves)}, ${hard.names.join(' from ')} with ${short(hard.byHalves)}; a coin has 0.5.`,
      `Given all 784 pixels it reaches ${short(easy.byPixels)} and ${short(hard.byPixels)}: more inputs, more ways to lay the border, but still one flat border.`,
    ],
    sections: [
      section('Weighted sum, bias, activation',
        text('Each input has a weight. The bias moves the place at which the answer changes; the activation, here a step, makes the answer.'),
        formula(String.raw`z = \sum_i w_i x_i + b, \qquad y = \begin{cases} 1 & z > 0 \\ 0 & z \le 0 \end{cases}`),
        text('It learns from mistakes alone: where the answer y is not the target t,'),
        formula(String.raw`w_i \leftarrow w_i + (t - y)\, x_i, \qquad b \leftarrow b + (t - y)`)),
      section('Three gates',
        lines({ file: 'gates', title: 'Mistakes', x: 'epoch', y: 'mistakes of 4', caption: 'Wrong answers in each epoch. AND and OR come to 0 and stay; XOR never does.' },
          gates.map(({ name, mistakes }) => ({ name, points: mistakes.map((wrong, epoch) => [epoch + 1, wrong] as const) }))),
        table(['gate', 'w1', 'w2', 'b', 'mistakes at the end'], gates.map(({ name, perceptron, mistakes }) => [name, ...perceptron.weights, perceptron.bias, mistakes.at(-1)!])),
        text('XOR asks for the impossible: the four lines below are what the answers need, and the sum of the middle two contradicts the sum of the outer two.'),
        formula(String.raw`b \le 0, \qquad w_1 + b > 0, \qquad w_2 + b > 0, \qquad w_1 + w_2 + b \le 0`)),
      section('Pictures as two numbers',
        text('Where no line divides two classes, the rule never settles: every mistake moves the border, which stays where the last one has put it, and not where mistakes are fewest.'),
        plotOf(easy, 'easy'), plotOf(hard, 'hard')),
      section('Pictures as 784 numbers',
        pictures({ file: 'weights', title: 'Weights', caption: 'The weights of a perceptron on pixels: light where a bright pixel speaks for the second class, dark where it speaks for the first.' },
          pairs.map(({ names, ofPixels }) => greyPicture(ofPixels.weights, 28, names.join('\nor ')))),
        table(['classes', 'two numbers', '784 pixels'], pairs.map(({ names, byHalves, byPixels }) => [names.join(' / '), byHalves, byPixels]))),
    ],
  };
}
