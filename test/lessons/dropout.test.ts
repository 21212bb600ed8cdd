import { expect, test } from 'vitest';
import { testPage } from './page.js';
import { figuresOf, listOf } from './quick.js';

testPage('dropout');

test('on a thousand images both kinds of dropout end with less test loss, and a smaller gap to the training images', async (context) => {
  const { withoutLoss, dropoutLoss, gaussianLoss, withoutGap, dropoutGap, gaussianGap } = await figuresOf('dropout', context);
  expect(Math.max(dropoutLoss!, gaussianLoss!)).toBeLessThan(0.9 * withoutLoss!);
  expect(Math.max(dropoutGap!, gaussianGap!)).toBeLessThan(withoutGap!);
});

test('a score under masks averages what it is at test time, in all three ways', async (context) => {
  const { whole, expectedSpread, masks } = await figuresOf('dropout', context);
  const [means, spreads, tests] = (await Promise.all(['means', 'spreads', 'tests'].map((name) => listOf('dropout', name, context)))) as number[][];
  tests!.forEach((value, way) => { expect(value).toBeCloseTo([whole! / 2, whole!, whole!][way]!, 8); });
  [expectedSpread! / 2, expectedSpread!, expectedSpread!].forEach((spread, way) => {
    expect(Math.abs(means![way]! - tests![way]!)).toBeLessThan((4 * spread) / Math.sqrt(masks!)); // four standard errors
    expect(Math.abs(spreads![way]! / spread - 1)).toBeLessThan(4 / Math.sqrt(2 * masks!));
  });
});
