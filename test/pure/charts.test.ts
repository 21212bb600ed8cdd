import { decode } from 'fast-png';
import { describe, expect, test } from 'vitest';
import { barChart, confusionChart, histogramChart, lineChart, scatterChart, surfaceChart } from '../../src/report/charts.js';
import { htmlDocument, standaloneSvg } from '../../src/report/document.js';
import { imageGrid, numberGrid } from '../../src/report/pictures.js';
import { parseMarkup } from './markup.js';

const TEXT = { title: 'A <title>', description: 'What it "shows" & why', x: 'step', y: 'loss' };
const POINTS = { name: 'adam', points: [[0, 4], [1, 2], [2, 1]] as const };

/** The words written in an SVG, in order. */
const words = (svg: string): string[] => parseMarkup(svg).filter(({ name }) => name === 'text').map(({ text }) => text);

describe('every chart', () => {
  const charts: readonly (readonly [string, () => Promise<string>])[] = [
    ['lines', () => lineChart([POINTS, { name: 'sgd', points: [[0, 4], [2, 3]], band: [[0, 3, 5], [2, 2, 4]] }], TEXT)],
    ['scatter', () => scatterChart([POINTS], TEXT)],
    ['histogram', () => histogramChart([{ name: 'a', from: 0, to: 2, counts: [1, 3] }], TEXT)],
    ['bars', () => barChart([{ name: 'Shirt', value: 0.25 }], TEXT)],
    ['confusion', () => confusionChart([[5, 1], [0, 7]], ['Coat', 'Bag'], TEXT)],
    ['surface', () => surfaceChart({ x: [0, 1], y: [0, 1], values: [[0, 1], [1, 2]] }, [POINTS], TEXT)],
    ['pictures', () => imageGrid([{ pixels: new Uint8Array(4), width: 2, height: 2, caption: 'a & b' }], 2, 'A <title>. What it "shows" & why')],
  ];
  test.each(charts)('%s is well-formed, says what it shows, paints no ground and comes out the same twice', async (_name, make) => {
    const svg = await make();
    const [root] = parseMarkup(svg);
    expect(root?.name).toBe('svg');
    expect(root?.attributes['aria-label']).toBe('A <title>. What it "shows" & why');
    expect(svg).toContain('currentColor');
    expect(svg).not.toMatch(/fill="(#000|black|#fff|white)"/);
    expect(await make()).toBe(svg);
  });
});

test('lines go through the points of each series, and a legend names them', async () => {
  const svg = await lineChart([POINTS, { name: 'sgd', points: [[0, 4], [2, 4]] }], TEXT);
  const lines = parseMarkup(svg).filter(({ attributes }) => attributes['aria-roledescription'] === 'line mark').map(({ attributes }) => attributes['d']);
  // 460 wide for x from 0 to 2, 260 high for y from 1 to 4: the loss falls to 0, 2/3 and 1 of the height.
  expect(lines[0]).toMatch(/^M0,0L230,173\.3\d+L460,260$/);
  expect(lines[1]).toBe('M0,0L460,0');
  expect(words(svg)).toEqual(expect.arrayContaining(['adam', 'sgd', 'step', 'loss']));
});

test('a loss that is not a number breaks the line', async () => {
  const svg = await lineChart([{ name: 'a', points: [[0, 1], [1, 2], [2, NaN], [3, 1], [4, 2]] }], TEXT);
  const line = parseMarkup(svg).find(({ attributes }) => attributes['aria-roledescription'] === 'line mark')?.attributes['d'];
  expect(line?.match(/M/g)).toHaveLength(2);
});

test('the confusion matrix has a row of counts for each actual class', async () => {
  const svg = await confusionChart([[5, 1], [0, 7]], ['Coat', 'Bag'], TEXT);
  expect(words(svg).filter((word) => /^\d+$/.test(word))).toEqual(['5', '1', '0', '7']);
  expect(words(svg)).toEqual(expect.arrayContaining(['actual', 'predicted', 'Coat', 'Bag']));
});

test('bars carry their values', async () => {
  expect(words(await barChart([{ name: 'Shirt', value: 0.61249 }], TEXT))).toEqual(expect.arrayContaining(['Shirt', '0.612']));
});

