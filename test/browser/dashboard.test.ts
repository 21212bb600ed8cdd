import type { BrowserContextOptions } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { FeedRecord } from '../../cluster/feed/records.js';
import type { DashboardControls } from '../../cluster/browser/dashboard.js';
import { browser, describeInChromium, expectNoFaults, openTab, shows, type Tab } from './chromium.js';
import { serveDashboard, type DashboardPage } from './dashboard-page.js';
import { cards, epochs, events, health, history, moments, outcome, run } from './recorded-run.js';

/** What the script of the test page leaves for tests. */
interface TestWindow {
  readonly dashboard: {
    record(record: FeedRecord): void;
    connection(state: string, sentence?: string): void;
    controls(controls: DashboardControls): void;
  };
  /** What was asked by a press, in order. */
  asked: string[];
}

let served: DashboardPage;
beforeAll(async () => { served = await serveDashboard(); });
afterAll(() => { served.close(); });

async function opened(options?: BrowserContextOptions): Promise<Tab> {
  const tab = await openTab(await browser(), served.link, options);
  onTestFinished(() => tab.context.close());
  return tab;
}

async function tell({ page }: Tab, records: readonly FeedRecord[]): Promise<void> {
  await page.evaluate((told) => {
    const { dashboard } = globalThis as unknown as TestWindow;
    dashboard.connection('open');
    for (const record of told) dashboard.record(record);
  }, records as FeedRecord[]);
}

/** An operator's page, on which a command comes back as the 480th update and a node that is dropped as an error. */
async function steered(): Promise<Tab> {
  const tab = await opened();
  await tell(tab, history);
  await tab.page.evaluate(() => {
    const page = globalThis as unknown as TestWindow;
    page.asked = [];
    page.dashboard.controls({
      command: (command) => { page.asked.push(command); return Promise.resolve(480); },
      chaos: (kind, member) => { page.asked.push(`${kind} ${member}`); return kind === 'drop' ? Promise.reject(new Error('There is no such node.')) : Promise.resolve(480); },
    });
  });
  await tab.page.locator('.node').first().waitFor();
  return tab;
}

const asked = ({ page }: Tab): Promise<string[]> => page.evaluate(() => (globalThis as unknown as TestWindow).asked);
const texts = ({ page }: Tab, selector: string): Promise<string[]> => page.locator(selector).allTextContents();
const three = (value: number): string => value.toFixed(3);

/** A chart's legend says this with the cursor at a part of its width. A chart that is drawn anew in between has lost the cursor, which moves again then. */
async function legendSays({ page }: Tab, title: string, part: number, says: string): Promise<void> {
  const chart = page.locator('.chart').filter({ has: page.getByRole('heading', { name: title, exact: true }) });
  const over = chart.locator('.u-over');
  const legendAt = async (): Promise<string> => {
    await over.scrollIntoViewIfNeeded();
    const { width, height } = (await over.boundingBox())!;
    await over.hover({ position: { x: Math.min(width - 1, Math.max(1, part * width)), y: height / 2 } });
    return (await chart.locator('.legend').textContent())!;
  };
  await expect.poll(legendAt).toContain(says);
}

