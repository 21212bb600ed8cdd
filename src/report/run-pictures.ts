import type { Dataset } from '../data/dataset.js';
import { barChart, confusionChart, histogramChart, lineChart, type Histogram, type Series } from './charts.js';
import type { Block } from './document.js';
import type { LayerHealth } from './network-health.js';
import { classOutcome, classesOf, pictureOf, type Outcome } from './outcome.js';
import { imageGrid } from './pictures.js';
import type { EpochRow } from './run.js';

/** A picture of a report: `file` is its name beside the page. */
export interface RunPicture {
  readonly file: string;
  readonly heading: string;
  readonly svg: string;
  readonly caption: string;
}

/** What the trained model gave for the test examples: [examples, ...], row-major. */
export interface TestOutputs {
  readonly values: ArrayLike<number>;
  readonly shape: readonly number[];
}

/** A trained network seen on some training examples. */
export interface NetworkHealth {
  readonly examples: number;
  readonly layers: readonly LayerHealth[];
}

const MISTAKES = 15;
const COLUMNS = 5;

/** Loss and accuracy of each epoch; nothing where no epoch has them. */
export async function curvePictures(epochs: readonly EpochRow[]): Promise<RunPicture[]> {
  const curves = [
    { file: 'report-loss.svg', heading: 'Loss', training: 'loss', validation: 'valLoss' },
    { file: 'report-accuracy.svg', heading: 'Accuracy', training: 'accuracy', validation: 'valAccuracy' },
  ];
  const pictures = curves.map(async ({ file, heading, training, validation }): Promise<RunPicture[]> => {
    const lines = [series('training', epochs, training), series('validation', epochs, validation)].filter(({ points }) => points.length > 0);
    if (lines.length === 0) return [];
    const svg = await lineChart(lines, { title: heading, description: `${heading} of each epoch, ${lines.map(({ name }) => name).join(' and ')}.`, x: 'epoch', y: heading.toLowerCase() });
    return [{ file, heading, svg, caption: `${heading} after each epoch. In training it is the mean over the epoch's steps, with dropout where the model has it.` }];
  });
  return (await Promise.all(pictures)).flat();
}

/** The confusion matrix, the accuracy of each class and the most wrong images; nothing where the targets are not classes. */
export async function outcomePictures(test: Dataset, { values, shape }: TestOutputs): Promise<RunPicture[]> {
  const classCount = shape.length === 2 ? shape[1]! : 0;
  const actual = classesOf(test, classCount);
  if (actual === undefined) return [];
  const names = Array.from({ length: classCount }, (_, label) => test.classNames?.[label] ?? String(label));
  const outcome = classOutcome(values, classCount, actual, MISTAKES);
  return [await confusion(outcome, names), await classAccuracy(outcome, names), ...(await mostWrong(outcome, names, test))];
}

/** Of each layer what the dashboard shows of it too: gradient norms, updates by weights, histograms, units that no longer learn. */
export async function healthPictures({ examples, layers }: NetworkHealth): Promise<RunPicture[]> {
  const seen = `over ${examples} training examples, at the end`;
  const pictures = [
    bars('report-gradients.svg', 'Gradients', known(layers, 'gradientNorm'), 'gradient norm', `Length of each layer's mean gradient ${seen}.`),
    bars('report-updates.svg', 'Updates by weights', known(layers, 'updateRatio'), 'length of the update / length of the weights', `What the optimizer would do to each layer next, ${seen}; around 0.001 is usual.`),
    shapes('report-weights.svg', 'Weights', histograms(layers, 'weights'), 'weight', "Each layer's trained weights, biases among them; the area under each shape is 1."),
    shapes('report-gradient-values.svg', 'Values of the gradients', histograms(layers, 'gradients'), 'gradient', `Each layer's mean gradient ${seen}; the area under each shape is 1.`),
    shapes('report-activations.svg', 'Activations', histograms(layers, 'activations'), 'activation', `What each layer gives ${seen}; each shape is drawn as high as its own tallest part${zerosOf(layers)}.`, 'tallest'),
    bars('report-units.svg', 'Units that no longer learn', [...known(layers, 'deadUnits', ', dead'), ...known(layers, 'saturatedUnits', ', saturated')], 'share',
      `Over ${examples} training examples: relu units that are 0 for all (dead), and outputs of sigmoids below 0.05 or above 0.95 (saturated).`),
  ];
  return (await Promise.all(pictures)).flat();
}