test('the value of a bar that goes left stands right of 0, on the ground', async () => {
  const elements = parseMarkup(await barChart([{ name: 'down', value: -1 }, { name: 'up', value: 1 }], TEXT));
  const [down, up] = ['-1', '1'].map((value) => elements.find(({ name, text }) => name === 'text' && text === value)?.attributes['transform']);
  // 460 wide for -1 to 1: 0 is at 230; the words begin 4 further right.
  expect(down).toMatch(/^translate\(234,/);
  expect(up).toMatch(/^translate\(464,/);
});

test('the first colour of lines is chosen, so that they match the paths on a surface', async () => {
  const colourIn = (svg: string): string | undefined => parseMarkup(svg).find(({ attributes }) => attributes['aria-roledescription'] === 'line mark')?.attributes['stroke'];
  const onSurface = colourIn(await surfaceChart({ x: [0, 1], y: [0, 1], values: [[0, 1], [1, 2]] }, [POINTS], TEXT));
  expect(colourIn(await lineChart([POINTS], TEXT))).not.toBe(onSurface);
  expect(colourIn(await lineChart([POINTS], TEXT, { firstColour: 1 }))).toBe(onSurface);
});

test('pictures hold the very pixels', async () => {
  const pixels = Uint8Array.from([0, 10, 200, 255, 7, 9]);
  const svg = await imageGrid([{ pixels, width: 3, height: 2, caption: 'Bag\nnot Coat', wrong: true }], 4, 'one');
  const base64 = /data:image\/png;base64,([^"]+)"/.exec(svg)![1]!;
  const { data, width, height } = decode(Buffer.from(base64, 'base64'));
  expect([width, height, ...data]).toEqual([3, 2, ...pixels]);
  expect(words(svg)).toEqual(['✗', 'Bag', 'not Coat']);
});

test('a matrix of bytes is as grey as its numbers, which stand in it in a colour that can be read', () => {
  const elements = parseMarkup(numberGrid([[0, 255], [100, 130]], 'a <b>'));
  expect(elements[0]!.attributes['aria-label']).toBe('a <b>');
  expect(elements.filter(({ name }) => name === 'rect').map(({ attributes }) => attributes['fill'])).toEqual([0, 255, 100, 130].map((value) => `rgb(${value},${value},${value})`));
  expect(elements.filter(({ name }) => name === 'text').map(({ text, attributes }) => [text, attributes['fill']])).toEqual([['0', '#777'], ['255', '#000'], ['100', '#fff'], ['130', '#000']]);
});

test('a border among points is a line from end to end', async () => {
  const elements = parseMarkup(await scatterChart([POINTS], TEXT, [{ name: 'border', points: [[0, 1], [2, 4]] }]));
  // 460 wide for x from 0 to 2, 260 high for y from 1 to 4.
  expect(elements.find(({ attributes }) => attributes['aria-roledescription'] === 'line mark')?.attributes['d']).toBe('M0,260L460,0');
  expect(elements.filter(({ attributes }) => attributes['aria-roledescription'] === 'point')).toHaveLength(3);
});

test('a surface has steps of shade: what is nearly as low is as deep', async () => {
  const elements = parseMarkup(await surfaceChart({ x: [0, 1], y: [0, 1], values: [[0, 0.4], [1, 100]] }, [], TEXT));
  const fills = elements.filter(({ attributes }) => attributes['aria-roledescription'] === 'rect mark').map(({ attributes }) => attributes['fill']);
  expect(fills[1]).toBe(fills[0]);
  expect(new Set(fills).size).toBe(3);
});

test('legends with long names have one name a line, uncut', async () => {
  const long = 'a name of forty-four characters in this test';
  const svg = await lineChart([POINTS, { name: long, points: [[0, 4], [2, 4]] }], TEXT);
  expect(words(svg)).toContain(long);
});

describe('a document', () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"></svg>';
  const html = htmlDocument({
    title: '<script>"&',
    lead: 'What was found.',
    sections: [
      {
        heading: 'Loss',
        blocks: [
          { kind: 'paragraph', text: 'a < b' },
          { kind: 'formula', mathml: '<math><mi>x</mi></math>' },
          { kind: 'code', text: 'if (a < b) return;' },
          { kind: 'table', columns: ['epoch', 'loss'], rows: [[1, 0.5], [2, null]] },
          { kind: 'figure', svg, caption: 'the loss' },
        ],
      },
    ],
  });

  test('holds every block, texts as text', () => {
    for (const part of ['<p>a &lt; b</p>', '<p class="wide"><math><mi>x</mi></math>', 'if (a &lt; b) return;', '<tr><td>1</td><td>0.50000</td></tr>\n<tr><td>2</td><td></td></tr>', svg, 'the loss']) {
      expect(html).toContain(part);
    }
  });

  test('needs no script and nothing from elsewhere', () => {
    expect(html).not.toMatch(/<script|<link|(src|href)=/);
  });

  test('has pictures that stand alone in both themes', () => {
    expect(parseMarkup(standaloneSvg(svg)).map(({ name }) => name)).toEqual(['svg', 'style']);
    expect(standaloneSvg(svg)).toContain('prefers-color-scheme:dark');
  });
});
