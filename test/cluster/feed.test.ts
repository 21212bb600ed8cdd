import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { FeedRecord } from '../../cluster/feed/records.js';
import { dial } from '../../cluster/net/dial.js';
import type { ToCoordinator } from '../../cluster/net/connection.js';
import { drawIdentitySecret, identityOf } from '../../cluster/protocol/identity.js';
import { parseJoinLink } from '../../cluster/protocol/keys.js';
import type { NodeMessage } from '../../cluster/protocol/messages.js';
import { parseRecords } from '../../cluster/rounds/events.js';
import { datasets, distribute, type DistributeOptions, type Trainer } from '../../src/index.js';
import { Arrivals } from './ends.js';
import { joinHere } from './here.js';
import { stateAlone, train } from './long-training.js';

const FIT = { batchSize: 48, epochs: 3 }; // 13 steps an epoch
/** The last part of the examples, which are classes. */
const WITH_VALIDATION = { ...FIT, validationSplit: 0.25 };
const NAMES = ['aster', 'iris', 'lily', 'rose', 'tulip'];

interface Served {
  readonly trainer: Trainer;
  readonly joinLink: string;
  readonly operatorLink: string;
}

async function serving(options: DistributeOptions): Promise<Served> {
  const said = new Arrivals<string>();
  const trainer = await distribute(train.model(), { ...train.options, serve: '127.0.0.1:0', ...options, onNotice: (text) => { said.add(text); } });
  onTestFinished(() => trainer.close());
  const printed = await said.at(0);
  const [joinLink, operatorLink] = [/join '(.*)'/, /operate '(.*)' pause/].map((pattern) => pattern.exec(printed)![1]!) as [string, string];
  return { trainer, joinLink, operatorLink };
}

/** One who watches, and perhaps steers. */
class Watcher {
  readonly records = new Arrivals<FeedRecord>();
  readonly ended: Promise<unknown>;
  readonly #answers = new Arrivals<number>();
  #next = 0;

  private constructor(private readonly connection: ToCoordinator) {
    void connection.send({ type: 'watch' });
    this.ended = connection.serve((message) => {
      if (message.type === 'feed') for (const record of JSON.parse(new TextDecoder().decode(message.bytes)) as FeedRecord[]) this.records.add(record);
      if (message.type === 'performed') this.#answers.add(message.step);
    });
  }

  static async at(link: string, role: 'viewer' | 'operator'): Promise<Watcher> {
    const { connection } = await dial(parseJoinLink(link), { role, identity: identityOf(drawIdentitySecret()), softwareVersion: '0.1.0' });
    return new Watcher(connection);
  }

  ask(message: NodeMessage): Promise<number> {
    const number = this.#answers.all.length;
    void this.connection.send(message);
    return this.#answers.at(number);
  }

  say(message: NodeMessage): void {
    void this.connection.send(message);
  }

  of<Kind extends FeedRecord['kind']>(kind: Kind): Extract<FeedRecord, { readonly kind: Kind }>[] {
    return this.records.all.filter((record): record is Extract<FeedRecord, { readonly kind: Kind }> => record.kind === kind);
  }

  /** The next such record, after those that were waited for before. */
  async until(isIt: (record: FeedRecord) => boolean): Promise<FeedRecord> {
    for (;;) {
      const record = await this.records.at(this.#next++);
      if (isIt(record)) return record;
    }
  }
}

/** Holds a fit at the end of each epoch until it is let on; epochs from 0. */
class Gates {
  readonly #gates: { readonly opened: Promise<void>; readonly open: () => void }[];

  constructor(epochs: number) {
    this.#gates = Array.from({ length: epochs }, () => {
      let open = (): void => {};
      const opened = new Promise<void>((resolve) => { open = resolve; });
      return { opened, open };
    });
  }

  readonly callback = { onEpochEnd: (epoch: number): Promise<void> => this.#gates[epoch]!.opened };

  open(...epochs: number[]): void {
    for (const epoch of epochs) this.#gates[epoch]!.open();
  }
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tensorflock-feed-'));
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true }); });
  return folder;
}

