import { expect, test } from 'vitest';
import { measure, type Contestant } from '../../scripts/bench/harness.js';

const READY = '{"ready":true,"name":"","version":"1","threads":1,"blas":"","flags":""}';

/** A contestant that answers its runs with these rates, then whatever `after` does. */
function fake(name: string, rates: readonly number[], after = ''): Contestant {
  const program = `
    console.log('${READY}');
    const rates = ${JSON.stringify(rates)};
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const { run, quit } = JSON.parse(line);
      if (quit) process.exit(0);
      if (rates.length === 0) { ${after} }
      const examplesPerSecond = rates.shift();
      console.log(JSON.stringify({ examplesPerSecond, examples: examplesPerSecond * run, seconds: run, loss: 0.5 }));
    });`;
  return script(name, program);
}

function script(name: string, program: string): Contestant {
  return { name, command: process.execPath, args: ['-e', program], env: process.env };
}

test('rounds are interleaved, and a row has median, minimum and maximum of its own', async () => {
  const runs: string[] = [];
  const rows = await measure([fake('a', [30, 10, 20]), fake('b', [1, 4, 3])], {
    rounds: 3,
    seconds: 0.5,
    onRun: (name, round, { examples }) => runs.push(`${name}${round}:${examples}`),
  });
  expect(runs).toEqual(['a1:15', 'b1:0.5', 'a2:5', 'b2:2', 'a3:10', 'b3:1.5']);
  expect(rows).toMatchObject([
    { name: 'a', median: 20, min: 10, max: 30, ready: { version: '1' } },
    { name: 'b', median: 3, min: 1, max: 4 },
  ]);
});

test('on a machine that is so many times as slow a run is so many times as long', async () => {
  const rows = await measure([fake('a', [8]), { ...fake('b', [2]), slowness: 4 }], { rounds: 1, seconds: 0.5 });
  expect(rows).toMatchObject([{ answers: [{ seconds: 0.5 }] }, { answers: [{ seconds: 2 }] }]);
});

test('the median of an even number of rounds is the mean of the middle two', async () => {
  const [row] = await measure([fake('a', [1, 100, 2, 4])], { rounds: 4, seconds: 1 });
  expect(row).toMatchObject({ median: 3 });
});

test.each([
  ['cannot run here', script('x', `console.error('There is no such library.'); process.exit(1)`), 'There is no such library.'],
  ['does not exist', { name: 'x', command: '/no/such/program', args: [], env: {} }, 'spawn /no/such/program ENOENT'],
  ['dies in its second run', fake('x', [7], `console.error('out of luck'); process.exit(1)`), 'out of luck'],
  ['ends silently', script('x', ''), 'it ended without a word'],
])('a contestant that %s has the reason in its row, and the others are measured', async (_what, contestant, failure) => {
  const rows = await measure([contestant, fake('y', [5, 6])], { rounds: 2, seconds: 1 });
  expect(rows).toMatchObject([{ name: 'x', failure }, { name: 'y', min: 5, max: 6 }]);
});
