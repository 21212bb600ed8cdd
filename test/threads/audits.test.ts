import { beforeAll, describe, expect, test } from 'vitest';
import { Register } from '../../cluster/coordinator/register.js';
import { optimizers } from '../../src/index.js';
import { trainTogether, type ClusterWish, type NodeWish, type Outcome } from './in-process.js';
import { classification, mlp } from './models.js';

/** 5 steps an epoch, the last one shorter. */
const EXAMPLES = 403;
const FEATURES = 200; // enough work that a node gets some of every step
const { x, y } = classification(EXAMPLES, FEATURES, 5);

const WISH: ClusterWish = {
  model: () => mlp({ features: FEATURES, units: 300, dropout: 0.3, regularizer: true }),
  optimizer: optimizers.adam(), x, y, batchSize: 96, shardSize: 8, epochs: 6, workers: 1, usesLocal: true, nodes: [],
};

interface Audited extends Outcome {
  readonly notices: readonly string[];
}

/** `notice` of the wish is called too. */
async function train(nodes: readonly NodeWish[], more: Partial<ClusterWish> = {}): Promise<Audited> {
  const notices: string[] = [];
  const notice = (sentence: string): void => {
    notices.push(sentence);
    more.notice?.(sentence);
  };
  return { ...(await trainTogether({ ...WISH, nodes, ...more, notice })), notices };
}

let alone: Audited;
beforeAll(async () => { alone = await train([]); });

const honest: NodeWish = { workers: 1 };

/** Flips a bit of the largest number of those shares, which changes it by up to a half. */
const liar = (lies: (count: number) => boolean): NodeWish => ({
  ...honest, tampers: ({ bytes }, count) => { if (lies(count)) flipBit(bytes); },
});

function flipBit(bytes: Uint8Array): void {
  const floats = new Float32Array(bytes.buffer);
  const largest = floats.reduce((found, value, index) => (Math.abs(value) > Math.abs(floats[found]!) ? index : found), 0);
  bytes[largest * 4 + 2] = bytes[largest * 4 + 2]! ^ 0x40;
}

/** The first draws do not ask for an audit, those after them do. */
function drawsAfter(count: number): () => number {
  let draws = 0;
  return () => (draws++ < count ? 0.99 : 0);
}

const always = (): boolean => true;
const EXPELLED = /^node \d gave wrong bytes for shards \d+ to \d+ of step \d+ and is expelled$/;
const WENT_BACK = /^the training goes on from step \d+: what came later may hold wrong shares/;

function expectOneExpelled({ stateSha256, closed, readmitted, notices }: Audited): void {
  expect(stateSha256).toBe(alone.stateSha256);
  expect(closed).toEqual(['ERR_EXPELLED']);
  expect(readmitted).toEqual([undefined]);
  expect(notices.filter((sentence) => EXPELLED.test(sentence))).toHaveLength(1);
}

describe('a node that lies by one bit is found, and its lies are undone', () => {
  test('with every share audited, at its first lie; the incident names the share and who gave what', async () => {
    const trained = await train([liar((count) => count === 0)], { rules: { auditProbability: 1 } });
    expectOneExpelled(trained);
    expect(trained.notices[0]).toMatch(/^different bytes for shards \d+ to \d+ of step \d+: node 1 [0-9a-f]{12}, this machine [0-9a-f]{12}$/);
    expect(trained.notices.filter((sentence) => WENT_BACK.test(sentence))).toEqual([]);
  });

  test('by an audit that comes after lies that nobody looked at', async () => {
    const trained = await train([liar(always), honest], { rules: { auditProbability: 0.5 }, draw: drawsAfter(4) });
    expectOneExpelled(trained);
    expect(trained.notices.filter((sentence) => WENT_BACK.test(sentence))).toEqual([expect.stringContaining('from step 1:')]);
  });

  test('before an epoch’s end, where no audit was drawn', async () => {
    let epochs = 0;
    const trained = await train([liar(always), honest], { rules: { auditProbability: 1e-9 }, epochEnd: () => { epochs++; } });
    expectOneExpelled(trained);
    expect(trained.notices.find((sentence) => EXPELLED.test(sentence))).toContain('of step 5 ');
    expect(epochs).toBe(WISH.epochs);
  });

  test('by its fellows, of a coordinator that computes nothing', async () => {
    const trained = await train([honest, liar(always), honest], { usesLocal: false, rules: { auditProbability: 0.5, quorum: 2 }, draw: drawsAfter(6) });
    expectOneExpelled(trained);
    expect(trained.notices.find((sentence) => EXPELLED.test(sentence))).toContain('node 1 ');
  });

  test('after it was honest at first, of a coordinator that computes nothing', async () => {
    // From its second share on: a node that is found slow gives few.
    const trained = await train([liar((count) => count >= 1), honest, honest], { usesLocal: false, rules: { auditProbability: 1, backup: true } });
    expectOneExpelled(trained);
    expect(trained.notices.filter((sentence) => WENT_BACK.test(sentence))).toEqual([]);
  });

  test('and may not come back in a later training', async () => {
    const register = new Register({ generation: 1, nextNumber: 2, members: [{ identity: 'node 0', number: 1, isExpelled: true }] });
    const { closed, stateSha256 } = await train([honest], { register });
    expect({ closed, stateSha256 }).toEqual({ closed: ['refused'], stateSha256: alone.stateSha256 });
  });
});

