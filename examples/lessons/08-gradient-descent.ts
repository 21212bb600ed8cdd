// Lesson 8. Gradient descent takes the slope of the loss over all examples, over one (stochastic), or over a few (mini-batch). First on
// a model of two parameters, whose loss is a surface that can be drawn; then on images, with the time that each takes.
import * as tfl from '@tensorflow/tfjs-layers';
import { datasets, optimizers, type Dataset } from 'tensorflock';
import { classifier, className, first, formula, label, lines, mean, ofClasses, pixels, Random, section, setWeights, short, spread, steps, surface, table, text, withTrainer, type Findings, type LessonContext } from './kit.js';

const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));

/** One feature x and a class t, 0 or 1: a single sigmoid neuron has a weight w and a bias b. */
interface Example {
  readonly x: number;
  readonly t: number;
}
type Place = readonly [w: number, b: number];

/** Mean binary cross-entropy, written so that nothing overflows: ln(1 + e^z) - t z. */
const lossAt = ([w, b]: Place, examples: readonly Example[]): number => mean(examples.map(({ x, t }) => {
  const z = w * x + b;
  return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))) - t * z;
}));

/** Its slope: the mean of (p - t) x and of p - t. */
function gradientAt([w, b]: Place, examples: readonly Example[]): Place {
  const errors = examples.map(({ x, t }) => sigmoid(w * x + b) - t);
  return [mean(errors.map((error, index) => error * examples[index]!.x)), mean(errors)];
}

/** The places of so many steps; each step's gradient is that of `batchSize` examples drawn anew. */
function descend(examples: readonly Example[], batchSize: number, rate: number, count: number, random: Random): Place[] {
  const path: Place[] = [START];
  for (let step = 0; step < count; step++) {
    const batch = batchSize === examples.length ? examples : Array.from({ length: batchSize }, () => examples[random.index(examples.length)]!);
    const [w, b] = path.at(-1)!;
    const [dw, db] = gradientAt([w, b], batch);
    path.push([w - rate * dw, b - rate * db]);
  }
  return path;
}

const START: Place = [-2, 2];
const STEPS = 150;
const RATE = 0.5;
const CLASSES = [3, 2] as const;

/** A picture as one number: its mean brightness, in standard deviations of all. */
function brightness(data: Dataset): Example[] {
  const values = Array.from({ length: data.exampleCount }, (_, example) => mean(pixels(data, example)));
  const unit = spread(values);
  return values.map((value, example) => ({ x: value / unit, t: label(data, example) === CLASSES[1] ? 1 : 0 }));
}

/** The same steps over all examples by the library, as a check: the place where they end. */
async function descendByLibrary(examples: readonly Example[]): Promise<Place> {
  const model = tfl.sequential({ layers: [tfl.layers.dense({ units: 1, activation: 'sigmoid', inputShape: [1] })] });
  model.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy' });
  setWeights(model, [[[START[0]]], [START[1]]]);
  const data = datasets.arrays(examples.map(({ x }) => [x]), examples.map(({ t }) => t));
  await withTrainer(model, { optimizer: optimizers.sgd({ learningRate: RATE }) }, (trainer) => trainer.fit(data, null, { batchSize: examples.length, epochs: STEPS }));
  const [w, b] = model.getWeights().map((tensor) => tensor.dataSync()[0]!);
  return [w!, b!];
}

interface Race {
  readonly name: string;
  readonly batchSize: number;
  readonly rate: number;
  readonly steps: number;
  readonly epochs: number;
  /** Of training alone. */
  readonly seconds: number;
  /** Accuracy on held-out images against examples seen. */
  readonly curve: readonly (readonly [examples: number, accuracy: number])[];
}

/** Trains one layer until it reaches the accuracy; measured after every epoch. */
async function race(name: string, batchSize: number, rate: number, data: Dataset, test: Dataset, goal: number, seed: number): Promise<Race> {
  const model = classifier(tfl.sequential({ layers: [tfl.layers.flatten({ inputShape: [28, 28] }), tfl.layers.dense({ units: 10, activation: 'softmax' })] }), seed);
  const curve: (readonly [number, number])[] = [];
  let [seconds, began] = [0, 0];
  const callbacks = {
    onEpochBegin: () => { began = performance.now(); },
    onEpochEnd: (epoch: number, logs?: Record<string, number>) => {
      curve.push([(epoch + 1) * data.exampleCount, logs!['val_accuracy']!]);
      if (logs!['val_accuracy']! >= goal) model.stopTraining = true;
    },
  };
  await withTrainer(model, { seed, optimizer: optimizers.sgd({ learningRate: rate }) }, (trainer) =>
    trainer.fit(data, null, { batchSize, epochs: 400, validationData: test, callbacks, onProgress: ({ step, steps: all }) => { if (step === all) seconds += (performance.now() - began) / 1000; } }));
  const epochs = curve.length;
  return { name, batchSize, rate, epochs, steps: epochs * Math.ceil(data.exampleCount / batchSize), seconds, curve };
}

