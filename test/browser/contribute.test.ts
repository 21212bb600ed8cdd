import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parseRecords, type EventRecord } from '../../cluster/rounds/events.js';
import { distribute } from '../../src/index.js';
import type { Arrivals } from '../cluster/ends.js';
import { joinHere } from '../cluster/here.js';
import { stateAlone, train } from '../cluster/long-training.js';
import { browser, describeInChromium, browserToKill, expectNoFaults, FAR_NAME, openTab, shows, type Tab } from './chromium.js';
import { serving } from './served.js';

const FIT = { batchSize: 48, epochs: 3 }; // 13 steps an epoch
const TABS_COMPUTE = 120_000;

async function until(said: Arrivals<string>, pattern: RegExp): Promise<void> {
  for (let index = 0; !pattern.test(await said.at(index)); index++);
}

async function contribute({ page }: Tab): Promise<void> {
  await page.click('.contribute-button');
}

describeInChromium('tabs', () => {
  test('that share memory, and one that may not, and a program compute what one worker does', async () => {
    const alone = stateAlone(FIT);
    const { trainer, link, pageAt } = await serving({ workers: 0, quorum: 3 });
    const one = await browser();
    const [near, far] = [await openTab(one, pageAt('127.0.0.1')), await openTab(one, pageAt(FAR_NAME))];
    expect([await near.page.evaluate(() => crossOriginIsolated), await far.page.evaluate(() => crossOriginIsolated)]).toEqual([true, false]);
    expect(await far.page.textContent('.contribute-lacks')).toContain('strangers on this network can read and change what is sent');
    expect(near.page.url()).not.toContain('#'); // nor does the address bar keep the key
    await near.page.fill('.contribute-workers-wanted', '2');
    const fitting = trainer.fit(train.x, train.y, { ...train.fit, ...FIT });
    const program = joinHere(link, { once: true });
    for (const tab of [near, far]) await contribute(tab);
    await fitting;
    await program.ended;
    expect(trainer.hashes().stateSha256).toBe(await alone);
    for (const tab of [near, far]) {
      await shows(tab.page, '.contribute-status', /^The run has come to its end/);
      await shows(tab.page, '.contribute-shares', /[1-9]/);
    }
    expectNoFaults(near, far);
  }, TABS_COMPUTE);

  test('without room for the data compute with rows that are sent', async () => {
    const { trainer, pageAt } = await serving({ workers: 0 });
    const tab = await openTab(await browser(), pageAt(FAR_NAME));
    await tab.page.check('.contribute-rows');
    const fitting = trainer.fit(train.x, train.y, { ...train.fit, ...FIT });
    await contribute(tab);
    await fitting;
    expect(trainer.hashes().stateSha256).toBe(await stateAlone(FIT));
    expectNoFaults(tab);
  }, TABS_COMPUTE);

  test('with fused multiply-add give the bits of a run that has it', async () => {
    const { trainer, pageAt } = await serving({ workers: 0, kernels: 'fma', engineFlags: true });
    const tab = await openTab(await browser(), pageAt('127.0.0.1'));
    const fitting = trainer.fit(train.x, train.y, { ...train.fit, ...FIT });
    await contribute(tab);
    await fitting;
    const alone = await distribute(train.model(), { ...train.options, kernels: 'fma', engineFlags: true, workers: 1 });
    onTestFinished(() => alone.close());
    await alone.fit(train.x, train.y, { ...train.fit, ...FIT });
    expect(trainer.hashes().stateSha256).toBe(alone.hashes().stateSha256);
    expectNoFaults(tab);
  }, TABS_COMPUTE);

  test('stop at a press, and the run goes on', async () => {
    const { trainer, link, pageAt } = await serving({ workers: 0 });
    const tab = await openTab(await browser(), pageAt('127.0.0.1'));
    let resume = (): void => {};
    const pressed = new Promise<void>((resolve) => { resume = resolve; });
    const fitting = trainer.fit(train.x, train.y, { ...train.fit, ...FIT, callbacks: { onEpochEnd: (epoch: number) => (epoch === 0 ? pressed : undefined) } });
    await contribute(tab);
    await shows(tab.page, '.contribute-shares', /[1-9]/);
    await contribute(tab);
    resume();
    await shows(tab.page, '.contribute-status', /^This tab takes no part any more/);
    const program = joinHere(link, { once: true });
    await fitting;
    await program.ended;
    expect(trainer.hashes().stateSha256).toBe(await stateAlone(FIT));
    expectNoFaults(tab);
  }, TABS_COMPUTE);

  test('that are killed with a share in work change nothing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tensorflock-tab-'));
    onTestFinished(() => { rmSync(folder, { recursive: true, force: true }); });
    const { trainer, link, pageAt } = await serving({ workers: 0, quorum: 1, eventLog: join(folder, 'events.jsonl') });
    const doomed = await browserToKill();
    const tab = await openTab(doomed.browser, pageAt('127.0.0.1'));
    const fitting = trainer.fit(train.x, train.y, { ...train.fit, ...FIT });
    await contribute(tab);
    await shows(tab.page, '.contribute-shares', /[1-9]/);
    doomed.signal('SIGSTOP');
    const program = joinHere(link, { once: true });
    await program.notices.at(1); // joined
    doomed.signal('SIGKILL');
    await fitting;
    await program.ended;
    expect(trainer.hashes().stateSha256).toBe(await stateAlone(FIT));
    expect(unanswered(parseRecords(readFileSync(join(folder, 'events.jsonl'), 'utf8'), 'events.jsonl'))).toBeGreaterThan(0);
  }, TABS_COMPUTE);

  test('that sleep are lost, and come back when they wake', async () => {
    const { trainer, said, link, pageAt } = await serving({ workers: 0, quorum: 2 });
    const sleeper = await browserToKill();
    onTestFinished(() => { sleeper.signal('SIGKILL'); });
    const tab = await openTab(sleeper.browser, pageAt('127.0.0.1'));
    const fitting = trainer.fit(train.x, train.y, { ...train.fit, ...FIT });
    await contribute(tab);
    await until(said, /takes part/);
    sleeper.signal('SIGSTOP');
    const program = joinHere(link, { once: true });
    await until(said, /^node \d+ is gone/); // the other one waits for a quorum
    sleeper.signal('SIGCONT');
    await fitting;
    await program.ended;
    await shows(tab.page, '.contribute-shares', /[1-9]/);
    expect(trainer.hashes().stateSha256).toBe(await stateAlone(FIT));
    expectNoFaults(tab);
  }, TABS_COMPUTE);
});

/** Assignments of the first node to which no share came. */
function unanswered(records: readonly EventRecord[]): number {
  const { member } = records.find((record) => record.event === 'member' && record.kind === 'node') as Extract<EventRecord, { event: 'member' }>;
  const place = ({ step, level, index }: { readonly step: number; readonly level: number; readonly index: number }): string => [step, level, index].join();
  const of = (event: 'assign' | 'share'): string[] => records.flatMap((record) => (record.event === event && record.source === member ? [place(record)] : []));
  const answered = new Set(of('share'));
  return of('assign').filter((assigned) => !answered.has(assigned)).length;
}
