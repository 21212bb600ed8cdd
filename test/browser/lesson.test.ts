import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { tensorflock, temporaryFolder } from '../cli/command.js';
import { browser, describeInChromium, expectNoFaults, openTab } from './chromium.js';

/** Widths in pixels: a phone's and a screen's. */
const WIDTHS = [390, 1280];

describeInChromium('the page of a lesson', () => {
  test('is whole by itself, as wide as its window, and readable in dark and light', async () => {
    const folder = join(temporaryFolder(), 'page');
    expect(tensorflock('lesson', 'by-hand', '--out', folder)).toMatchObject({ status: 0, stderr: '' });
    const tab = await openTab(await browser(), pathToFileURL(join(folder, 'index.html')).href);
    const { page } = tab;
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    }
    const grounds = new Set<string>();
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      const { ground, ink, ofChart } = await page.evaluate(() => {
        const body = getComputedStyle(document.body);
        return { ground: body.backgroundColor, ink: body.color, ofChart: Array.from(document.querySelectorAll('svg text'), (text) => getComputedStyle(text).fill) };
      });
      grounds.add(ground);
      expect(ink).not.toBe(ground);
      expect(ofChart.length).toBeGreaterThan(20);
      expect(new Set(ofChart)).toEqual(new Set([ink]));
    }
    expect(grounds.size).toBe(2);
    // A fraction of MathML that is laid out is higher than a line of text.
    expect(await page.evaluate(() => document.querySelector('mfrac')!.getBoundingClientRect().height)).toBeGreaterThan(24);
    // What stands out of its paragraph is cut off there.
    expect(await page.evaluate(() => Array.from(document.querySelectorAll('p.wide'), ({ scrollHeight, clientHeight }) => scrollHeight - clientHeight).filter((out) => out > 0))).toEqual([]);
    expectNoFaults(tab);
    await tab.context.close();
  });
});