export async function run({ seed, quick, images }: LessonContext): Promise<Findings> {
  const { train, test } = await images();
  const examples = brightness(ofClasses(train, CLASSES, quick ? 200 : 1000));
  const names = CLASSES.map((each) => className(train, each));
  const random = new Random(seed);
  const paths = [
    { name: 'full batch', path: descend(examples, examples.length, RATE, STEPS, random) },
    { name: 'mini-batch of 16', path: descend(examples, 16, RATE, STEPS, random) },
    { name: 'one example', path: descend(examples, 1, RATE, STEPS, random) },
  ].map((each) => ({ ...each, losses: each.path.map((place) => lossAt(place, examples)) }));
  const [full, mini, single] = paths as [(typeof paths)[number], (typeof paths)[number], (typeof paths)[number]];
  const ofLibrary = await descendByLibrary(examples);
  const distance = (a: Place, b: Place): number => Math.hypot(a[0] - b[0], a[1] - b[1]);
  const length = (path: readonly Place[]): number => path.slice(1).reduce((sum, place, index) => sum + distance(place, path[index]!), 0);
  /** How much the loss goes up and down at the end. */
  const unrest = (losses: readonly number[]): number => spread(losses.slice(STEPS / 2));

  const all = paths.flatMap(({ path }) => path);
  const axis = (i: 0 | 1): number[] => {
    const values = all.map((place) => place[i]);
    return steps(Math.min(...values) - 0.5, Math.max(...values) + 0.5, 45);
  };
  const [w, b] = [axis(0), axis(1)];

  const [some, held] = [first(train, quick ? 2000 : 10000), first(test, 1000)];
  const goal = quick ? 0.65 : 0.78;
  const races = [
    await race('full batch', some.exampleCount, 0.2, some, held, goal, seed),
    await race('mini-batch of 32', 32, 0.05, some, held, goal, seed),
    await race('one example', 1, 0.005, some, held, goal, seed),
  ];

  return {
    figures: {
      difference: distance(full.path.at(-1)!, ofLibrary), startLoss: full.losses[0]!,
      losses: paths.map(({ losses }) => losses.at(-1)!), lengths: paths.map(({ path }) => length(path)), unrest: paths.map(({ losses }) => unrest(losses)),
      goal, reached: races.map(({ curve }) => curve.at(-1)![1]), epochs: races.map(({ epochs }) => epochs), steps: races.map((each) => each.steps), seconds: races.map(({ seconds }) => seconds),
    },
    lines: [
      `After ${STEPS} steps from loss ${short(full.losses[0]!)}: ${paths.map(({ name, losses }) => `${name} ${short(losses.at(-1)!)}`).join(', ')}. The path of one example is ${short(length(single.path) / length(full.path))} times as long as that of all, a mini-batch's ${short(length(mini.path) / length(full.path))} times.`,
      `One layer on ${some.exampleCount.toLocaleString('en-US')} images comes to a test accuracy of ${goal} after ${races.map(({ name, epochs, steps: count, seconds }) => `${short(seconds)} s (${name}: ${epochs} ${epochs === 1 ? 'epoch' : 'epochs'}, ${count.toLocaleString('en-US')} steps)`).join(', ')}.`,
    ],
    sections: [
      section('A surface of two parameters',
        text(`${names.join(' or ')}? A sigmoid neuron sees one number, the brightness of a picture. Its loss over ${examples.length.toLocaleString('en-US')} pictures is a surface over weight w and bias b.`),
        formula(String.raw`p_n = \sigma(w x_n + b)`),
        formula(String.raw`E(w, b) = -\frac{1}{N} \sum_n \left( t_n \ln p_n + (1 - t_n) \ln(1 - p_n) \right)`),
        formula(String.raw`w \leftarrow w - \eta\, \frac{1}{|B|} \sum_{n \in B} (p_n - t_n)\, x_n`),
        formula(String.raw`b \leftarrow b - \eta\, \frac{1}{|B|} \sum_{n \in B} (p_n - t_n)`),
        text(`B is all examples, a few, or one. Each path has ${STEPS} steps at rate η = ${RATE}; the library's full-batch steps end ${distance(full.path.at(-1)!, ofLibrary).toExponential(0)} from those by hand. Unrest is the standard deviation of the loss over the second half of the steps.`),
        surface({ file: 'surface', title: 'Paths', x: 'weight w', y: 'bias b', caption: 'The loss (deeper blue is lower, borders of the shades are lines of equal loss) and three ways down from the same start.' },
          { x: w, y: b, values: b.map((each) => w.map((weight) => lossAt([weight, each], examples))) }, [...paths].reverse().map(({ name, path }) => ({ name, points: path }))),
        lines({ file: 'losses', title: 'Loss', x: 'step', y: 'loss over all examples', caption: 'The loss over all examples along the paths.' }, [...paths].reverse().map(({ name, losses }) => ({ name, points: losses.map((loss, step) => [step, loss] as const) })), { firstColour: 1 }),
        table(['', 'loss at the end', 'length of the path', 'unrest of the loss'], paths.map(({ name, path, losses }) => [name, short(losses.at(-1)!), short(length(path)), short(unrest(losses))]))),
      section('Time to an accuracy',
        text(`Dense(10) with softmax on ${some.exampleCount.toLocaleString('en-US')} images by SGD, until ${goal} of ${held.exampleCount.toLocaleString('en-US')} test images are right, looked at after every epoch. Small batches bear a smaller rate only, but make more steps with the same examples; larger ones use the machine better.`),
        table(['', 'rate', 'epochs', 'steps', 'seconds'], races.map(({ name, rate, epochs, steps: count, seconds }) => [name, String(rate), epochs, count, short(seconds)])),
        lines({ file: 'race', title: 'Test accuracy', x: 'examples seen', y: 'test accuracy', caption: `Test accuracy against examples seen, logarithmic, until ${goal} is reached.` }, [...races].reverse().map(({ name, curve }) => ({ name, points: curve })), { logX: true, firstColour: 1 })),
    ],
  };
}
