// Lesson 9. Seven rules that make a step of a gradient, on the same network with dropout, data and order of examples: the training cost
// after each epoch, over several seeds.
import * as tfl from '@tensorflow/tfjs-layers';
import { optimizers, type Dataset, type Optimizer } from 'tensorflock';
import { classifier, first, formula, lines, mean, section, short, table, text, withTrainer, type Findings, type LessonContext, type Series } from './kit.js';

/** All with the defaults of the library. */
const RULES: readonly { readonly name: string; readonly optimizer: Optimizer; readonly rate: number; readonly latex: readonly string[] }[] = [
  { name: 'SGD', optimizer: optimizers.sgd(), rate: 0.01, latex: [String.raw`p \leftarrow p - \eta g`] },
  { name: 'momentum', optimizer: optimizers.momentum(), rate: 0.01, latex: [String.raw`a \leftarrow \mu a + g, \quad p \leftarrow p - \eta a`] },
  { name: 'Nesterov', optimizer: optimizers.nesterov(), rate: 0.01, latex: [String.raw`a \leftarrow \mu a + g, \quad p \leftarrow p - \eta (g + \mu a)`] },
  { name: 'Adagrad', optimizer: optimizers.adagrad(), rate: 0.01, latex: [String.raw`s \leftarrow s + g^2, \quad p \leftarrow p - \frac{\eta g}{\sqrt{s + \varepsilon}}`] },
  { name: 'RMSprop', optimizer: optimizers.rmsprop(), rate: 0.001, latex: [String.raw`s \leftarrow \rho s + (1 - \rho) g^2, \quad p \leftarrow p - \frac{\eta g}{\sqrt{s + \varepsilon}}`] },
  { name: 'Adam', optimizer: optimizers.adam(), rate: 0.001, latex: [String.raw`m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2`, String.raw`p \leftarrow p - \frac{\eta\, \hat m}{\sqrt{\hat v} + \varepsilon}, \quad \hat m = \frac{m}{1 - \beta_1^t}, \; \hat v = \frac{v}{1 - \beta_2^t}`] },
  { name: 'AdamW', optimizer: optimizers.adamw(), rate: 0.001, latex: [String.raw`p \leftarrow p - \eta \lambda p, \quad \text{then as Adam}`] },
];

interface Runs {
  readonly name: string;
  /** [seeds][epochs]: mean loss of an epoch's steps, with dropout. */
  readonly costs: readonly (readonly number[])[];
  readonly accuracies: readonly number[];
}

async function train(optimizer: Optimizer, data: Dataset, test: Dataset, seed: number, epochs: number): Promise<{ cost: number[]; accuracy: number }> {
  const model = classifier(tfl.sequential({
    layers: [
      tfl.layers.flatten({ inputShape: [28, 28] }),
      tfl.layers.dense({ units: 100, activation: 'relu', kernelInitializer: 'glorotUniform' }),
      tfl.layers.dropout({ rate: 0.2 }),
      tfl.layers.dense({ units: 10, activation: 'softmax', kernelInitializer: 'glorotUniform' }),
    ],
  }), seed);
  return withTrainer(model, { seed, optimizer }, async (trainer) => {
    const { history } = await trainer.fit(data, null, { batchSize: 128, epochs });
    return { cost: history['loss']!, accuracy: (await trainer.evaluate(test))['accuracy']! };
  });
}

/** The mean over the seeds, with the least and the most of them as a band. */
function withBand({ name, costs }: Runs): Required<Pick<Series, 'name' | 'points' | 'band'>> {
  const ofEpoch = costs[0]!.map((_, epoch) => costs.map((cost) => cost[epoch]!));
  return { name, points: ofEpoch.map((values, epoch) => [epoch + 1, mean(values)] as const), band: ofEpoch.map((values, epoch) => [epoch + 1, Math.min(...values), Math.max(...values)] as const) };
}

export async function run({ seed, quick, images }: LessonContext): Promise<Findings> {
  const { train: all, test } = await images();
  const data = first(all, quick ? 3000 : 12000);
  const [epochs, seeds] = quick ? [5, [seed, seed + 1]] : [15, [seed, seed + 1, seed + 2]];
  const runs: Runs[] = [];
  for (const { name, optimizer } of RULES) {
    const ofSeeds = [];
    for (const each of seeds) ofSeeds.push(await train(optimizer, data, test, each, epochs));
    runs.push({ name, costs: ofSeeds.map(({ cost }) => cost), accuracies: ofSeeds.map(({ accuracy }) => accuracy) });
  }
  const final = (each: Runs): number => mean(each.costs.map((cost) => cost.at(-1)!));
  const ranked = [...runs].sort((one, other) => final(one) - final(other));
  /** The first epoch in which the mean cost is below that of SGD at its end. */
  const passes = (each: Runs): number => withBand(each).points.findIndex(([, cost]) => cost <= final(runs[0]!)) + 1;

  return {
    figures: {
      names: runs.map(({ name }) => name), final: runs.map(final), accuracies: runs.map(({ accuracies }) => mean(accuracies)), seeds: seeds.length,
      widths: runs.map(({ costs }) => Math.max(...costs.map((cost) => cost.at(-1)!)) - Math.min(...costs.map((cost) => cost.at(-1)!))), passes: runs.map(passes),
    },
    lines: [
      `Training cost after ${epochs} epochs, mean of ${seeds.length} seeds: ${ranked.map((each) => `${each.name} ${final(each).toFixed(3)}`).join(', ')}.`,
      `What SGD reaches in ${epochs} epochs, ${runs.slice(1).map((each) => `${each.name} has in epoch ${passes(each)}`).join(', ')}.`,
      `Test accuracy: ${ranked.map(({ name, accuracies }) => `${name} ${mean(accuracies).toFixed(3)}`).join(', ')}. All at their default rates; others would order them otherwise.`,
    ],
    sections: [
      section('Seven rules',
        text('g is the gradient of a parameter p, η the learning rate; a, s, m and v are kept for every parameter, and t counts the steps.'),
        ...RULES.flatMap(({ name, latex }) => latex.map((part, index) => formula(index === 0 ? String.raw`\text{${name}:} \quad ${part}` : part))),
        text('μ = 0.9, ρ = 0.9, β₁ = 0.9, β₂ = 0.999, ε = 1e-7, λ = 0.004; s of Adagrad begins at 0.1, everything else at 0.')),
      section('Training cost against epochs',
        text(`784-100-10 with dropout 0.2 between its layers, ${data.exampleCount.toLocaleString('en-US')} images, batch 128, ${seeds.length} seeds: each draws weights, order and masks, the same for all rules.`),
        lines({ file: 'cost', title: 'Training cost', x: 'epoch', y: 'training cost', caption: 'Mean over the seeds; the shade goes from the least to the most. Nesterov and AdamW are dashed, as they lie on momentum and Adam.' },
          runs.map((each) => ({ ...withBand(each), dashed: each.name === 'Nesterov' || each.name === 'AdamW' }))),
        table(['optimizer', 'rate', 'cost at the end', 'least', 'most', 'test accuracy'], ranked.map((each) => {
          const ends = each.costs.map((cost) => cost.at(-1)!);
          return [each.name, String(RULES.find(({ name }) => name === each.name)!.rate), short(final(each)), short(Math.min(...ends)), short(Math.max(...ends)), mean(each.accuracies).toFixed(4)];
        }))),
    ],
  };
}
