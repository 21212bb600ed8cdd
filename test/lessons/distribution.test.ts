import { expect, test } from 'vitest';
import { testPage } from './page.js';
import { figuresOf, findingsOf, listOf } from './quick.js';

testPage('distribution');

test('one, two and four workers and a node that dies end at the same bytes', async (context) => {
  const hashes = await listOf('distribution', 'hashes', context);
  expect(hashes).toHaveLength(4);
  expect(new Set(hashes).size).toBe(1);
  expect((await findingsOf('distribution', context)).figures).toMatchObject({ same: true, lost: true, nodes: 1 });
});

test('stale, async and local, each with a node, end near sync and at other bytes', async (context) => {
  const [sync] = (await listOf('distribution', 'losses', context)) as number[];
  expect(await listOf('distribution', 'otherNodes', context)).toEqual([1, 1, 1]);
  const hashes = [(await listOf('distribution', 'hashes', context))[0], ...(await listOf('distribution', 'otherHashes', context))];
  expect(new Set(hashes).size).toBe(4);
  expect((await findingsOf('distribution', context)).lines[1]).toMatch(/^Sync ends at loss [\d.]+; with a node beside one worker, stale .+: other bytes each time\.$/);
  for (const loss of (await listOf('distribution', 'otherLosses', context)) as number[]) expect(Math.abs(loss - sync!)).toBeLessThan(0.15);
  const { accuracy } = await figuresOf('distribution', context);
  for (const other of (await listOf('distribution', 'otherAccuracies', context)) as number[]) expect(Math.abs(other - accuracy!)).toBeLessThan(0.1);
});
