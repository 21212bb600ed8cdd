import { expect, test } from 'vitest';
import { lessonFiles, type Findings, type LessonFacts } from '../../src/report/lesson.js';
import type { Plot } from '../../src/report/plots.js';
import { parseMarkup, type Element } from '../pure/markup.js';
import { findingsOf } from './quick.js';

type PlotBlock = Extract<Findings['sections'][number]['blocks'][number], { readonly kind: 'plot' }>;

const marks = (elements: readonly Element[], kind: string): number => elements.filter(({ attributes }) => attributes['aria-roledescription'] === kind).length;
const words = (elements: readonly Element[]): string[] => elements.filter(({ name }) => name === 'text').map(({ text }) => text);

/** What an SVG has to hold of its plot: a mark for each datum or series, or the very words. */
function carries(elements: readonly Element[], plot: Plot): void {
  switch (plot.kind) {
    case 'lines': return expect(marks(elements, 'line mark')).toBe(plot.series.filter(({ points }) => points.some(([, y]) => plot.options?.logY !== true || y > 0)).length);
    case 'scatter': return expect(marks(elements, 'point')).toBe(plot.groups.reduce((sum, { points }) => sum + points.length, 0));
    case 'bars': return expect(words(elements)).toEqual(expect.arrayContaining(plot.bars.map(({ value }) => String(Number(value.toPrecision(3))))));
    case 'confusion': return expect(words(elements).filter((word) => /^\d+$/.test(word)).map(Number)).toEqual(expect.arrayContaining(plot.counts.flat()));
    case 'numbers': return expect(words(elements).map(Number)).toEqual(plot.rows.flat());
    case 'pictures': return expect(elements.filter(({ name }) => name === 'image').length).toBe(plot.pictures.length);
    case 'surface': return expect(marks(elements, 'line mark')).toBe(plot.paths.length);
    case 'histogram': return expect(marks(elements, 'area mark')).toBe(plot.histograms.length);
  }
}

/** Tests the page of a lesson, its plots and their data. */
export function testPage(name: string): void {
  const facts: LessonFacts = { name, title: 'A lesson', about: 'what it is about', run: { seed: 1 }, sources: [{ name: 'x.ts', text: 'const a = 1 < 2;' }] };

  test('its page asks for nothing outside, and holds its finding, its formulas and its code', async (context) => {
    const findings = await findingsOf(name, context);
    const page = (await lessonFiles(facts, findings)).get('index.html')!;
    expect(page).not.toMatch(/<script|<link|<iframe|@import|url\(|(?:src|href)="(?!data:image\/png;base64,)/);
    expect(page).toContain('const a = 1 &lt; 2;');
    expect(page).toMatch(/<math[^]*<\/math>/);
    expect(page).not.toContain('NaN');
    expect(findings.lines.length).toBeGreaterThan(1);
    expect(findings.lines.join(' ')).not.toMatch(/NaN|undefined|Infinity/);
  });

  test('its plots are well-formed, of different names, and carry their data', async (context) => {
    const findings = await findingsOf(name, context);
    const files = await lessonFiles(facts, findings);
    const blocks = findings.sections.flatMap((section) => section.blocks).filter((block): block is PlotBlock => block.kind === 'plot');
    expect(blocks.length).toBeGreaterThan(0);
    expect(files.size).toBe(blocks.length + 2);
    for (const block of blocks) {
      const elements = parseMarkup(files.get(`${block.file}.svg`)!);
      carries(elements.filter(({ name: element }) => element !== 'style'), block.plot);
    }
  });

  test('its data are JSON with every figure and every plot', async (context) => {
    const findings = await findingsOf(name, context);
    const data = JSON.parse((await lessonFiles(facts, findings)).get('lesson.json')!) as { readonly figures: object; readonly plots: object };
    expect(data.figures).toEqual(findings.figures);
    expect(Object.values(findings.figures).flat().filter((figure) => typeof figure === 'number' && !Number.isFinite(figure))).toEqual([]);
    expect(Object.keys(data.plots).length).toBeGreaterThan(0);
  });
}
