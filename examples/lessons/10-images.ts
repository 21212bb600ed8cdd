// Lesson 10. From images to classes: load them, look at one as numbers, flatten and scale; one layer, then two, then the same with a
// Flatten layer. The outputs are sigmoids, of which the loss takes the shares; the largest is the answer.
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { datasets, initialize, type Dataset } from 'tensorflock';
import { bars, bytes, className, confusion, first, formula, label, lines, mean, numbers, picture, pictures, section, table, text, valuesOf, withTrainer, type Findings, type LessonContext } from './kit.js';

const EXAMPLE = 1000;
const SIDE = 28;
const CLASSES = 10;

const { dense, flatten } = tfl.layers;
const kernelInitializer = 'glorotUniform';

const MODELS = {
  'Dense(10, sigmoid)': () => [dense({ units: CLASSES, activation: 'sigmoid', inputShape: [SIDE * SIDE], kernelInitializer })],
  'Dense(100, relu), Dense(10, sigmoid)': () => [dense({ units: 100, activation: 'relu', inputShape: [SIDE * SIDE], kernelInitializer }), dense({ units: CLASSES, activation: 'sigmoid', kernelInitializer })],
  'Flatten, Dense(100, relu), Dense(10, sigmoid)': () => [flatten({ inputShape: [SIDE, SIDE] }), dense({ units: 100, activation: 'relu', kernelInitializer }), dense({ units: CLASSES, activation: 'sigmoid', kernelInitializer })],
} as const;

/** Rows of 784 numbers from 0 to 1. The bytes stay where they are: they are read as another shape, and divided by 255 where they are used. */
function flattened(images: Dataset): Dataset {
  const { values } = images.x[0]!;
  return datasets.arrays({ values, shape: [images.exampleCount, SIDE * SIDE] }, images.y[0]!.values, { scale: 1 / 255 });
}

interface Trained {
  readonly name: string;
  readonly parameters: number;
  readonly losses: readonly number[];
  readonly accuracy: number;
  readonly loss: number;
  readonly weightsSha256: string;
  /** [test examples][classes], one after the other. */
  readonly outputs: readonly number[];
  /** The class with the largest output, of each test example. */
  readonly predicted: readonly number[];
}

async function train(name: keyof typeof MODELS, data: Dataset, test: Dataset, seed: number, epochs: number): Promise<Trained> {
  const model = tfl.sequential({ layers: MODELS[name]() });
  model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'] });
  initialize(model, seed);
  return withTrainer(model, { seed }, async (trainer) => {
    const { history } = await trainer.fit(data, null, { batchSize: 32, epochs });
    const { loss, accuracy } = await trainer.evaluate(test);
    const outputs = await trainer.predict(test.x[0]!);
    const predicted = valuesOf(tf.argMax(outputs, -1));
    return { name, parameters: model.countParams(), losses: history['loss']!, loss, accuracy: accuracy!, weightsSha256: trainer.hashes().weightsSha256, outputs: valuesOf(outputs), predicted };
  });
}

