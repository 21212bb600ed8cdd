import { expect, test } from 'vitest';
import { optimizers } from '../../src/index.js';
import { testPage } from './page.js';
import { figuresOf, findingsOf, listOf } from './quick.js';

testPage('optimizers');

test('all seven optimizers of the package take part, with their default rates in the table', async (context) => {
  const names = (await listOf('optimizers', 'names', context)) as string[];
  expect(names.map((name) => name.toLowerCase())).toEqual(Object.keys(optimizers));
  const { sections } = await findingsOf('optimizers', context);
  const table = sections.flatMap(({ blocks }) => blocks).find((block) => block.kind === 'table')!;
  const rates = Object.fromEntries(table.rows.map(([name, rate]) => [String(name).toLowerCase(), Number(rate)]));
  for (const [name, make] of Object.entries(optimizers)) expect(make().learningRate, name).toMatchObject({ rate: rates[name] });
});

test('at their defaults the adaptive ones learn fastest, then momentum, then Adagrad, then SGD', async (context) => {
  const [sgd, momentum, nesterov, adagrad, rmsprop, adam, adamw] = (await listOf('optimizers', 'final', context)) as number[];
  const adaptive = [rmsprop!, adam!, adamw!];
  expect(Math.max(...adaptive)).toBeLessThan(Math.min(momentum!, nesterov!));
  expect(Math.max(momentum!, nesterov!)).toBeLessThan(adagrad!);
  expect(adagrad).toBeLessThan(sgd!);
});

test('every line has a band over the seeds around its mean', async (context) => {
  const { seeds } = await figuresOf('optimizers', context);
  expect(seeds).toBeGreaterThan(1);
  for (const width of (await listOf('optimizers', 'widths', context)) as number[]) expect(width).toBeGreaterThan(0);
  const { sections } = await findingsOf('optimizers', context);
  for (const block of sections.flatMap(({ blocks }) => blocks)) {
    if (block.kind !== 'plot' || block.plot.kind !== 'lines') continue;
    for (const { points, band } of block.plot.series) {
      expect(band).toHaveLength(points.length);
      points.forEach(([, cost], epoch) => {
        expect(band![epoch]![1]).toBeLessThanOrEqual(cost);
        expect(band![epoch]![2]).toBeGreaterThanOrEqual(cost);
      });
    }
  }
});
