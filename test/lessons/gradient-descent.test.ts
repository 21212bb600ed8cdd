import { expect, test } from 'vitest';
import { testPage } from './page.js';
import { figuresOf, findingsOf, listOf } from './quick.js';

testPage('gradient-descent');

test('all three go down; the fewer examples a step, the longer and the more restless the path', async (context) => {
  const { startLoss, difference } = await figuresOf('gradient-descent', context);
  const [losses, lengths, unrest] = (await Promise.all(['losses', 'lengths', 'unrest'].map((name) => listOf('gradient-descent', name, context)))) as number[][];
  for (const loss of losses!) expect(loss).toBeLessThan(startLoss!);
  expect(losses![0]).toBe(Math.min(...losses!));
  expect([...lengths!].sort((a, b) => a - b)).toEqual(lengths);
  expect([...unrest!].sort((a, b) => a - b)).toEqual(unrest);
  expect(lengths![2]).toBeGreaterThan(3 * lengths![0]!);
  expect(difference).toBeLessThan(1e-3); // float32 in the library, float64 by hand
});

test('every way comes to the accuracy; one example a step needs the fewest epochs and the most steps, all examples the reverse', async (context) => {
  const { goal } = await figuresOf('gradient-descent', context);
  const [reached, epochs, steps] = (await Promise.all(['reached', 'epochs', 'steps'].map((name) => listOf('gradient-descent', name, context)))) as number[][];
  for (const accuracy of reached!) expect(accuracy).toBeGreaterThanOrEqual(goal!);
  const [full, mini, single] = [0, 1, 2].map((way) => ({ epochs: epochs![way]!, steps: steps![way]! }));
  expect(single!.epochs).toBeLessThanOrEqual(mini!.epochs);
  expect(mini!.epochs).toBeLessThan(full!.epochs);
  expect(full!.steps).toBe(full!.epochs);
  expect(full!.steps).toBeLessThan(mini!.steps);
  expect(mini!.steps).toBeLessThan(single!.steps);
});

test('each way has one colour in all plots', async (context) => {
  const { sections } = await findingsOf('gradient-descent', context);
  const [paths, losses, race] = sections.flatMap(({ blocks }) => blocks).flatMap((block) => (block.kind === 'plot' ? [block.plot] : []));
  if (paths?.kind !== 'surface' || losses?.kind !== 'lines' || race?.kind !== 'lines') throw new Error('other plots than a surface and two of lines');
  const kinds = (series: readonly { readonly name: string }[]): string[] => series.map(({ name }) => name.replace(/ of \d+/, ''));
  expect(kinds(paths.paths)).toEqual(['one example', 'mini-batch', 'full batch']);
  for (const { series, options } of [losses, race]) {
    expect(kinds(series)).toEqual(kinds(paths.paths));
    expect(options?.firstColour).toBe(1); // on the blue surface the first colour, blue, is left out
  }
});