describeInChromium('the dashboard', () => {
  test('shows the figures of the records: overview, epochs, nodes, events', async () => {
    const tab = await opened();
    await tell(tab, history);
    const [moment, epoch] = [moments.at(-1)!, epochs.at(-1)!];
    await shows(tab.page, '.where-it-is', /^Epoch 8 of 10, step 480 of 600, after 2:00\.$/);
    expect(await texts(tab, '.figures-list dd')).toEqual([
      three(moment.logs['loss']!), three(epoch.logs['val_loss']!), three(moment.logs['acc']!), three(epoch.logs['val_acc']!),
      Math.round(moment.examplesPerSecond).toLocaleString('en-US'), `${moment.learningRate.toExponential(1).replace('-', '−')}`,
    ]);
    expect(await texts(tab, '.epochs tbody tr')).toEqual([...epochs].reverse().map(({ epoch: number, step, logs }) =>
      `${number}${step}${Math.floor(step / 240)}:${String((step / 4) % 60).padStart(2, '0')}${['loss', 'val_loss', 'acc', 'val_acc'].map((name) => three(logs[name]!)).join('')}`));
    expect(await texts(tab, '.node h3')).toEqual(['coordinator', 'node 1', 'node 3', 'node 4']);
    expect(await texts(tab, '.node-time')).toEqual([...cards.slice(0, 3).map(({ time }) => Object.entries(time).map(([part, fraction]) => `${part} ${Math.round(100 * fraction)} %`).join(' · ')), 'nothing known of its time yet']);
    expect(await tab.page.locator('.node').nth(1).locator('rect').evaluateAll((parts) => parts.map((part) => Number(part.getAttribute('width')) / 1_000))).toEqual(Object.values(cards[1]!.time));
    expect(await texts(tab, '.node:nth-child(2) dd')).toEqual(['8', '36,900', '1,204']);
    expect(await texts(tab, '.events .what')).toEqual(events.map(({ sentence }) => sentence).reverse());
    expectNoFaults(tab);
  });

  test('draws the values of the records, against steps and time', async () => {
    const tab = await opened();
    await tell(tab, history);
    await tab.page.locator('.u-over').first().waitFor();
    expect(await texts(tab, '.chart h3')).toEqual(['Loss', 'Accuracy', 'Examples a second', 'Learning rate']);
    const [first, last] = [moments[0]!, moments.at(-1)!];
    await legendSays(tab, 'Loss', 0, `training ${three(first.logs['loss']!)}validation –at ${first.step}`);
    await legendSays(tab, 'Loss', 1, `training ${three(last.logs['loss']!)}validation ${three(epochs.at(-1)!.logs['val_loss']!)}at ${last.step}`);
    await legendSays(tab, 'Accuracy', 1, `training ${three(last.logs['acc']!)}validation ${three(epochs.at(-1)!.logs['val_acc']!)}`);
    await legendSays(tab, 'Examples a second', 0, Math.round(first.examplesPerSecond).toLocaleString('en-US'));
    await tab.page.getByLabel('time', { exact: true }).check();
    await tab.page.getByLabel('loss on a log scale').check();
    await tab.page.locator('.plot[aria-label^="Loss against time"]').waitFor();
    await legendSays(tab, 'Loss', 1, `training ${three(last.logs['loss']!)}validation ${three(epochs.at(-1)!.logs['val_loss']!)}at 2:00`);
    expectNoFaults(tab);
  });

  test('opened late shows what one shows that saw it all, and a broken connection that it is old', async () => {
    const [early, late] = [await opened(), await opened()];
    for (const record of history) await tell(early, [record]);
    await tell(late, history);
    const whole = async ({ page }: Tab): Promise<string> => (await page.locator('#dashboard').textContent())!;
    for (const tab of [early, late]) await tab.page.locator('.layer').first().waitFor();
    expect(await whole(early)).toBe(await whole(late));
    const seen = await whole(late);
    await late.page.evaluate(() => { (globalThis as unknown as TestWindow).dashboard.connection('broken', 'The coordinator does not answer.'); });
    await shows(late.page, '.connection', /what you see is old.*The coordinator does not answer/);
    await tell(late, history);
    await tell(late, [{ kind: 'event', atMs: 130_000, step: 520, tone: 'good', sentence: 'the last one' }]);
    await shows(late.page, '.events', /the last one/);
    expect((await whole(late)).replace('the last one2:10, step 520', '').replace(/✓(?=✗)/, '')).toBe(seen);
    await tell(late, [{ ...run, training: 2 }]);
    await shows(late.page, '.what-it-is', /^Training 2/);
    expect(await texts(late, '.events li')).toEqual([]);
    expect(await texts(late, '.node')).toEqual([]);
    expect(await texts(late, '.state')).toEqual(['running']);
    await late.page.evaluate(() => { (globalThis as unknown as TestWindow).dashboard.connection('over', 'The run was stopped.'); });
    await shows(late.page, '.state', /^ended$/);
    expect(await texts(late, '.connection')).toEqual(['The run was stopped.']);
    expectNoFaults(early, late);
  });

  test('shows what happens inside the network, in pictures and numbers', async () => {
    const tab = await opened();
    await tell(tab, history);
    await tab.page.locator('.layer').first().waitFor();
    expect(await texts(tab, '.layer h3')).toEqual(health.layers.map(({ layer }) => layer));
    expect(await texts(tab, '.layer-facts')).toEqual([
      'gradient norm0.0713update to weights0.00112dead ReLUs4 %', 'gradient norm0.0418update to weights8.7e−4dead ReLUs⚠ 52 %, many', 'gradient norm0.192update to weights0.00204saturated sigmoids⚠ 81 %, many', '',
    ]);
    const { counts } = health.layers[0]!.weights!;
    const bars = await tab.page.locator('.layer').first().locator('.of-weights rect').evaluateAll((all) => all.map((bar) => [Number(bar.getAttribute('y')), Number(bar.getAttribute('height'))] as const));
    expect(bars).toHaveLength(counts.length);
    bars.forEach(([top, height], bin) => {
      expect(height).toBeCloseTo((40 * counts[bin]!) / Math.max(...counts), 1);
      expect(top + height).toBeCloseTo(40, 1); // the picture is 40 high
    });
    await tab.page.locator('.layer summary').first().click();
    expect(await tab.page.locator('.layer').first().locator('table').first().locator('td').allTextContents()).toEqual(counts.map((count) => count.toLocaleString('en-US')));
    expectNoFaults(tab);
  });

  test('shows predictions with the wrong ones marked, and the confusion matrix', async () => {
    const tab = await opened();
    await tell(tab, history);
    await tab.page.locator('.pictures li').first().waitFor();
    expect(await texts(tab, '.pictures .said')).toEqual(outcome.pictures.map(({ actual, predicted }) => (actual === predicted ? run.classNames[predicted] : `✗ ${run.classNames[predicted]!}, is ${run.classNames[actual]!}`)));
    const grey = await tab.page.locator('.pictures canvas').first().evaluate((canvas) => [...(canvas as HTMLCanvasElement).getContext('2d')!.getImageData(0, 0, 28, 28).data].filter((_, index) => index % 4 === 0));
    expect(grey).toEqual([...atob(outcome.pictures[0]!.pixels)].map((byte) => byte.charCodeAt(0)));
    expect(await tab.page.locator('.confusion tbody tr').evaluateAll((rows) => rows.map((row) => Array.from((row as HTMLTableRowElement).cells).slice(1).map(({ textContent }) => Number(textContent))))).toEqual(outcome.confusion);
    await shows(tab.page, '.matrix', /Most often: Shirt taken for T-shirt\/top \(21\)/);
    expect(await texts(tab, '.confusion thead th')).toEqual(['', ...run.classNames]);
    expect(await texts(tab, '.confusion tbody th')).toEqual(run.classNames);
    expectNoFaults(tab);
  });

  test('is read by a finger along a chart, and scrolled by one across', async () => {
    const tab = await opened({ hasTouch: true, isMobile: true, viewport: { width: 360, height: 640 } });
    await tell(tab, history);
    const chart = tab.page.locator('.chart').first();
    const [over, where] = [chart.locator('.u-over'), chart.locator('.where')];
    await over.evaluate((part) => { part.scrollIntoView({ block: 'center' }); });
    const { x, y, width, height } = (await over.boundingBox())!;
    const stepAt = (part: number): RegExp => new RegExp(`^at ${moments[Math.round(part * (moments.length - 1))]!.step}$`);
    const before = await over.evaluate(() => scrollY);
    const session = await tab.context.newCDPSession(tab.page);
    const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', part: number, upPixels = 0): Promise<unknown> =>
      session.send('Input.dispatchTouchEvent', { type, touchPoints: type === 'touchEnd' ? [] : [{ x: x + part * width, y: y + height / 2 - upPixels }] });
    await touch('touchStart', 0.2);
    await where.filter({ hasText: stepAt(0.2) }).waitFor();
    for (const part of [0.3, 0.5, 0.8]) await touch('touchMove', part);
    await where.filter({ hasText: stepAt(0.8) }).waitFor();
    await touch('touchEnd', 0.8);
    expect(await tab.page.locator('.chart').nth(1).locator('.where').textContent()).toMatch(stepAt(0.8)); // the others follow
    expect(await over.evaluate(() => scrollY)).toBe(before);
    await touch('touchStart', 0.5);
    for (const upPixels of [20, 60, 100, 150]) await touch('touchMove', 0.5, upPixels);
    await touch('touchEnd', 0.5);
    await tab.page.waitForFunction((from) => scrollY > from, before);
    expectNoFaults(tab);
  });

  test('gives the buttons when what is above them has its height, so that none moves away under a press', async () => {
    const tab = await opened();
    const pause = tab.page.getByRole('button', { name: 'Pause' });
    await tab.page.evaluate(() => { (globalThis as unknown as TestWindow).dashboard.controls({ command: () => Promise.resolve(480) }); });
    expect(await pause.isVisible()).toBe(false);
    await tell(tab, history.slice(0, 1));
    await pause.waitFor();
    const topPixels = async (): Promise<number> => (await pause.boundingBox())!.y;
    const before = await topPixels();
    await tell(tab, history.slice(1));
    await tab.page.locator('.u-over').first().waitFor();
    expect(await topPixels()).toBe(before);
  });

  test('gives nobody buttons who may only look', async () => {
    const tab = await opened();
    await tell(tab, history);
    await tab.page.evaluate(() => { (globalThis as unknown as TestWindow).dashboard.controls({}); });
    await tab.page.locator('.node').first().waitFor();
    expect(await tab.page.getByRole('button').allTextContents()).toEqual(['Contribute']);
    expectNoFaults(tab);
  });

  test('shows no chaos panel of a run that has none', async () => {
    const tab = await steered();
    await tab.page.getByRole('heading', { name: 'Chaos' }).waitFor();
    await tell(tab, [{ ...run, mayChaos: false }]);
    await tab.page.getByRole('heading', { name: 'Chaos' }).waitFor({ state: 'hidden' });
    await tab.page.getByRole('button', { name: 'Pause' }).waitFor();
  });

  test('is steered with the keyboard alone, and asks again before it stops', async () => {
    const tab = await steered();
    const { keyboard } = tab.page;
    const focused = (): Promise<string> => tab.page.evaluate(() => document.activeElement?.textContent ?? '');
    const tabTo = async (text: string): Promise<void> => { do await keyboard.press('Tab'); while (await focused() !== text); };
    for (const [text, answer] of [['Pause', /^Paused after 480 updates\.$/], ['Resume', /^Resumed/], ['Checkpoint now', /^Checkpoint kept/]] as const) {
      await tabTo(text);
      expect(await tab.page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle)).toBe('solid');
      await keyboard.press('Enter');
      await shows(tab.page, '.answer', answer);
    }
    await tabTo('Stop…');
    await keyboard.press('Enter');
    expect(await focused()).toBe('Keep it running');
    await keyboard.press('Escape');
    expect(await focused()).toBe('Stop…');
    expect(await asked(tab)).toEqual(['pause', 'resume', 'checkpoint']);
    await keyboard.press('Enter');
    await keyboard.press('Shift+Tab');
    expect(await focused()).toBe('Stop the run');
    await keyboard.press('Enter');
    await shows(tab.page, '.answer', /^Stopped after 480 updates\.$/);
    await tab.page.locator('.choice select').focus();
    await keyboard.press('ArrowDown');
    for (const [text, answer] of [['Freeze', /^node 3 is frozen\.$/], ['Slow', /^node 3 is slowed/], ['Drop', /^There is no such node\.$/], ['Heal', /^node 3 is left alone/]] as const) {
      await tabTo(text);
      await keyboard.press('Space');
      await shows(tab.page, '.answer', answer);
    }
    expect(await asked(tab)).toEqual(['pause', 'resume', 'checkpoint', 'stop', 'freeze 3', 'slow 3', 'drop 3', 'heal 3']);
    expectNoFaults(tab);
  });

  test('fits a phone, and goes dark with charts in other colours', async () => {
    const tab = await steered();
    await tab.page.setViewportSize({ width: 360, height: 740 });
    await tab.page.waitForFunction(() => document.querySelector('.u-wrap')!.clientWidth < 360);
    expect(await tab.page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
    expect(await tab.page.getByRole('button', { name: 'Pause' }).boundingBox()).toMatchObject({ height: 44 }); // a finger's
    const painted = (): Promise<string> => tab.page.locator('.plot canvas').first().evaluate((canvas) => (canvas as HTMLCanvasElement).toDataURL());
    const ground = (): Promise<string> => tab.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const [light, lightGround] = [await painted(), await ground()];
    await tab.page.emulateMedia({ colorScheme: 'dark' });
    await tab.page.waitForFunction((before) => document.querySelector<HTMLCanvasElement>('.plot canvas')!.toDataURL() !== before, light);
    expect(await ground()).not.toBe(lightGround);
    expectNoFaults(tab);
  });

  test('draws a long run once for all records that came until then, and not before there is a frame', async () => {
    const tab = await opened();
    await tab.page.evaluate(() => {
      const page = globalThis as unknown as { frames: (() => void)[]; requestAnimationFrame: (draw: () => void) => void };
      page.frames = [];
      page.requestAnimationFrame = (draw) => { page.frames.push(draw); }; // as in a hidden tab
    });
    const long = Array.from({ length: 20_000 }, (_, index) => ({ ...moments[index % moments.length]!, step: index + 1, atMs: 100 * (index + 1) }));
    await tell(tab, [run, ...long, epochs[0]!]);
    await tab.page.waitForFunction(() => (globalThis as unknown as { frames: unknown[] }).frames.length > 0);
    await tell(tab, long.slice(-1));
    expect(await texts(tab, '.where-it-is')).toEqual(['']);
    expect(await tab.page.evaluate(() => (globalThis as unknown as { frames: (() => void)[] }).frames.map((draw) => { draw(); }).length)).toBe(1);
    await shows(tab.page, '.where-it-is', /step 20,000/);
    await legendSays(tab, 'Loss', 1, 'at 20,000');
    expectNoFaults(tab);
  });
});
