// Lesson 2. Two inputs, two hidden neurons, two outputs, all sigmoid: the network of Matt Mazur's "A step by step backpropagation
// example" (2015), whose numbers are known. Forward and backward pass are written out; then the library traces the same network.
import * as tfl from '@tensorflow/tfjs-layers';
import { datasets, optimizers } from 'tensorflock';
import { bars, formula, lines, section, setWeights, short, table, text, withTrainer, type Findings } from './kit.js';

const x = [0.05, 0.1] as const;
const target = [0.01, 0.99] as const;
const hidden = { weights: [[0.15, 0.2], [0.25, 0.3]], biases: [0.35, 0.35] } as const; // weights[neuron][input]
const output = { weights: [[0.4, 0.45], [0.5, 0.55]], biases: [0.6, 0.6] } as const;
const LEARNING_RATE = 0.5;

const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));

interface Layer {
  readonly weights: readonly (readonly [number, number])[];
  readonly biases: readonly [number, number];
}

/** Forward through one layer: the weighted sums and what the sigmoid makes of them. */
function forward({ weights, biases }: Layer, inputs: readonly number[]): { net: number[]; out: number[] } {
  const net = weights.map((row, neuron) => row[0] * inputs[0]! + row[1] * inputs[1]! + biases[neuron]!);
  return { net, out: net.map(sigmoid) };
}

/** Half the sum of the squared errors, which is their mean over the two outputs. */
const lossOf = (outputs: readonly number[]): number => outputs.reduce((sum, value, k) => sum + (value - target[k]!) ** 2 / 2, 0);

/** One row of the chain rule: the derivative of the loss by a weight as the product of its factors. */
interface ChainRow {
  readonly name: string;
  readonly factors: readonly [number, number, number];
  readonly gradient: number;
}

