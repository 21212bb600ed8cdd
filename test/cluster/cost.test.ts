import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { joinRuns } from '../../cluster/join.js';
import { codecsOf } from '../../src/codecs/choice.js';
import { encodedBytes } from '../../src/codecs/codec.js';
import { distribute } from '../../src/index.js';
import { compileKernels } from '../../src/kernels/load.js';
import type { DistributeOptions } from '../../src/train/options.js';
import type { Trainer } from '../../src/train/trainer.js';
import { classification, mlp, type MlpOptions } from '../threads/models.js';
import { InlinePool } from '../../workers/inline-pool.js';

// What nodes cost a coordinator. All are in this process, and speak over loopback; a node computes on this thread.

const module = compileKernels('portable');

/** Numbers, not words: nobody else draws them here. */
let drawn = 0;

interface Hosted {
  readonly trainer: Trainer;
  readonly link: string;
  /** What happened with nodes. */
  readonly notices: readonly string[];
}

async function host(model: MlpOptions, options: DistributeOptions): Promise<Hosted> {
  const notices: string[] = [];
  const trainer = await distribute(mlp(model), { seed: 3, kernels: 'portable', serve: '127.0.0.1:0', onNotice: (text) => { notices.push(text); }, ...options });
  return { trainer, notices, link: /'(.*)'/.exec(notices[0]!)![1]! };
}

/** A node until the run has come to its end. */
function nodeAt(link: string, cache: string): Promise<void> {
  return joinRuns({
    link, once: true, softwareVersion: 'test', environment: { TENSORFLOCK_DATA: cache }, arithmetics: 'portable',
    prepare: () => ({ pool: new InlinePool(), module, tile: 0 }),
    random: () => (drawn = (drawn + 0.618) % 1), notice: () => undefined, signal: new AbortController().signal,
  });
}

function emptyCache(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tensorflock-cost-'));
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true }); });
  return folder;
}

interface Wire {
  readonly link: string;
  /** Bytes on it, all of TCP's payload. */
  readonly bytes: { toNode: number; toCoordinator: number };
}

/** Stands between, and counts. */
async function wiretap(link: string): Promise<Wire> {
  const { hostname, port } = new URL(link);
  const bytes = { toNode: 0, toCoordinator: 0 };
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    pass(near, far, (count) => { bytes.toCoordinator += count; });
    pass(far, near, (count) => { bytes.toNode += count; });
  });
  await new Promise<void>((resolve) => { server.listen(0, hostname, resolve); });
  onTestFinished(() => { server.close(); });
  return { link: link.replace(`:${port}/`, `:${(server.address() as AddressInfo).port}/`), bytes };
}

function pass(from: Socket, to: Socket, count: (byteLength: number) => void): void {
  from.on('data', (chunk) => {
    count(chunk.byteLength);
    to.write(chunk);
  }).on('close', () => { to.destroy(); }).on('error', () => undefined);
}

/** 79,510 parameters. */
const NETWORK = { features: 784, units: 100, classes: 10 } as const;
const PARAMETERS = 785 * 100 + 101 * 10;
const [EXAMPLES, BATCH] = [64, 32];

describe('bytes a round and node are within 5 % of the least that the codec needs', () => {
  /** Of a run over so many epochs, all of it, to a node that does everything. */
  async function bytesOf(epochs: number, options: DistributeOptions): Promise<Wire['bytes']> {
    const { trainer, link } = await host(NETWORK, { workers: 0, shardSize: 8, ...options });
    const wire = await wiretap(link);
    const { x, y } = classification(EXAMPLES, NETWORK.features, NETWORK.classes);
    const node = nodeAt(wire.link, emptyCache());
    await trainer.fit(x, y, { batchSize: BATCH, epochs });
    await trainer.close();
    await node;
    return wire.bytes;
  }

  test.each(['float32', 'bfloat16', 'int8'] as const)('%s', async (codec) => {
    const codecs = codecsOf(codec);
    const [few, many] = [await bytesOf(2, { codec }), await bytesOf(12, { codec })];
    // The difference is rounds alone: what a connection costs once is in both.
    const rounds = 10 * (EXAMPLES / BATCH);
    for (const way of ['toNode', 'toCoordinator'] as const) {
      const aRound = (many[way] - few[way]) / rounds;
      const least = encodedBytes(codecs[way], PARAMETERS);
      expect(aRound, way).toBeGreaterThanOrEqual(least);
      expect(aRound, way).toBeLessThan(least * 1.05);
    }
  });
});

describe('fifty nodes', () => {
  const NODES = 50;
  const TINY = { features: 6, units: 4, classes: 3 } as const;
  const [BATCH_OF_MANY, SHARD] = [256, 8];
  /** A node that is not heard for 5 s is lost, so every one has to be heard in this time. */
  const LEAST_MS = 6_000;
  const { x, y } = classification(1_024, TINY.features, TINY.classes);

  test('take part without a missed heartbeat, and change no bit', async () => {
    const { trainer, link, notices } = await host(TINY, { workers: 1, shardSize: SHARD, quorum: NODES });
    const cache = emptyCache();
    const nodes = Array.from({ length: NODES }, () => nodeAt(link, cache));
    let [beganMs, epochs] = [0, 0];
    let gone: readonly string[] = [];
    await trainer.fit(x, y, {
      batchSize: BATCH_OF_MANY, epochs: 100_000,
      callbacks: {
        onEpochBegin: async () => { if (epochs === 1) beganMs = performance.now(); },
        onEpochEnd: async () => {
          epochs++;
          if (epochs === 1 || performance.now() - beganMs < LEAST_MS) return;
          trainer.parts.model.stopTraining = true;
          gone = notices.filter((text) => text.includes('is gone'));
        },
      },
    });
    const { weightsSha256 } = trainer.hashes();
    await trainer.close();
    await Promise.all(nodes);
    expect(trainer.mostNodes).toBe(NODES);
    expect(gone).toEqual([]);
    const alone = await distribute(mlp(TINY), { workers: 1, shardSize: SHARD, seed: 3, kernels: 'portable' });
    await alone.fit(x, y, { batchSize: BATCH_OF_MANY, epochs });
    expect(weightsSha256).toBe(alone.hashes().weightsSha256);
    await alone.close();
  });
});
