import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { parseRecords } from '../../cluster/rounds/events.js';
import { train } from '../cluster/long-training.js';
import { browser, describeInChromium, expectNoFaults, openTab, shows, type Tab } from './chromium.js';
import { serving } from './served.js';

const FIT = { batchSize: 48, epochs: 3, validationSplit: 0.25 }; // 10 steps an epoch
const TABS_COMPUTE = 120_000;

/** Holds a fit at the end of its first epoch until it is let on. */
function held(): { readonly callbacks: { readonly onEpochEnd: (epoch: number) => Promise<void> | undefined }; readonly letOn: () => void } {
  let letOn = (): void => {};
  const lettingOn = new Promise<void>((resolve) => { letOn = resolve; });
  return { callbacks: { onEpochEnd: (epoch) => (epoch === 0 ? lettingOn : undefined) }, letOn };
}

/** Epoch, step, and means with three digits, the first epoch first. */
async function epochsIn({ page }: Tab): Promise<string[]> {
  const rows = await page.locator('.epochs tbody tr').evaluateAll((all) => all.map((row) => Array.from(row.children).map(({ textContent }) => textContent ?? '')));
  return rows.reverse().map(([epoch, step, , ...means]) => [epoch, step, ...means].join(' '));
}

describeInChromium('the page of a run', () => {
  test('shows the figures of its event log, to who came early and who came late', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tensorflock-watch-'));
    onTestFinished(() => { rmSync(folder, { recursive: true, force: true }); });
    const eventLog = join(folder, 'events.jsonl');
    const { trainer, pageAt } = await serving({ workers: 1, eventLog });
    const one = await browser();
    const early = await openTab(one, pageAt('127.0.0.1'));
    const { callbacks, letOn } = held();
    const fitting = trainer.fit(train.x, train.y, { ...train.fit, ...FIT, callbacks });
    await shows(early.page, '.what-it-is', /mode sync|sync/);
    const late = await openTab(one, pageAt('127.0.0.1'));
    await shows(late.page, '.what-it-is', /sync/);
    letOn();
    await fitting;
    for (const tab of [early, late]) {
      await shows(tab.page, '.state', /^finished$/);
      await shows(tab.page, '.connection', /^The run has come to its end\.$/);
      await tab.page.locator('.layer').first().waitFor();
      expect(await tab.page.locator('.buttons').first().isVisible()).toBe(false); // a viewer looks
    }
    await trainer.close(); // which writes the log
    const logged = parseRecords(readFileSync(eventLog, 'utf8'), 'events.jsonl').flatMap((record) => (record.event === 'epoch' ? [record] : []));
    const expected = logged.map(({ epoch, version, logs }) => [epoch, version, ...['loss', 'val_loss', 'acc', 'val_acc'].map((name) => logs[name]!.toFixed(3))].join(' '));
    expect(await epochsIn(early)).toEqual(expected);
    expect(await epochsIn(late)).toEqual(expected);
    const refused = /WebSocket connection to .* failed/; // it asks again whether there is another run
    for (const { faults } of [early, late]) expect(faults.filter((fault) => !refused.test(fault))).toEqual([]);
  }, TABS_COMPUTE);

  test('steers it, for who has the operator\'s link', async () => {
    const { trainer, operatorPage } = await serving({ workers: 1 });
    const tab = await openTab(await browser(), operatorPage);
    const { callbacks, letOn } = held();
    const fitting = trainer.fit(train.x, train.y, { ...train.fit, ...FIT, epochs: 100_000, callbacks });
    fitting.catch(() => undefined);
    await tab.page.getByRole('button', { name: 'Pause' }).waitFor();
    expect(tab.page.url()).not.toContain('#');
    letOn();
    await tab.page.getByRole('button', { name: 'Pause' }).click();
    await shows(tab.page, '.answer', /^Paused after [\d,]+ updates\.$/);
    await shows(tab.page, '.state', /^paused$/);
    await tab.page.getByRole('button', { name: 'Resume' }).click();
    await shows(tab.page, '.answer', /^Resumed after/);
    await shows(tab.page, '.state', /^running$/);
    await tab.page.getByRole('button', { name: 'Checkpoint now' }).click();
    await shows(tab.page, '.answer', /keeps no checkpoints/);
    await shows(tab.page, '.connection', /^$/); // it was refused, and is dialled again
    expectNoFaults(tab);
    await tab.page.getByRole('button', { name: 'Stop…' }).click();
    await tab.page.getByRole('button', { name: 'Stop the run' }).click();
    await expect(fitting).rejects.toMatchObject({ code: 'ERR_INTERRUPTED' });
    await shows(tab.page, '.connection', /^The run was stopped\.$/);
    await shows(tab.page, '.state', /^stopped$/);
  }, TABS_COMPUTE);
});
