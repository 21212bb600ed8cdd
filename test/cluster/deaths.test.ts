import { expect, test } from 'vitest';
import { distributeWith } from '../../src/distribute.js';
import type { Fault } from '../../src/train/session.js';
import { Arrivals } from './ends.js';
import { joinHere, linkIn } from './here.js';
import { stateAlone, train } from './long-training.js';

// Steps of a served run are made of shares, so that a worker of the coordinator dies in another command than alone.

const FIT = { batchSize: 48, epochs: 4 }; // 13 steps an epoch
const LONG_FIT = { batchSize: 4, epochs: 1 }; // 151 steps, of which one takes a snapshot when 128 are made

async function trainServed(fit: { readonly batchSize: number; readonly epochs: number }, fault: Fault): Promise<{ readonly state: string; readonly nodes: number }> {
  const notices = new Arrivals<string>();
  const trainer = await distributeWith(train.model(), { ...train.options, workers: 2, serve: '127.0.0.1:0', quorum: 1, onNotice: (text) => { notices.add(text); } }, [fault]);
  try {
    const node = joinHere(linkIn(await notices.at(0)), { once: true });
    await trainer.fit(train.x, train.y, fit);
    await node.ended;
    return { state: trainer.hashes().stateSha256, nodes: trainer.mostNodes };
  } finally {
    await trainer.close();
  }
}

const [alone, longAlone] = [stateAlone(FIT), stateAlone(LONG_FIT)];

test.each<[number, Fault['phase']]>([[0, 'snapshot'], [20, 'compute'], [30, 'update']])('a worker that exits at version %i, phase %s, of a served run changes nothing', async (version, phase) => {
  expect(await trainServed(FIT, { worker: 1, version, phase, kind: 'exit' })).toEqual({ state: await alone, nodes: 1 });
});

test('nor does one that exits in an update with a snapshot of the same epoch behind it', async () => {
  expect(await trainServed(LONG_FIT, { worker: 0, version: 140, phase: 'update', kind: 'exit' })).toEqual({ state: await longAlone, nodes: 1 });
});
