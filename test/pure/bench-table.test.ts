import { expect, test } from 'vitest';
import type { Row } from '../../scripts/bench/harness.js';
import { formatTable } from '../../scripts/bench/table.js';

const ready = { ready: true, version: '1.2', threads: 1, blas: 'some', flags: 'none' } as const;
const answer = { examplesPerSecond: 0, examples: 0, seconds: 1, loss: 0.4996 };

test('a row has its median, spread, and the ratio to each base; a failure is a sentence below', () => {
  const rows: Row[] = [
    { name: 'slow', ready, answers: [answer], median: 1000, min: 900.4, max: 1100 },
    { name: 'fast', ready: { ...ready, threads: 2, flags: '' }, answers: [answer], median: 12_500, min: 12_000, max: 13_000 },
    { name: 'gone', failure: 'it is not here.' },
  ];
  expect(formatTable(rows, [{ title: '/ slow', median: 1000 }, { title: '/ fast', median: 12_500 }, { title: '/ gone', median: undefined }]).split('\n')).toEqual([
    'name  version  threads  examples/s        min – max  / slow  / fast   loss  BLAS  flags',
    'slow  1.2            1       1,000      900 – 1,100    1.00    0.08  0.500  some  none',
    'fast  1.2            2      12,500  12,000 – 13,000   12.50    1.00  0.500  some',
    'gone: it is not here.',
  ]);
});
