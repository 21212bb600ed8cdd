import { expect, test } from 'vitest';
import { bytes, first, greyPicture, label, mean, norm, ofClasses, pixels, Random, short, spread, steps, within } from '../../examples/lessons/kit.js';
import { createDataset } from '../../src/data/dataset.js';

/** Five pictures of 1 x 2 pixels. */
const DATA = createDataset('five', [{ values: Uint8Array.from([0, 255, 10, 20, 30, 40, 50, 60, 70, 80]), shape: [5, 1, 2], scale: 1 / 255 }], [{ values: Uint8Array.from([3, 1, 3, 2, 3]), shape: [5] }], ['a', 'b', 'c', 'd']);

test('a seed decides the draws; uniform ones fill 0 to 1, normal ones have mean 0 and variance 1', () => {
  const count = 20_000;
  const draw = (seed: number, kind: 'uniform' | 'normal'): number[] => {
    const random = new Random(seed);
    return Array.from({ length: count }, () => random[kind]());
  };
  expect(draw(7, 'uniform')).toEqual(draw(7, 'uniform'));
  expect(draw(7, 'uniform')).not.toEqual(draw(8, 'uniform'));
  const [uniform, normal] = [draw(7, 'uniform'), draw(7, 'normal')];
  expect(Math.min(...uniform)).toBeGreaterThan(0);
  expect(Math.max(...uniform)).toBeLessThan(1);
  const errors = 4 / Math.sqrt(count); // four standard errors of a mean of numbers of variance 1
  expect(Math.abs(mean(uniform) - 1 / 2)).toBeLessThan(errors * Math.sqrt(1 / 12));
  expect(Math.abs(spread(uniform) ** 2 - 1 / 12)).toBeLessThan(errors / 12);
  expect(Math.abs(mean(normal))).toBeLessThan(errors);
  expect(Math.abs(spread(normal) ** 2 - 1)).toBeLessThan(errors * Math.sqrt(2));
  const indices = new Set(Array.from({ length: 100 }, ((random) => () => random.index(3))(new Random(1))));
  expect([...indices].sort()).toEqual([0, 1, 2]);
});

test('examples are chosen by number and by class, in their order', () => {
  expect(first(DATA, 2)).toMatchObject({ exampleCount: 2, x: [{ values: Uint8Array.from([0, 255, 10, 20]), shape: [2, 1, 2], scale: 1 / 255 }] });
  expect(first(DATA, 99).exampleCount).toBe(5);
  const chosen = ofClasses(DATA, [3, 2], 2);
  expect(chosen.exampleCount).toBe(3);
  expect([0, 1, 2].map((example) => label(chosen, example))).toEqual([3, 3, 2]);
  expect([...bytes(chosen, 2)]).toEqual([50, 60]);
  expect(pixels(DATA, 0)).toEqual([0, 1]);
});

test('means, spreads, lengths, steps and words are those of arithmetic', () => {
  expect([mean([1, 2, 6]), spread([1, 3]), norm([3, 4])]).toEqual([3, 1, 5]);
  expect(steps(-1, 1, 5)).toEqual([-1, -0.5, 0, 0.5, 1]);
  expect([short(0), short(0.12345), short(1234.5), short(0.00012), short(2_500_000)]).toEqual(['0', '0.123', '1230', '1.2e-4', '2.5e+6']);
  expect([...greyPicture([-1, 0, 1, 0], 2, 'grey').pixels]).toEqual([0, 128, 255, 128]);
});

test('waiting ends with what is waited for, or with its failure', async () => {
  expect(await within(60, Promise.resolve(5), 'it does not come')).toBe(5);
  await expect(within(0, new Promise(() => undefined), 'it does not come')).rejects.toThrow('it does not come in 0 s');
});