export async function run(): Promise<Findings> {
  // Forward.
  const h = forward(hidden, x);
  const o = forward(output, h.out);
  const loss = lossOf(o.out);

  // Backward, output layer: dE/dout · dout/dnet · dnet/dw.
  const dLossByOut = o.out.map((value, k) => value - target[k]!);
  const slopeOfOut = o.out.map((value) => value * (1 - value));
  const deltaOfOut = dLossByOut.map((value, k) => value * slopeOfOut[k]!);
  const row = (name: string, dOut: number, slope: number, dNet: number): ChainRow => ({ name, factors: [dOut, slope, dNet], gradient: dOut * slope * dNet });
  const outputRows = deltaOfOut.flatMap((_, k) => [
    ...h.out.map((value, j) => row(`w${5 + 2 * k + j}`, dLossByOut[k]!, slopeOfOut[k]!, value)),
    row(`b of o${k + 1}`, dLossByOut[k]!, slopeOfOut[k]!, 1),
  ]);

  // Backward, hidden layer: what arrives at a hidden neuron comes from both outputs, through the weights that lead there.
  const dLossByHidden = h.out.map((_, j) => deltaOfOut.reduce((sum, delta, k) => sum + delta * output.weights[k]![j]!, 0));
  const slopeOfHidden = h.out.map((value) => value * (1 - value));
  const hiddenRows = dLossByHidden.flatMap((arriving, j) => [
    ...x.map((value, i) => row(`w${1 + 2 * j + i}`, arriving, slopeOfHidden[j]!, value)),
    row(`b of h${j + 1}`, arriving, slopeOfHidden[j]!, 1),
  ]);
  const byHand = [...hiddenRows, ...outputRows];

  const gradientOf = (name: string): number => byHand.find((each) => each.name === name)!.gradient;

  // A step of the weights alone, as the published example makes it.
  const step = (w: number, name: string): number => w - LEARNING_RATE * gradientOf(name);
  const stepped = ({ weights, biases }: Layer, first: number): Layer => ({ biases, weights: weights.map(([a, b], neuron) => [step(a, `w${first + 2 * neuron}`), step(b, `w${first + 2 * neuron + 1}`)]) });
  const lossOfWeightsAlone = lossOf(forward(stepped(output, 5), forward(stepped(hidden, 1), x).out).out);

  // The same network in tfjs-layers. Kernels are [inputs][units]: the transpose of the rows above.
  const model = tfl.sequential({ layers: [tfl.layers.dense({ units: 2, activation: 'sigmoid', inputShape: [2] }), tfl.layers.dense({ units: 2, activation: 'sigmoid' })] });
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
  const transposed = ([a, b]: Layer['weights']): number[][] => [[a![0], b![0]], [a![1], b![1]]];
  setWeights(model, [transposed(hidden.weights), hidden.biases, transposed(output.weights), output.biases]);
  const data = datasets.arrays([x], [target]);
  const { traced, tracedLoss, losses } = await withTrainer(model, { workers: 1, optimizer: optimizers.sgd({ learningRate: LEARNING_RATE }) }, async (trainer) => {
    const { loss: ofTrace, gradients } = await trainer.gradients(data);
    const { history } = await trainer.fit(data, null, { batchSize: 1, epochs: 1000 });
    // The loss of a step is that of the weights with which it begins.
    return { tracedLoss: ofTrace, traced: inOrderOfRows([...gradients.values()]), losses: [...history['loss']!, (await trainer.evaluate(data)).loss] };
  });
  const largestDifference = Math.max(...byHand.map(({ gradient }, index) => Math.abs(gradient - traced[index]!)));
  const lossAfterStep = losses[1]!;

  const rowsOf = (rows: readonly ChainRow[], names: readonly string[]) => table([...names, 'gradient'], rows.map(({ name, factors, gradient }) => [name, ...factors.map((value) => value.toFixed(9)), gradient.toFixed(9)]));
  return {
    figures: {
      loss, tracedLoss, largestDifference, lossAfterStep, lossOfWeightsAlone, lossAtEnd: losses.at(-1)!,
      netH1: h.net[0]!, outH1: h.out[0]!, outO1: o.out[0]!, outO2: o.out[1]!,
      gradientW5: gradientOf('w5'), newW5: step(output.weights[0][0], 'w5'),
      gradientW1: gradientOf('w1'), newW1: step(hidden.weights[0][0], 'w1'),
    },
    lines: [
      `Forward, the outputs are ${o.out.map((value) => value.toFixed(6)).join(' and ')} for targets ${target.join(' and ')}: loss ${loss.toFixed(9)}.`,
      `Backward, twelve derivatives by the chain rule; the traced network gives the same to ${largestDifference.toExponential(1)}, and the loss ${tracedLoss.toFixed(6)}.`,
      `One step at rate ${LEARNING_RATE} brings the loss to ${lossAfterStep.toFixed(6)}, a thousand to ${short(losses.at(-1)!)}.`,
    ],
    sections: [
      section('Forward',
        text(`The inputs are x1 = ${x[0]} and x2 = ${x[1]}, the targets t1 = ${target[0]} and t2 = ${target[1]}. h1 and h2 weigh the inputs, o1 and o2 what comes out of h1 and h2.`),
        formula(String.raw`\text{net}_{h1} = w_1 x_1 + w_2 x_2 + b_{h1} = ${hidden.weights[0][0]} \cdot ${x[0]} + ${hidden.weights[0][1]} \cdot ${x[1]} + ${hidden.biases[0]} = ${h.net[0]!.toFixed(4)}`),
        formula(String.raw`\text{out}_{h1} = \sigma(\text{net}_{h1}) = \frac{1}{1 + e^{-\text{net}_{h1}}} = ${h.out[0]!.toFixed(9)}`),
        table(['neuron', 'weights', 'bias', 'net', 'out'], [...rowsOfLayer('h', 1, hidden, h), ...rowsOfLayer('o', 5, output, o)]),
        formula(String.raw`E = \tfrac{1}{2}\left((\text{out}_{o1} - t_1)^2 + (\text{out}_{o2} - t_2)^2\right) = ${loss.toFixed(9)}`)),
      section('Backward: the output layer',
        text('A weight acts on its neuron\'s sum, the sum on the output, the output on the loss: three factors.'),
        formula(String.raw`\frac{\partial E}{\partial w_5} = \frac{\partial E}{\partial \text{out}_{o1}} \cdot \frac{\partial \text{out}_{o1}}{\partial \text{net}_{o1}} \cdot \frac{\partial \text{net}_{o1}}{\partial w_5} = (\text{out}_{o1} - t_1) \cdot \text{out}_{o1}(1 - \text{out}_{o1}) \cdot \text{out}_{h1}`),
        formula(String.raw`${dLossByOut[0]!.toFixed(6)} \cdot ${slopeOfOut[0]!.toFixed(6)} \cdot ${h.out[0]!.toFixed(6)} = ${gradientOf('w5').toFixed(9)}`),
        rowsOf(outputRows, ['weight', 'dE/dout', 'dout/dnet', 'dnet/dw'])),
      section('Backward: the hidden layer',
        text('A hidden neuron acts on both outputs, so that its first factor is a sum over them. δ is what arrived at an output\'s sum, and goes back through the weight that led there.'),
        ...deltaOfOut.map((delta, k) => formula(String.raw`\delta_{o${k + 1}} = \frac{\partial E}{\partial \text{net}_{o${k + 1}}} = ${dLossByOut[k]!.toFixed(6)} \cdot ${slopeOfOut[k]!.toFixed(6)} = ${delta.toFixed(9)}`)),
        ...dLossByHidden.map((arriving, j) => formula(String.raw`\frac{\partial E}{\partial \text{out}_{h${j + 1}}} = \delta_{o1} w_${5 + j} + \delta_{o2} w_${7 + j} = ${deltaOfOut[0]!.toFixed(6)} \cdot ${output.weights[0][j]!} + (${deltaOfOut[1]!.toFixed(6)}) \cdot ${output.weights[1][j]!} = ${arriving.toFixed(9)}`)),
        formula(String.raw`\frac{\partial E}{\partial w_1} = \frac{\partial E}{\partial \text{out}_{h1}} \cdot \text{out}_{h1}(1 - \text{out}_{h1}) \cdot x_1 = ${dLossByHidden[0]!.toFixed(6)} \cdot ${slopeOfHidden[0]!.toFixed(6)} \cdot ${x[0]} = ${gradientOf('w1').toFixed(9)}`),
        rowsOf(hiddenRows, ['weight', 'dE/dout', 'dout/dnet', 'dnet/dw'])),
      section('Against tracing',
        text('The library runs tfjs\'s own forward and backward pass once on a backend that records kernels, and computes what was recorded in float32.'),
        table(['weight', 'by hand', 'traced', 'difference'], byHand.map(({ name, gradient }, index) => [name, gradient.toFixed(9), traced[index]!.toFixed(9), Math.abs(gradient - traced[index]!).toExponential(1)])),
        bars({ file: 'gradients', title: 'Gradients', x: 'gradient', caption: 'The gradient of each weight, by hand.' }, byHand.map(({ name, gradient }) => ({ name, value: gradient })))),
      section('Learning',
        formula(String.raw`w \leftarrow w - ${LEARNING_RATE}\, \frac{\partial E}{\partial w}, \qquad w_5 = 0.4 - 0.5 \cdot ${gradientOf('w5').toFixed(9)} = ${(0.4 - 0.5 * gradientOf('w5')).toFixed(9)}`),
        text(`With all twelve moved, the loss is ${lossAfterStep.toFixed(6)} after one step. Mazur leaves the biases as they are, and comes to ${lossOfWeightsAlone.toFixed(6)}.`),
        lines({ file: 'loss', title: 'Loss', x: 'step', y: 'loss', caption: 'The loss of a thousand steps, logarithmic.' }, [{ name: 'loss', points: losses.map((value, step) => [step, value] as const) }], { logY: true })),
    ],
  };
}

/** A layer in the table: its weights are numbered on from `first`. */
function rowsOfLayer(letter: string, first: number, { weights, biases }: Layer, { net, out }: ReturnType<typeof forward>): string[][] {
  return weights.map(([a, b], neuron) => [`${letter}${neuron + 1}`, `w${first + 2 * neuron}=${a}, w${first + 2 * neuron + 1}=${b}`, String(biases[neuron]), net[neuron]!.toFixed(9), out[neuron]!.toFixed(9)]);
}

/** The traced gradients (kernel, biases of each layer) in the order of the rows above: a neuron's two weights, then its bias. */
function inOrderOfRows([hiddenKernel, hiddenBiases, outputKernel, outputBiases]: readonly Float32Array[]): number[] {
  return [[hiddenKernel, hiddenBiases], [outputKernel, outputBiases]].flatMap(([kernel, biases]) => [0, 1].flatMap((neuron) => [kernel![neuron]!, kernel![2 + neuron]!, biases![neuron]!]));
}
