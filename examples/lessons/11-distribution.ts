// Lesson 11. The same training by one worker, two, four, and with a second process that is killed in the middle: a step is cut into
// shards whose gradients are added along one fixed tree, so that nothing depends on who computed. Then three modes that give this up.
import { EventEmitter, once } from 'node:events';
import * as tfl from '@tensorflow/tfjs-layers';
import type { Dataset, DistributeOptions } from 'tensorflock';
import { classifier, first, formula, lines, section, short, startNode, table, text, within, withTrainer, type Findings, type LessonContext } from './kit.js';

interface Run {
  readonly name: string;
  readonly losses: readonly number[];
  readonly weightsSha256: string;
  readonly accuracy: number;
  /** The most nodes beside this process. */
  readonly nodes: number;
  readonly lost: boolean;
}

interface Training {
  readonly data: Dataset;
  readonly test: Dataset;
  readonly seed: number;
  readonly epochs: number;
}

type Callbacks = { readonly onEpochBegin?: (epoch: number) => Promise<void> };

async function train(name: string, { data, test, seed, epochs }: Training, options: DistributeOptions, callbacks: Callbacks = {}): Promise<Run> {
  const model = classifier(tfl.sequential({
    layers: [tfl.layers.flatten({ inputShape: [28, 28] }), tfl.layers.dense({ units: 100, activation: 'relu', kernelInitializer: 'glorotUniform' }), tfl.layers.dense({ units: 10, activation: 'softmax', kernelInitializer: 'glorotUniform' })],
  }), seed);
  return withTrainer(model, { seed, ...options }, async (trainer) => {
    const { history } = await trainer.fit(data, null, { batchSize: 128, epochs, callbacks });
    const { accuracy } = await trainer.evaluate(test);
    return { name, losses: history['loss']!, weightsSha256: trainer.hashes().weightsSha256, accuracy: accuracy!, nodes: trainer.mostNodes, lost: false };
  });
}

/** The same with a node: a process that opens the join link. It takes part from the second epoch on; `dies`: until the third begins. */
async function trainWithNode(name: string, training: Training, options: DistributeOptions, dies: boolean): Promise<Run> {
  const told = new EventEmitter();
  const [joins, goes] = [once(told, 'joined'), once(told, 'gone')];
  const nodes: ReturnType<typeof startNode>[] = [];
  const end = (): void => { for (const node of nodes) node.kill(); };
  let lost = false;
  const onNotice = (notice: string): void => {
    const link = /http\S+#k=[\w-]+/.exec(notice)?.[0];
    if (link !== undefined && nodes.length === 0) nodes.push(startNode(link));
    if (/node \d+ .*takes part/.test(notice)) told.emit('joined');
    if (/node \d+ is gone/.test(notice)) told.emit('gone');
  };
  const onEpochBegin = async (epoch: number): Promise<void> => {
    if (epoch === 1) await within(60, joins, 'the node does not come');
    if (epoch === 2 && dies) end();
    if (epoch === 3 && dies) {
      await within(60, goes, 'the node does not go');
      lost = true;
    }
  };
  try {
    return { ...(await train(name, training, { ...options, serve: '127.0.0.1:0', onNotice }, { onEpochBegin })), lost };
  } finally {
    end();
  }
}