describe('whoever watches', () => {
  test('is told what history and event log have, early or late, and changes nothing', async () => {
    const eventLog = join(temporaryFolder(), 'events.jsonl');
    const { trainer, joinLink, operatorLink } = await serving({ workers: 1, eventLog });
    const gates = new Gates(FIT.epochs);
    const fitting = trainer.fit(train.x, train.y, { ...train.fit, ...WITH_VALIDATION, callbacks: gates.callback });
    const early = await Watcher.at(joinLink, 'viewer');
    await early.until(({ kind }) => kind === 'run');
    gates.open(0);
    await early.until(({ kind }) => kind === 'epoch');
    const late = await Watcher.at(operatorLink, 'operator');
    await late.until(({ kind }) => kind === 'epoch');
    gates.open(1, 2);
    const { history } = await fitting;
    await Promise.all([early.ended, late.ended]);
    const epochs = early.of('epoch');
    expect(epochs.map(({ epoch, step }) => [epoch, step])).toEqual([[1, 10], [2, 20], [3, 30]]);
    for (const name of ['loss', 'val_loss']) expect(epochs.map(({ logs }) => logs[name])).toEqual(history[name]);
    expect(early.of('run')).toMatchObject([{ epochs: 3, stepsPerEpoch: 10, batchSize: 48, examples: 452, validationExamples: 151, mode: 'sync', arithmetic: 'portable', mayChaos: false }]);
    const logged = parseRecords(readFileSync(eventLog, 'utf8'), 'events.jsonl').flatMap((record) => (record.event === 'epoch' ? [record.logs] : []));
    expect(epochs.map(({ logs }) => logs)).toEqual(logged);
    expect(late.of('run')).toEqual(early.of('run'));
    expect(late.of('epoch')).toEqual(epochs);
    expect(early.of('state').map(({ state }) => state).at(-1)).toBe('finished');
    await trainer.close();
    const unwatched = await distribute(train.model(), { ...train.options, workers: 1 });
    onTestFinished(() => unwatched.close());
    await unwatched.fit(train.x, train.y, { ...train.fit, ...WITH_VALIDATION });
    expect(trainer.hashes()).toEqual(unwatched.hashes());
  });

  test('is shown the network and what it makes of the validation data, as the model has it then', async () => {
    const { trainer, joinLink } = await serving({ workers: 1 });
    const gates = new Gates(FIT.epochs);
    const fitting = trainer.fit(datasets.arrays(train.x, train.y, { classNames: NAMES }), null, { ...train.fit, ...WITH_VALIDATION, callbacks: gates.callback });
    const watcher = await Watcher.at(joinLink, 'viewer');
    await watcher.until(({ kind }) => kind === 'run');
    gates.open(0, 1, 2);
    const { history } = await fitting;
    await watcher.ended;
    const [health, outcome] = [watcher.of('health').at(-1)!, watcher.of('outcome').at(-1)!];
    expect(watcher.of('run')[0]!.classNames).toEqual(NAMES);
    expect([health.epoch, outcome.epoch, outcome.examples]).toEqual([3, 3, 151]);
    for (const { gradientNorm, updateRatio, weights } of health.layers.filter(({ weights }) => weights !== undefined)) {
      expect(gradientNorm).toBeGreaterThan(0);
      expect(updateRatio).toBeGreaterThan(0);
      expect(weights!.counts.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0);
    }
    const right = outcome.confusion.reduce((sum, row, label) => sum + row[label]!, 0);
    expect(right / outcome.examples).toBeCloseTo(history['val_acc']!.at(-1)!, 6);
  });

  test('may look and not steer', async () => {
    const { trainer, joinLink } = await serving({ workers: 1 });
    const gates = new Gates(FIT.epochs);
    const fitting = trainer.fit(train.x, train.y, { ...train.fit, ...FIT, callbacks: gates.callback });
    const watcher = await Watcher.at(joinLink, 'viewer');
    await watcher.until(({ kind }) => kind === 'run');
    watcher.say({ type: 'command', id: 1, command: 'stop' });
    expect(await watcher.ended).toMatchObject({ how: 'failed', error: { code: 'ERR_UNEXPECTED_MESSAGE' } });
    gates.open(0, 1, 2);
    await fitting;
  });
});

describe('an operator of a run with chaos', () => {
  test('freezes, heals, slows and drops a node, all of which is seen, and the bytes stay the same', async () => {
    const { trainer, joinLink, operatorLink } = await serving({ workers: 0, chaos: true });
    const gates = new Gates(FIT.epochs);
    const fitting = trainer.fit(train.x, train.y, { ...train.fit, ...FIT, callbacks: gates.callback });
    const node = joinHere(joinLink, { once: true });
    const operator = await Watcher.at(operatorLink, 'operator');
    const isOf = (state: string | undefined) => (record: FeedRecord): boolean => record.kind === 'nodes' && record.nodes.some(({ kind, chaos }) => kind === 'node' && chaos === state);
    const joined = await operator.until((record) => record.kind === 'nodes' && record.nodes.some(({ state }) => state === 'ready'));
    const { member } = (joined as Extract<FeedRecord, { readonly kind: 'nodes' }>).nodes[0]!;
    for (const how of ['freeze', 'heal', 'slow'] as const) {
      await operator.ask({ type: 'impede', id: 1, node: member, how });
      await operator.until(isOf(how === 'heal' ? undefined : how));
    }
    await operator.ask({ type: 'impede', id: 2, node: member, how: 'drop' });
    await operator.until((record) => record.kind === 'event' && record.sentence === `node ${member} is gone: its connection ended`);
    gates.open(0, 1, 2);
    await fitting;
    await node.ended;
    expect(trainer.hashes().stateSha256).toBe(await stateAlone(FIT));
  }, 30_000);

  test.each([['of a run without it', {}, 0, /without --chaos/], ['and no such node', { chaos: true }, 99, /no such node/]])('%s is refused', async (_, options, member, problem) => {
    const { trainer, operatorLink } = await serving({ workers: 1, ...options });
    const gates = new Gates(FIT.epochs);
    const fitting = trainer.fit(train.x, train.y, { ...train.fit, ...FIT, callbacks: gates.callback });
    const operator = await Watcher.at(operatorLink, 'operator');
    operator.say({ type: 'impede', id: 1, node: member, how: 'drop' });
    expect(await operator.ended).toMatchObject({ how: 'failed', error: { code: 'ERR_NO_CHAOS', message: expect.stringMatching(problem) as string } });
    gates.open(0, 1, 2);
    await fitting;
  });
});
