import { PEER_IDS } from './choices.js';
import { PRESETS } from './presets.js';

const presetLines = Object.entries(PRESETS).map(
  ([name, { summary, batchSize, epochs }]) => `  ${name.padEnd(24)}${summary}, batch ${batchSize}, ${epochs} epochs`,
);

/** The parts of a page behind its options, in their order. */
interface Page {
  readonly text?: string;
  readonly files?: readonly (readonly [path: string, what: string])[];
  readonly exit: readonly (readonly [status: number, when: string])[];
  readonly examples: readonly (readonly [line: string, what?: string])[];
  readonly seeAlso: readonly string[];
}

const DONE = [0, 'done'] as const;
const FAILED = [1, 'failed for another reason than what was typed'] as const;
const BAD_INPUT = [2, 'bad input: one sentence on standard error, and nothing written'] as const;
const USUAL = [DONE, FAILED, BAD_INPUT];
const INTERRUPTED = [[130, 'interrupted (Ctrl-C)'], [143, 'ended by SIGTERM']] as const;

function page({ text, files, exit, examples, seeAlso }: Page): string {
  const width = Math.max(...examples.map(([line]) => line.length)) + 2;
  const isWide = examples.some(([, what]) => what !== undefined && width + what.length > 110);
  const sections = [
    text,
    files === undefined ? undefined : `Files:\n${files.map(([path, what]) => `  ${path.padEnd(24)}${what}`).join('\n')}`,
    `Examples:\n${examples.map(([line, what]) => `  ${what === undefined ? line : isWide ? `${line}\n      ${what}` : `${line.padEnd(width)}${what}`}`).join('\n')}`,
    `Exit status:\n${exit.map(([status, when]) => `  ${String(status).padEnd(5)}${when}`).join('\n')}`,
    `See also: ${seeAlso.map((name) => (name.startsWith('docs/') ? name : `tensorflock ${name} --help`)).join(', ')}`,
  ];
  return `\n${sections.filter((section) => section !== undefined).join('\n\n')}`;
}

const LINK = "'https://192.168.1.20:8080/#k=…&fp=…'";

