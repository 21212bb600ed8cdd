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
import { distribute, type DistributeOptions, type Trainer } from '../../src/index.js';
import { Arrivals } from './ends.js';
import { joinHere } from './here.js';
import { stateAlone, train } from './long-training.js';

const FIT = { batchSize: 48, epochs: 3 }; // 13 steps an epoch
/** The last part of the examples, which are classes. */
const WITH_VALIDATION = { ...FIT, validationSplit: 0.25 };

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

  /** Until such a record has come. */
  async until(isIt: (record: FeedRecord) => boolean): Promise<FeedRecord> {
    for (let index = 0; ; index++) {
      const record = await this.records.at(index);
      if (isIt(record)) return record;
    }
  }
}

/** Holds a fit at the end of its first epoch until it is told. */
function gate(): { readonly callback: { onEpochEnd: (epoch: number) => Promise<void> | undefined }; readonly open: () => void; readonly reached: Promise<void> } {
  let [open, reach] = [(): void => {}, (): void => {}];
  const opened = new Promise<void>((resolve) => { open = resolve; });
  const reached = new Promise<void>((resolve) => { reach = resolve; });
  return { callback: { onEpochEnd: (epoch) => { reach(); return epoch === 0 ? opened : undefined; } }, open, reached };
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
    const { callback, open } = gate();
    const fitting = trainer.fit(train.x, train.y, { ...train.fit, ...WITH_VALIDATION, callbacks: callback });
    const early = await Watcher.at(joinLink, 'viewer');
    await early.until(({ kind }) => kind === 'run');
    open();
    await early.until((record) => record.kind === 'epoch' && record.epoch === 2);
    const late = await Watcher.at(operatorLink, 'operator').catch(() => undefined); // the run may be over by now
    const { history } = await fitting;
    await Promise.all([early.ended, late?.ended]);
    const epochs = early.of('epoch');
    expect(epochs.map(({ epoch, step }) => [epoch, step])).toEqual([[1, 10], [2, 20], [3, 30]]);
    for (const name of ['loss', 'val_loss']) expect(epochs.map(({ logs }) => logs[name])).toEqual(history[name]);
    expect(early.of('run')).toMatchObject([{ epochs: 3, stepsPerEpoch: 10, batchSize: 48, examples: 452, validationExamples: 151, mode: 'sync', arithmetic: 'portable', mayChaos: false }]);
    const logged = parseRecords(readFileSync(eventLog, 'utf8'), 'events.jsonl').flatMap((record) => (record.event === 'epoch' ? [record.logs] : []));
    expect(epochs.map(({ logs }) => logs)).toEqual(logged);
    if (late !== undefined) expect(late.of('epoch').slice(0, 2)).toEqual(epochs.slice(0, 2));
    expect(early.of('state').map(({ state }) => state).at(-1)).toBe('finished');
    await trainer.close();
    const unwatched = await distribute(train.model(), { ...train.options, workers: 1 });
    onTestFinished(() => unwatched.close());
    await unwatched.fit(train.x, train.y, { ...train.fit, ...WITH_VALIDATION });
    expect(trainer.hashes()).toEqual(unwatched.hashes());
  });
});