export async function run({ seed, quick, images }: LessonContext): Promise<Findings> {
  const split = await images();
  const training = { data: first(split.train, quick ? 4000 : 20000), test: split.test, seed, epochs: quick ? 4 : 8 };
  const exact = [
    await train('1 worker', training, { workers: 1 }),
    await train('2 workers', training, { workers: 2 }),
    await train('4 workers', training, { workers: 4 }),
    await trainWithNode('1 worker and a node that dies', training, { workers: 1 }, true),
  ];
  const [one, , , withDeath] = exact as [Run, Run, Run, Run];
  const others = [
    await trainWithNode('stale', training, { workers: 1, mode: 'stale', staleness: 4 }, false),
    await trainWithNode('async', training, { workers: 1, mode: 'async' }, false),
    await trainWithNode('local', training, { workers: 1, mode: 'local', period: 16 }, false),
  ];
  const same = exact.every(({ weightsSha256, losses }) => weightsSha256 === one.weightsSha256 && losses.every((loss, epoch) => loss === one.losses[epoch]));
  const different = new Set([one, ...others].map(({ weightsSha256 }) => weightsSha256)).size === 1 + others.length;
  const curve = ({ name, losses }: Run, dashed = false) => ({ name, points: losses.map((loss, epoch) => [epoch + 1, loss] as const), dashed });
  const row = ({ name, nodes, losses, accuracy, weightsSha256 }: Run) => [name, nodes, losses.at(-1)!.toFixed(6), accuracy.toFixed(4), weightsSha256.slice(0, 12)];

  return {
    figures: {
      hashes: exact.map(({ weightsSha256 }) => weightsSha256), losses: exact.map(({ losses }) => losses.at(-1)!), same, nodes: withDeath.nodes, lost: withDeath.lost, accuracy: one.accuracy,
      otherHashes: others.map(({ weightsSha256 }) => weightsSha256), otherLosses: others.map(({ losses }) => losses.at(-1)!), otherAccuracies: others.map(({ accuracy }) => accuracy), otherNodes: others.map(({ nodes }) => nodes),
    },
    lines: [
      `${exact.map(({ name }) => name).join(', ')}: ${same ? `the same loss after every epoch and the same bytes, weights ${one.weightsSha256.slice(0, 12)}` : 'they differ'}; test accuracy ${one.accuracy.toFixed(3)}.`,
      `Sync ends at loss ${short(one.losses.at(-1)!)}; with a node beside one worker, ${others.map(({ name, losses, accuracy }) => `${name} ends at ${short(losses.at(-1)!)} (accuracy ${accuracy.toFixed(3)})`).join(', ')}: ${different ? 'other bytes each time' : 'not always other bytes'}.`,
    ],
    sections: [
      section('The same bytes, whoever computes',
        text('Float addition is not associative: (a + b) + c and a + (b + c) may differ in their last bit. So a mini-batch is cut into shards of a size that does not know the workers, and their gradients are added along one tree, whoever has computed them:'),
        formula(String.raw`g = \frac{1}{N} \Bigl( \bigl( (g_0 + g_1) + (g_2 + g_3) \bigr) + \bigl( (g_4 + g_5) + \ldots \bigr) \Bigr), \qquad g_k = \sum_{n \in \text{shard } k} \nabla E_n`),
        text('The node is a process of its own on this machine. It takes part from the second epoch on and is killed when the third begins; what it owed goes to the others.'),
        lines({ file: 'exact', title: 'Loss in mode sync', x: 'epoch', y: 'loss', caption: 'Four runs, one line: the last is drawn over the others.' }, exact.map((each, index) => curve(each, index > 0))),
        table(['run', 'nodes', 'loss at the end', 'test accuracy', 'weights'], exact.map(row))),
      section('Stale, async, local',
        text('Stale lets a shard be computed from parameters that are up to 4 versions old, so that nobody waits for the slowest. Async makes every share an update of its own, the smaller the older it is. Local lets each machine make 16 steps by itself and takes the mean.'),
        formula(String.raw`\text{async:} \quad p \leftarrow p - \frac{\eta}{1 + \text{age}} \cdot \frac{\text{its examples}}{\text{batch}}\, g`),
        formula(String.raw`\text{local:} \quad p \leftarrow \frac{\sum_i n_i p_i}{\sum_i n_i}`),
        lines({ file: 'modes', title: 'Loss by mode', x: 'epoch', y: 'loss', caption: 'One worker and a node in three modes, beside sync.' }, [curve({ ...one, name: 'sync' }), ...others.map((each) => curve(each))]),
        table(['mode', 'nodes', 'loss at the end', 'test accuracy', 'weights'], [row({ ...one, name: 'sync' }), ...others.map(row)])),
    ],
  };
}