/** What follows the options in each help page. */
export const HELP_AFTER = {
  program: page({
    text: `Every command has a page of its own: tensorflock <command> --help.

Environment:
  TENSORFLOCK_DATA        folder of data sets, looked at first (default: $XDG_CACHE_HOME/tensorflock)
  TENSORFLOCK_KEY         the join key of train --serve, and of join without a key in its link
  NO_COLOR                no colours on terminals; where output is no terminal there are none, and no progress bar`,
    exit: [DONE, FAILED, BAD_INPUT, ...INTERRUPTED],
    examples: [
      ['tensorflock train', 'train the default preset on every core'],
      ['tensorflock train fashion-mnist-linear --workers 1', 'one layer, one worker'],
      ['tensorflock init experiment.ts', 'begin with a model of your own'],
      ['tensorflock train experiment.ts --out runs/first', 'train it, and keep it in runs/first'],
      ['tensorflock train --resume runs/first', 'go on where it stopped'],
      ['tensorflock evaluate runs/first', 'test it again'],
      ['tensorflock lesson', 'what there is to learn'],
      ['tensorflock doctor', 'what this machine offers'],
    ],
    seeAlso: ['train', 'join', 'lesson', 'docs/errors.md'],
  }),

  train: page({
    text: `Presets:
${presetLines.join('\n')}

An experiment file is a module in JavaScript, or in TypeScript, which is run without a build step and without checking its types:
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
workers gives the same bytes. An interrupt (Ctrl-C) or SIGTERM writes a checkpoint into --out; a second one ends at once.`,
    files: [
      ['OUT/report.html', 'curves, confusion matrix, health and facts of the run, its charts as SVG beside it'],
      ['OUT/run.json', 'what --resume, evaluate and predict read, with the checkpoints in OUT/step-N'],
      ['OUT/events.jsonl', 'with --serve: what happened with nodes; see replay'],
      ['OUT/cluster.json', 'with --serve: keys and certificate, for its owner alone'],
    ],
    exit: [...USUAL, ...INTERRUPTED],
    examples: [
      ['tensorflock train'],
      ['tensorflock train mnist-mlp --epochs 3 --workers 4 --out runs/mnist'],
      ['tensorflock train fashion-mnist-mlp --optimizer nesterov --learning-rate 0.05 --batch-size 64'],
      ['tensorflock train experiment.ts --out runs/mine', 'your own model'],
      ['tensorflock train --resume runs/mnist --epochs 20', 'go on, to the bytes of a run that never stopped'],
      ['tensorflock train --train-examples 6000 --epochs 1 --json | tail -n 1', 'the result for a program'],
      ['tensorflock train fashion-mnist-mlp-wide --serve 0.0.0.0:8080', 'let other machines join'],
      ['tensorflock train --serve 0.0.0.0:8080 --mode local --period 16 --codec bfloat16', 'over a slow link'],
    ],
    seeAlso: ['init', 'evaluate', 'predict', 'report', 'join', 'docs/errors.md'],
  }),

  evaluate: page({
    text: 'The experiment, its data and its arithmetic come from the checkpoint in <folder>.',
    exit: USUAL,
    examples: [
      ['tensorflock evaluate runs/latest', 'its test examples'],
      ['tensorflock evaluate runs/latest --test-examples 1000 --json', 'the first thousand, for a program'],
    ],
    seeAlso: ['train', 'predict', 'report'],
  }),

  predict: page({
    text: `<file> is an IDX file (plain or gzip) or a CSV file with one example a line, in the model's order and without labels, or a PNG
picture of the model's size (28x28 for the presets), whose colours become grey. One JSON object a line comes back, with or without --json, with the
row (from 0), the outputs and, where they are classes, the most likely one, and its name where a preset was trained:
  {"row":0,"class":9,"name":"Ankle boot","output":[0.00001,…]}
Fashion-MNIST and MNIST are light on black; --invert is for a picture that is dark on white.`,
    exit: USUAL,
    examples: [
      ['tensorflock predict runs/latest t10k-images-idx3-ubyte.gz | head -n 3'],
      ['tensorflock predict runs/latest rows.csv > answers.jsonl'],
      ['tensorflock predict runs/latest drawn.png --invert'],
    ],
    seeAlso: ['train', 'evaluate'],
  }),

  init: page({
    text: 'The name decides the language; what is written trains on Fashion-MNIST as it is.',
    exit: USUAL,
    examples: [
      ['tensorflock init', 'experiment.js'],
      ['tensorflock init digits.ts', 'TypeScript, which an editor checks'],
    ],
    seeAlso: ['train'],
  }),

  report: page({
    text: 'Runs are named by their --out and need not have ended. The page is one file, without scripts and links.',
    exit: USUAL,
    examples: [
      ['tensorflock report runs/adam runs/sgd', 'comparison.html'],
      ['tensorflock report runs/* --out all.html'],
    ],
    seeAlso: ['train', 'evaluate'],
  }),

  lesson: page({
    text: `Images are those of Fashion-MNIST, or the digits of MNIST with --dataset mnist. A lesson draws everything from --seed.`,
    files: [
      ['OUT/index.html', 'the page, without scripts and links'],
      ['OUT/*.svg', 'each plot'],
      ['OUT/lesson.json', 'the figures and the data of the plots'],
    ],
    exit: USUAL,
    examples: [
      ['tensorflock lesson', 'the list'],
      ['tensorflock lesson perceptron', 'or tensorflock lesson 1'],
      ['tensorflock lesson 10 --dataset mnist --out runs/digits'],
    ],
    seeAlso: ['train', 'init'],
  }),

  bench: page({
    text: `Networks: mlp is 784-100-10 with batch 128, mlp-wide 784-512-512-10 with batch 256; relu, softmax, Adam, Fashion-MNIST.
Peers: ${PEER_IDS.join(', ')}
(packages of the last three: npm ci --ignore-scripts in scripts/peers).

All programs are started and warmed up, then take turns, one at a time, so that a slow moment of the machine meets them
all. Timed are training steps with shuffling and gathering, from data in memory, set-up excluded, in ours and in the peers.
Shown are the median, the least and the most of the rounds, and the ratios to PyTorch with one thread, to the fastest
peer that does not leave workers unsynchronised (all but Hogwild), and to the fastest of all. Then come memory, the time
from a command to its first epoch, and what the project has set itself; a missed target is a result, not a failure.

--cluster measures the mlp at batch 2,048 by one worker, with a node of one worker on another machine, and by PyTorch, alone and with DDP, in
network namespaces with the rate, delay and loss of a LAN and of a Wi-Fi (root and iproute2; elsewhere on loopback), beside what
the link allows at best.

--scaling reports how speed grows, in networks of three sizes (linear is 784-10 with batch 32). Its parts: workers (strong scaling, the
same mini-batch; and weak, as many examples for each), batches, modes, codecs (with a node on loopback), nodes (on loopback) and accuracy
(seconds until a validation accuracy). Peers that --peers names are measured beside workers. Speedups are to the best single worker. Amdahl's law is fitted to the strong series. A fixed kernel
runs before each run, and its spread tells whether the machine was quiet. How long it will take is said first.

--compare reads two bench.json: a difference exceeds the noise where no run of the one report lies within those of the other.`,
    files: [
      ['OUT/index.html', 'with --scaling: the page, without scripts and links; its charts beside it as SVG'],
      ['OUT/bench.json', 'all figures and every run, for --compare'],
      ['OUT/bench.csv', 'a line a run'],
    ],
    exit: USUAL,
    examples: [
      ['tensorflock bench', 'both networks beside every peer that is installed'],
      ['tensorflock bench --model mlp --rounds 9 --node node24/bin/node'],
      ['tensorflock bench --peers torch-1,torch-2 --json'],
      ['tensorflock bench --cluster', 'what a node is worth'],
      ['tensorflock bench --scaling --out runs/scaling', 'strong and weak scaling over workers'],
      ['tensorflock bench --scaling batches,modes --sizes mlp --rounds 3', 'a part of it'],
      ['tensorflock bench --compare runs/before/bench.json runs/after/bench.json'],
    ],
    seeAlso: ['doctor', 'train'],
  }),

  doctor: page({
    text: `Of a link are measured the round trip (connections) and the rate (a file that its port serves to everybody): it needs no key and
disturbs a run little. A step is measured on this machine with every core, at the mini-batch and at four times as much. The advice
is arithmetic on these figures, for another machine as fast as this one: parameters there, a part of the step, gradients back.`,
    exit: [DONE, [1, 'this machine cannot train at all, or nobody answers at the link'], BAD_INPUT],
    examples: [
      ['tensorflock doctor', 'this machine'],
      [`tensorflock doctor ${LINK}`, 'and whether it would help there'],
      [`tensorflock doctor ${LINK} --size mlp-wide --batch 1024`],
    ],
    seeAlso: ['train', 'bench'],
  }),

  join: page({
    text: `A key never is announced: without a link it comes from --key-file or TENSORFLOCK_KEY.
An interrupt (Ctrl-C) or SIGTERM lets the share that is being computed be sent, and leaves; a second one ends at once.
Data sets that came over the network are kept in TENSORFLOCK_DATA, by the hash of their bytes.`,
    exit: [...USUAL, ...INTERRUPTED],
    examples: [
      [`tensorflock join ${LINK}`, 'the line that train --serve prints'],
      [`tensorflock join ${LINK} --workers 2 --once`, 'two threads, for one run'],
      [`tensorflock join ${LINK} --serve 0.0.0.0:8080`, 'be a relay for others'],
      ['tensorflock join --key-file run.key', 'look for announced runs'],
    ],
    seeAlso: ['train', 'operate', 'docs/operations.md'],
  }),

  operate: page({
    text: `pause       begins no further step until resume
checkpoint  writes a checkpoint into --out of the run
stop        ends the run as an interrupt does: with a checkpoint from which it can be resumed`,
    exit: USUAL,
    examples: [[`tensorflock operate ${LINK} pause`]],
    seeAlso: ['train', 'join', 'docs/operations.md'],
  }),

  replay: page({
    exit: [[0, 'every promise was kept'], [1, 'the log shows otherwise, or lacks events'], BAD_INPUT],
    examples: [
      ['tensorflock replay runs/first/events.jsonl'],
      ['tensorflock replay runs/first/events.jsonl --json | tail -n 1'],
    ],
    seeAlso: ['train', 'docs/operations.md'],
  }),

  completion: page({
    text: `bash: add to ~/.bashrc         source <(tensorflock completion bash)
zsh: add to ~/.zshrc           source <(tensorflock completion zsh)
fish:                          tensorflock completion fish > ~/.config/fish/completions/tensorflock.fish
PowerShell: add to $PROFILE    tensorflock completion powershell | Out-String | Invoke-Expression`,
    exit: USUAL,
    examples: [
      ['tensorflock completion bash'],
      ['tensorflock completion zsh'],
    ],
    seeAlso: ['train'],
  }),
} as const;