test('nothing is assigned of a generation that is not written down', async () => {
  const register = new Register();
  const written = new Set<number>();
  await register.keepWith(async ({ generation }) => {
    await new Promise((resolve) => { setImmediate(resolve); });
    written.add(generation);
  });
  const [assigned, tooEarly] = [new Set<number>(), new Set<number>()];
  const { notices } = await train([honest, liar(always), honest], {
    usesLocal: false, rules: { auditProbability: 0.5, quorum: 2 }, draw: drawsAfter(6), register,
    told: (_, message) => {
      if (message.type !== 'assign') return;
      assigned.add(message.generation);
      if (!written.has(message.generation)) tooEarly.add(message.generation);
    },
  });
  expect(notices.filter((sentence) => WENT_BACK.test(sentence))).toHaveLength(1);
  expect([[...assigned], [...tooEarly]]).toEqual([[1, 2], []]);
});

test('a lie that no audit was drawn for stays, when its source is honest at the end of the epoch', async () => {
  const { stateSha256, closed } = await train([liar((count) => count === 0)], { rules: { auditProbability: 1e-9 } });
  expect(closed).toEqual([]);
  expect(stateSha256).not.toBe(alone.stateSha256);
});

test('a node whose numbers are not finite is found out by others', async () => {
  const nan: NodeWish = { ...honest, tampers: ({ bytes }, count) => { if (count === 0) new Float32Array(bytes.buffer, 0, 8)[5] = NaN; } };
  expectOneExpelled(await train([nan]));
});

test('a node whose gradients are far too long is found out by others, where norms are checked', async () => {
  // Eight norms must be known for one to stand out: each of three steps has three shares at least, as long as speeds are measured. A node
  // that is found slow gives few after that.
  const long: NodeWish = { ...honest, tampers: ({ bytes, step }) => { if (step >= 3) new Float32Array(bytes.buffer)[100] = 1e6; } };
  expectOneExpelled(await train([long, honest, honest], { usesLocal: false, rules: { checkShares: true } }));
});

test('two nodes that stand by different bytes wait for a third to judge, and people are told so once', async () => {
  const third: NodeWish = { workers: 1, joinsOn: /nobody else is there to judge/ };
  const trained = await train([liar(always), honest, third], { usesLocal: false, rules: { auditProbability: 1 } });
  expectOneExpelled(trained);
  expect(trained.notices.filter((sentence) => sentence.includes('nobody else'))).toEqual([
    expect.stringMatching(/^node \d and node \d stand by different bytes for shards \d+ to \d+ of step 1, and nobody else is there to judge: the run waits until another node joins;/),
  ]);
});

test('a request to stop is met after a step that was audited throughout', async () => {
  const abort = new AbortController();
  const lies = liar(always);
  // It asks while its first lie is on its way; the step after that is the one that finds it.
  const tampers: NodeWish['tampers'] = (share, count) => {
    if (count === 0) abort.abort();
    lies.tampers!(share, count);
  };
  const notices: string[] = [];
  const stopped = train([{ ...honest, tampers }], { rules: { auditProbability: 1e-9 }, signal: abort.signal, notice: (sentence) => { notices.push(sentence); } });
  await expect(stopped).rejects.toMatchObject({ code: 'ERR_INTERRUPTED' });
  expect(notices.filter((sentence) => EXPELLED.test(sentence) || WENT_BACK.test(sentence))).toHaveLength(2);
});

test('a loss that is not finite whoever computes it ends the run, naming step and layer', async () => {
  const diverging = { optimizer: optimizers.sgd({ learningRate: 1e20 }) };
  const sentence = /^the loss is not finite at step \d+; the first bad value is in layer "[^"]+" \(.+\); lower/;
  await expect(train([], diverging)).rejects.toMatchObject({ code: 'ERR_NAN_LOSS', message: expect.stringMatching(sentence) });
  await expect(train([honest], diverging)).rejects.toMatchObject({ code: 'ERR_NAN_LOSS', message: expect.stringMatching(sentence) });
});