export async function run({ seed, quick, images }: LessonContext): Promise<Findings> {
  const split = await images();
  const [data, test] = [first(split.train, quick ? 6000 : 60000), split.test];
  const epochs = quick ? 2 : 5;
  const [flatData, flatTest] = [flattened(data), flattened(test)];
  const one = await train('Dense(10, sigmoid)', flatData, flatTest, seed, epochs);
  const two = await train('Dense(100, relu), Dense(10, sigmoid)', flatData, flatTest, seed, epochs);
  const withFlatten = await train('Flatten, Dense(100, relu), Dense(10, sigmoid)', data, test, seed, epochs);
  const all = [one, two, withFlatten];

  const example = bytes(data, EXAMPLE);
  const named = (each: number): string => className(split.train, each);
  const outputsOf = (row: number): readonly number[] => withFlatten.outputs.slice(row * CLASSES, (row + 1) * CLASSES);
  const counts = Array.from({ length: CLASSES }, () => new Array<number>(CLASSES).fill(0));
  withFlatten.predicted.forEach((each, row) => { counts[label(test, row)]![each]!++; });
  const correct = mean(withFlatten.predicted.map((each, row) => (each === label(test, row) ? 1 : 0)));
  const worst = counts.flatMap((row, actual) => row.map((count, predicted) => ({ actual, predicted, count }))).filter(({ actual, predicted }) => actual !== predicted).sort((a, b) => b.count - a.count)[0]!;

  return {
    figures: {
      exampleLabel: label(data, EXAMPLE), exampleMost: Math.max(...example), parameters: all.map(({ parameters }) => parameters), accuracies: all.map(({ accuracy }) => accuracy),
      sameBytes: two.weightsSha256 === withFlatten.weightsSha256, accuracyByArgmax: correct, counts: counts.flat(),
      firstPredicted: withFlatten.predicted[0]!, firstOutputs: outputsOf(0), firstLabel: label(test, 0),
    },
    lines: [
      `Example ${EXAMPLE} is a matrix of ${SIDE} x ${SIDE} bytes, of the class ${named(label(data, EXAMPLE))}; flattened and divided by 255 it is 784 numbers from 0 to 1.`,
      `Test accuracy after ${epochs} epochs: ${one.accuracy.toFixed(3)} with one layer, ${two.accuracy.toFixed(3)} with a hidden layer of 100 units.`,
      `With a Flatten layer in the model it is ${withFlatten.accuracy.toFixed(3)}${two.weightsSha256 === withFlatten.weightsSha256 ? ', with the very same bytes as weights' : ''}.`,
      `The largest of the ten outputs for the first test image is that of ${named(withFlatten.predicted[0]!)}; the image is ${named(label(test, 0))}. The commonest mistake among ${test.exampleCount.toLocaleString('en-US')}: ${named(worst.actual)} taken for ${named(worst.predicted)}, ${worst.count} times.`,
    ],
    sections: [
      section('Load and look',
        text(`${data.exampleCount.toLocaleString('en-US')} images to learn from, ${test.exampleCount.toLocaleString('en-US')} to test with, each ${SIDE} x ${SIDE} bytes from 0 (black) to 255 (white), in ${CLASSES} classes: ${Array.from({ length: CLASSES }, (_, each) => named(each)).join(', ')}.`),
        numbers({ file: 'example', title: `Example ${EXAMPLE}`, caption: `Example ${EXAMPLE} as the matrix that it is: ${named(label(data, EXAMPLE))}.` }, Array.from({ length: SIDE }, (_, row) => Array.from(example.subarray(row * SIDE, (row + 1) * SIDE)))),
        formula(String.raw`x_{28 r + c} = \frac{\text{byte}_{r c}}{255} \in [0, 1], \qquad r, c = 0, \ldots, 27`)),
      section('Three models',
        formula(String.raw`\text{one layer:} \quad y = \sigma(W x + b) \qquad \text{two:} \quad y = \sigma(W_2 \max(0, W_1 x + b_1) + b_2)`),
        text('Each output is a sigmoid; the loss takes its share of the sum of all ten as the probability of its class.'),
        table(['layers', 'parameters', 'test accuracy', 'test loss'], all.map(({ name, parameters, accuracy, loss }) => [name, parameters, accuracy.toFixed(4), loss.toFixed(4)])),
        lines({ file: 'loss', title: 'Training loss', x: 'epoch', y: 'loss', caption: 'Mean loss of the steps of each epoch. The last two are one line: a Flatten layer does what was done by hand.' }, all.map(({ name, losses }, index) => ({ name, points: losses.map((loss, epoch) => [epoch + 1, loss] as const), dashed: index === 2 })))),
      section('One prediction',
        pictures({ file: 'prediction', title: 'The first test image', caption: `The first test image. The model says ${named(withFlatten.predicted[0]!)}: the largest of its outputs.` }, [picture(test, 0, `is ${named(label(test, 0))}\nsays ${named(withFlatten.predicted[0]!)}`, withFlatten.predicted[0] !== label(test, 0))]),
        formula(String.raw`\operatorname{argmax}_k\, y_k = ${withFlatten.predicted[0]!}`),
        bars({ file: 'shares', title: 'Shares of the outputs', x: 'share of the sum of all outputs', caption: 'The outputs for this image, each divided by the sum of all ten.' }, outputsOf(0).map((value, each) => ({ name: named(each), value: value / outputsOf(0).reduce((sum, other) => sum + other, 0) })))),
      section('All predictions',
        confusion({ file: 'confusion', title: 'Confusion matrix', caption: `Test images by actual class (rows) and predicted class (columns); ${(100 * correct).toFixed(1)} % are on the diagonal.` }, counts, Array.from({ length: CLASSES }, (_, each) => named(each)))),
    ],
  };
}
