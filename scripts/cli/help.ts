import { PEER_IDS } from './choices.js';
import { PRESETS } from './presets.js';

const presetLines = Object.entries(PRESETS).map(
  ([name, { summary, batchSize, epochs }]) => `  ${name.padEnd(24)}${summary}, batch ${batchSize}, ${epochs} epochs`,
);

/** What follows the options in each help page. */
export const HELP_AFTER = {
  program: `
Examples:
  tensorflock train                                   train the default preset on every core
  tensorflock train fashion-mnist-linear --workers 1  one layer, one worker
  tensorflock train experiment.js --out runs/first    your own model, kept in runs/first
  tensorflock train --resume runs/first               go on where it stopped
  tensorflock evaluate runs/first                     test it again
  tensorflock doctor                                  what this machine offers

Exit status: 0 done, 1 the run failed, 2 bad input, 130 interrupted, 143 ended by SIGTERM.
TENSORFLOCK_DATA names the folder of data sets.`,

  train: `
Presets:
${presetLines.join('\n')}

An experiment file is a JavaScript module:
  import * as tf from '@tensorflow/tfjs-layers';
  import { datasets, defineExperiment } from 'tensorflock';
  export default defineExperiment({
    model: () => tf.sequential({ layers: [
      tf.layers.flatten({ inputShape: [28, 28] }),
      tf.layers.dense({ units: 10, activation: 'softmax' }),
    ] }),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
    data: () => datasets.fashionMnist(),
    batchSize: 64,
    epochs: 5,
  });

The trained weights are a function of the model, the data, the options, the seed and the arithmetic alone: any number of
workers gives the same bytes. An interrupt (Ctrl-C) or SIGTERM writes a checkpoint into --out; a second one ends at once.

Examples:
  tensorflock train
  tensorflock train mnist-mlp --epochs 3 --workers 4 --out runs/mnist
  tensorflock train fashion-mnist-mlp --optimizer nesterov --learning-rate 0.05 --batch-size 64
  tensorflock train --resume runs/mnist --epochs 20
  tensorflock train --train-examples 6000 --epochs 1 --json | tail -n 1`,

  evaluate: `
The experiment, its data and its arithmetic come from the checkpoint in <folder>.

Examples:
  tensorflock evaluate runs/latest
  tensorflock evaluate runs/latest --test-examples 1000 --json`,

  predict: `
<file> is an IDX file (plain or gzip) or a CSV file with one example a line, in the model's order and without labels, or a PNG
picture of the model's size (28x28 for the presets), whose colours become grey. One JSON object a line comes back, with the
row (from 0), the outputs and, where they are classes, the most likely one, and its name where a preset was trained:
  {"row":0,"class":9,"name":"Ankle boot","output":[0.00001,…]}
Fashion-MNIST and MNIST are light on black; --invert is for a picture that is dark on white.

Examples:
  tensorflock predict runs/latest t10k-images-idx3-ubyte.gz | head -n 3
  tensorflock predict runs/latest rows.csv > answers.jsonl
  tensorflock predict runs/latest drawn.png --invert`,

  init: `
Examples:
  tensorflock init
  tensorflock init digits.js`,

  report: `
Examples:
  tensorflock report runs/adam runs/sgd
  tensorflock report runs/* --out all.html`,

  lesson: `
Images are those of Fashion-MNIST, or the digits of MNIST with --dataset mnist. A lesson draws everything from --seed; the folder gets
index.html, an SVG for each plot, and lesson.json with the figures and the data of the plots.

Examples:
  tensorflock lesson
  tensorflock lesson perceptron
  tensorflock lesson 10 --dataset mnist --out runs/digits`,

  bench: `
Networks: mlp is 784-100-10 with batch 128, mlp-wide 784-512-512-10 with batch 256; relu, softmax, Adam, Fashion-MNIST.
Peers: ${PEER_IDS.join(', ')}
(packages of the last three: npm ci --ignore-scripts in scripts/peers).

All programs are started and warmed up, then take turns, one at a time, so that a slow moment of the machine meets them
all. Timed are training steps with shuffling and gathering, from data in memory, set-up excluded, in ours and in the peers.
Shown are the median, the least and the most of the rounds, and the ratios to PyTorch with one thread, to the fastest
peer that does not leave workers unsynchronised (all but Hogwild), and to the fastest of all. Then come memory, the time
from a command to its first epoch, and what the project has set itself; a missed target is a result, not a failure.

--cluster measures the mlp at batch 2,048 by one worker, with a node of one worker on another machine, and by PyTorch DDP, in
network namespaces with the rate, delay and loss of a LAN and of a Wi-Fi (root and iproute2; elsewhere on loopback), beside what
the link allows at best.

Examples:
  tensorflock bench
  tensorflock bench --model mlp --rounds 9 --node node24/bin/node
  tensorflock bench --peers torch-1,torch-2 --json
  tensorflock bench --cluster`,

  doctor: `
Example:
  tensorflock doctor`,

  join: `
A key never is announced: without a link it comes from --key-file or TENSORFLOCK_KEY.
An interrupt (Ctrl-C) or SIGTERM lets the share that is being computed be sent, and leaves; a second one ends at once.

Examples:
  tensorflock join 'https://192.168.1.20:8080/#k=…&fp=…'
  tensorflock join 'https://192.168.1.20:8080/#k=…&fp=…' --serve 0.0.0.0:8080
  tensorflock join --key-file run.key`,

  operate: `
pause       begins no further step until resume
checkpoint  writes a checkpoint into --out of the run
stop        ends the run as an interrupt does: with a checkpoint from which it can be resumed

Example:
  tensorflock operate 'https://192.168.1.20:8080/#k=…&fp=…' pause`,

  replay: `
Exit status: 0 where every promise was kept, 1 where the log shows otherwise, or lacks events.

Examples:
  tensorflock replay runs/first/events.jsonl
  tensorflock replay runs/first/events.jsonl --json | tail -n 1`,
} as const;