/** The pictures as the blocks of a document's section. */
export function figuresOf(pictures: readonly RunPicture[]): Block[] {
  return pictures.map(({ svg, caption }) => ({ kind: 'figure', svg, caption }));
}

export function series(name: string, epochs: readonly EpochRow[], field: string): Series {
  const points = epochs.flatMap((row): [number, number][] => {
    const value = row[field];
    return typeof value === 'number' ? [[row.epoch, value]] : [];
  });
  return { name, points, dashed: field.startsWith('val') };
}

interface Bar {
  readonly name: string;
  readonly value: number;
}

function known(layers: readonly LayerHealth[], field: 'gradientNorm' | 'updateRatio' | 'deadUnits' | 'saturatedUnits', suffix = ''): Bar[] {
  return layers.flatMap((health) => (health[field] === undefined ? [] : [{ name: `${health.layer}${suffix}`, value: health[field] }]));
}

function histograms(layers: readonly LayerHealth[], field: 'weights' | 'gradients' | 'activations'): Histogram[] {
  return layers.flatMap((health) => (health[field] === undefined ? [] : [{ name: health.layer, ...health[field] }]));
}

/** Of relu and of images most may be 0, and a bar of them would leave no height for the others. */
function zerosOf(layers: readonly LayerHealth[]): string {
  const shares = layers.flatMap(({ layer, zeroActivations }) => (zeroActivations === undefined ? [] : [`${layer} ${(100 * zeroActivations).toFixed(0)} %`]));
  return shares.length === 0 ? '' : `. Left out are values that are exactly 0: ${shares.join(', ')}`;
}

async function bars(file: string, heading: string, values: readonly Bar[], x: string, caption: string): Promise<RunPicture[]> {
  if (values.length === 0) return [];
  return [{ file, heading, svg: await barChart(values, { title: heading, description: caption, x, y: '' }), caption }];
}

async function shapes(file: string, heading: string, of: readonly Histogram[], x: string, caption: string, one: 'area' | 'tallest' = 'area'): Promise<RunPicture[]> {
  if (of.length === 0) return [];
  return [{ file, heading, svg: await histogramChart(of, { title: heading, description: caption, x, y: one === 'area' ? 'density' : 'part of the tallest' }, one), caption }];
}

async function confusion({ counts }: Outcome, names: readonly string[]): Promise<RunPicture> {
  const svg = await confusionChart(counts, names, { title: 'Confusion matrix', description: 'Counts of test examples by actual and predicted class.' });
  return { file: 'report-confusion.svg', heading: 'Confusion matrix', svg, caption: 'Test examples by actual class (rows) and predicted class (columns); the shade is the share of the row.' };
}

async function classAccuracy(outcome: Outcome, names: readonly string[]): Promise<RunPicture> {
  const bars = names.map((name, label) => ({ name, value: outcome.classAccuracy[label]! }));
  const svg = await barChart(bars, { title: 'Accuracy of each class', description: 'Share of each class that was found.', x: 'share found', y: '' });
  return { file: 'report-classes.svg', heading: 'Accuracy of each class', svg, caption: 'Of the test examples of a class, the share that the model found.' };
}

async function mostWrong(outcome: Outcome, names: readonly string[], test: Dataset): Promise<RunPicture[]> {
  const column = test.x[0];
  if (column === undefined || test.x.length !== 1) return [];
  const pictures = outcome.mostWrong.flatMap(({ row, actual, predicted, probability }) => {
    const picture = pictureOf(column, row);
    return picture === undefined ? [] : [{ ...picture, caption: `${names[actual]!}, not\n${names[predicted]!} (${(100 * probability).toFixed(1)} %)` }];
  });
  if (pictures.length === 0) return [];
  const svg = await imageGrid(pictures, COLUMNS, `The most wrong images: ${outcome.mostWrong.map(({ row }) => `test example ${row}`).join(', ')}.`);
  return [{ file: 'report-mistakes.svg', heading: 'Most wrong', svg, caption: 'Test images to whose class the model gave the least probability: what each is, and what the model took it for.' }];
}
