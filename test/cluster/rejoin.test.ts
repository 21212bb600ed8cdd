import { expect, test } from 'vitest';
import { distribute, type Trainer } from '../../src/index.js';
import { clusterError } from '../../cluster/protocol/errors.js';
import { formatJoinLink } from '../../cluster/protocol/keys.js';
import { Arrivals, coordinator } from './ends.js';
import { joinHere, linkIn } from './here.js';
import { train } from './long-training.js';
import { temporaryFolder } from '../threads/trainers.js';

test('a node dials again with the identity that it had', async () => {
  const host = await coordinator();
  joinHere(formatJoinLink(host.link));
  (await host.connections.at(0)).fail(clusterError('ERR_SHUTTING_DOWN', {}));
  await host.connections.at(1);
  const [first, second] = host.peers.all;
  expect(second!.identity).toBe(first!.identity);
});

const FIT = { batchSize: 48, epochs: 2 };

/** Trains with one node; resolves to the trainer and what it said. */
async function serve(address: string): Promise<{ readonly trainer: Trainer; readonly link: string; readonly port: string }> {
  const notices = new Arrivals<string>();
  const trainer = await distribute(train.model(), { ...train.options, workers: 1, serve: address, joinKey: 'A'.repeat(22), quorum: 1, onNotice: (text) => { notices.add(text); } });
  const link = linkIn(await notices.at(0));
  return { trainer, link, port: new URL(link).port };
}

test('a node that meets the same run again keeps threads and data, and prepares anew for another', async () => {
  const first = await serve('127.0.0.1:0');
  const node = joinHere(first.link);
  await first.trainer.fit(train.x, train.y, FIT);
  await first.trainer.fit(train.x, train.y, { ...FIT, batchSize: 96 });
  await first.trainer.close();
  const second = await serve(`127.0.0.1:${first.port}`);
  try {
    await second.trainer.fit(train.x, train.y, { ...FIT, batchSize: 96 });
    const told = (pattern: RegExp): number => node.notices.all.filter((notice) => pattern.test(notice)).length;
    expect(told(/taking part/)).toBe(3);
    expect(node.started()).toBe(1);
    // Fetched for the first run, from the cache for the one with larger batches, and there for the last.
    expect([told(/columns fetched/), told(/^data "train input 0": from/)]).toEqual([1, 1]);
    expect(second.trainer.mostNodes).toBe(1);
  } finally {
    await second.trainer.close();
  }
});

test('off loopback too, every link of a run is the same after a restart', async () => {
  const folder = temporaryFolder();
  const said = new Arrivals<string>();
  const options = { ...train.options, workers: 1, onNotice: (text: string) => { said.add(text); } };
  const first = await distribute(train.model(), { ...options, serve: '0.0.0.0:0' });
  await first.fit(train.x, train.y, { batchSize: 96, checkpoint: { folder } });
  await first.close();
  const second = await distribute(train.model(), { ...options, serve: true, serveFrom: folder });
  await second.close();
  const [before, after] = said.all.filter((text) => text.startsWith('Listening'));
  expect(before).toContain('&fp=');
  expect(after).toBe(before);
});

test('where a run is served again has to be said, if it never was', async () => {
  const again = distribute(train.model(), { ...train.options, workers: 1, serve: true, serveFrom: temporaryFolder() });
  await expect(again).rejects.toMatchObject({ code: 'ERR_OPTION', message: 'Where to serve is not said, and this run was not served before; give [host:]port, such as 8080.' });
});
