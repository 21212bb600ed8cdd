import { describe, expect, test } from 'vitest';
import { calibrationOf } from '../../scripts/bench/scaling/calibration.js';
import { compareScaling, formatChanges } from '../../scripts/bench/scaling/changes.js';
import { othersBeside, summarize } from '../../scripts/bench/scaling/measure.js';
import { defaultWorkerCounts, estimateSeconds, planScaling, type ScalingChoice } from '../../scripts/bench/scaling/plan.js';
import { formatFit, scalingCsv, scalingFiles, type ScalingReport } from '../../scripts/bench/scaling/report.js';
import { compareRuns, fitAmdahl, median, quantile, spread } from '../../scripts/bench/statistics.js';
import type { Row } from '../../scripts/bench/harness.js';

describe('statistics', () => {
  test('a quantile lies between its neighbours by proportion, as numpy.quantile has it', () => {
    // numpy.quantile([4, 1, 3, 2], [0, .25, .5, .75, 1]) is [1, 1.75, 2.5, 3.25, 4]
    expect([0, 0.25, 0.5, 0.75, 1].map((part) => quantile([4, 1, 3, 2], part))).toEqual([1, 1.75, 2.5, 3.25, 4]);
    expect(median([3, 1, 2])).toBe(2);
    expect(spread([4, 1, 3, 2])).toBe((3.25 - 1.75) / 2.5);
    expect(spread([7])).toBe(0);
  });

  test("Amdahl's law gives back the serial part that made the speeds", () => {
    // time(n) = 0.1 + 0.9 / n: 1, 0.55, 0.325, 0.2125
    const points = [[1, 1], [2, 0.55], [4, 0.325], [8, 0.2125]].map(([workers, time]) => ({ workers: workers!, speedup: 1 / time! }));
    const fit = fitAmdahl(points)!;
    expect(fit.serialFraction).toBeCloseTo(0.1, 12);
    expect(fit.limit).toBeCloseTo(10, 10);
  });

  test('and of speeds that follow it only about, the least squares', () => {
    // times 0.6 and 0.4: ((0.6 - 0.5) 0.5 + (0.4 - 0.25) 0.75) / (0.5^2 + 0.75^2) = 0.1625 / 0.8125 = 0.2
    expect(fitAmdahl([{ workers: 2, speedup: 1 / 0.6 }, { workers: 4, speedup: 1 / 0.4 }])!.serialFraction).toBeCloseTo(0.2, 12);
  });

  test('a speedup beyond the workers is no serial part below 0, a slowdown none above 1, and one worker says nothing', () => {
    expect(fitAmdahl([{ workers: 2, speedup: 2.5 }])).toEqual({ serialFraction: 0, limit: Infinity });
    expect(fitAmdahl([{ workers: 2, speedup: 0.5 }])).toEqual({ serialFraction: 1, limit: 1 });
    expect(fitAmdahl([{ workers: 1, speedup: 1 }])).toBeUndefined();
    expect(formatFit({ model: 'mlp', serialFraction: 0, limit: Infinity })).toContain('no limit shows yet');
  });

  test('a difference exceeds the noise where the runs lie apart', () => {
    // C(6, 3) = 20 ways to divide six runs, of which two are apart.
    expect(compareRuns([10, 11, 12], [20, 22, 24])).toEqual({ ratio: 2, least: 20 / 12, most: 2.4, exceedsNoise: true, chance: 0.1 });
    expect(compareRuns([20, 22, 24], [10, 11, 12])).toMatchObject({ ratio: 0.5, exceedsNoise: true });
    expect(compareRuns([10, 11, 20], [12, 21, 22])).toMatchObject({ exceedsNoise: false });
    expect(compareRuns([10], [20])).toMatchObject({ exceedsNoise: true, chance: 1 });
  });

  test('calibration is quiet within its bounds of spread and drift', () => {
    expect(calibrationOf([10, 10, 10, 10, 10, 10])).toEqual({ runs: 6, medianMs: 10, spread: 0, drift: 0, isQuiet: true });
    expect(calibrationOf([10, 10, 10, 10, 11, 11])).toMatchObject({ drift: 11 / 10 - 1, isQuiet: false }); // it became slower
    expect(calibrationOf([10, 12, 10, 12, 10, 12])).toMatchObject({ isQuiet: false });
  });
});

const CHOICE: ScalingChoice = { parts: ['workers'], sizes: ['mlp'], workerCounts: [1, 2, 4], batches: [64, 512], nodeCounts: [1] };

describe('what is measured', () => {
  const names = (choice: Partial<ScalingChoice>): string[] => planScaling({ ...CHOICE, ...choice }).map(({ part, name }) => `${part}: ${name}`);

  test('for workers: the same mini-batch for each count, a larger one for each, and one worker without flags', () => {
    expect(names({})).toEqual([
      'workers: 1 worker, batch 128', 'workers: 2 workers, batch 128', 'workers: 4 workers, batch 128', 'workers: 1 worker, batch 128, no flags',
      'weak: 2 workers, batch 256', 'weak: 4 workers, batch 512',
    ]);
    expect(names({ workerCounts: [2] })).toContain('workers: 1 worker, batch 128'); // the baseline is always there
  });

  test('for mini-batches, modes, codecs and nodes', () => {
    expect(names({ parts: ['batches'] })).toEqual(['batches: 1 worker, batch 64', 'batches: 4 workers, batch 64', 'batches: 1 worker, batch 512', 'batches: 4 workers, batch 512']);
    expect(names({ parts: ['modes'] })).toEqual(['modes: 1 worker, batch 128', ...['sync', 'stale', 'async', 'local'].map((mode) => `modes: 4 workers, batch 128, ${mode}`)]);
    expect(names({ parts: ['codecs'] })).toEqual(['codecs: 1 worker, batch 2048', ...['float32', 'float16', 'bfloat16', 'int8', 'topk'].map((codec) => `codecs: 1 worker and 1 node, batch 2048, ${codec}`)]);
    expect(names({ parts: ['nodes'] })).toEqual(['nodes: 1 worker, batch 2048', 'nodes: 1 worker and 1 node, batch 2048']);
    expect(names({ parts: ['accuracy'] })).toEqual([]);
  });

  test('nothing twice, and for each size by itself', () => {
    expect(names({ parts: ['workers', 'modes'] }).filter((name) => name.endsWith('1 worker, batch 128'))).toHaveLength(1);
    expect(planScaling({ ...CHOICE, sizes: ['linear', 'mlp-wide'] }).filter(({ workers, engineFlags }) => workers === 1 && engineFlags).map(({ size, batchSize }) => [size, batchSize])).toEqual([['linear', 32], ['mlp-wide', 256]]);
  });

  test('how long it takes: a start for each, and its runs with the pauses between', () => {
    // 2 x 2.5 s, 4 s for the node, and 2 x 3 x (1 + 0.25) s
    expect(estimateSeconds(planScaling({ ...CHOICE, parts: ['nodes'] }), 0, { rounds: 3, seconds: 1 })).toBe(16.5);
    expect(estimateSeconds([], 2, { rounds: 1, seconds: 1 })).toBe(10.5);
  });

  test('powers of two, and all cores', () => {
    expect([1, 2, 3, 4, 12].map(defaultWorkerCounts)).toEqual([[1], [1, 2], [1, 2, 3], [1, 2, 4], [1, 2, 4, 8, 12]]);
  });
});

const ready = { ready: true, version: '1', threads: 1, blas: '', flags: '' } as const;
const rowOf = (name: string, ...speeds: number[]): Row => ({ name, ready, answers: speeds.map((examplesPerSecond) => ({ examplesPerSecond, examples: 0, seconds: 1, loss: 0 })), median: median(speeds), min: 0, max: 0 });

const RUNS = planScaling(CHOICE);
const SUMMARY = summarize(RUNS, [rowOf('1', 90, 100, 110), rowOf('2', 190), rowOf('4', 250), rowOf('no flags', 125), rowOf('weak 2', 200), { name: 'weak 4', failure: 'too few cores' }]);

describe('figures', () => {
  test('are to the best single worker, which here is the one without flags', () => {
    expect(SUMMARY.rows.map(({ name, speedup, efficiency }) => [name, speedup, efficiency])).toEqual([
      ['1 worker, batch 128', 100 / 125, 100 / 125], ['2 workers, batch 128', 190 / 125, 95 / 125], ['4 workers, batch 128', 2, 0.5],
      ['1 worker, batch 128, no flags', 1, 1], ['2 workers, batch 256', 200 / 125, 0.8],
    ]);
    expect(SUMMARY.absent).toEqual([{ model: 'mlp', name: '4 workers, batch 512', reason: 'too few cores' }]);
    // times 125/190 and 1/2: ((0.6579 - 0.5) 0.5 + (0.5 - 0.25) 0.75) / 0.8125
    expect(SUMMARY.fits).toEqual([{ model: 'mlp', serialFraction: expect.closeTo(((125 / 190 - 0.5) * 0.5 + 0.25 * 0.75) / 0.8125, 12) as number, limit: expect.any(Number) as number }]);
  });

  test('of other programs are to the same best single worker', () => {
    const contestant = (name: string) => ({ id: 'numpy-1', name, command: '', args: [], env: {} }) as const;
    const others = [{ model: 'mlp', batchSize: 128, contestants: [contestant('NumPy'), contestant('broken')], absent: [{ name: 'torch', reason: 'install it' }] }] as const;
    const { rows, absent } = othersBeside(others, [rowOf('NumPy', 250), { name: 'broken', failure: 'gone' }], SUMMARY.rows);
    expect(rows).toMatchObject([{ part: 'peers', name: 'NumPy', median: 250, speedup: 2, efficiency: null }]);
    expect(absent).toEqual([{ model: 'mlp', name: 'broken', reason: 'gone' }, { model: 'mlp', name: 'torch', reason: 'install it' }]);
  });

  test('are written as CSV, a line a run', () => {
    expect(scalingCsv(SUMMARY.rows).split('\n').slice(0, 5)).toEqual([
      'part,model,name,workers,nodes,batchSize,engineFlags,label,run,examplesPerSecond',
      'workers,mlp,"1 worker, batch 128",1,0,128,true,,1,90', 'workers,mlp,"1 worker, batch 128",1,0,128,true,,2,100', 'workers,mlp,"1 worker, batch 128",1,0,128,true,,3,110',
      'workers,mlp,"2 workers, batch 128",2,0,128,true,,1,190',
    ]);
  });

  test('make a page without scripts, whose charts carry them, and a bench.json that compares with itself', async () => {
    const machine = { cpu: 'abacus', cores: 4, memoryGiB: 1, platform: 'none', node: '20', v8: '11', loadAverage: 0 };
    const report: ScalingReport = { ...SUMMARY, calibration: calibrationOf([10, 10]), accuracies: [], version: '1', machine, rounds: 3, secondsPerRun: 1 };
    const files = await scalingFiles(report);
    expect([...files.keys()]).toEqual(['bench.json', 'bench.csv', 'strong.svg', 'weak.svg', 'index.html']);
    const page = files.get('index.html')!;
    expect(page).not.toMatch(/<script|<link|src=/);
    for (const part of ['abacus', '4 workers, batch 512 was not measured: too few cores', '<td>2 workers, batch 128</td>', 'no number of workers gives more than']) expect(page).toContain(part);
    expect(files.get('strong.svg')).toContain('workers: 4; speedup: 2; name: mlp;');
    expect(files.get('weak.svg')).toContain('workers: 2; efficiency: 0.8; name: mlp;');
    const kept = JSON.parse(files.get('bench.json')!) as ScalingReport;
    const { rows, unmatched, calibrationRatio } = compareScaling({ ...kept, rows: [...kept.rows] } as never, { ...kept, rows: kept.rows.slice(1) } as never);
    expect({ ratios: rows.map(({ ratio }) => ratio), unmatched, calibrationRatio }).toEqual({ ratios: [1, 1, 1, 1], unmatched: ['mlp: 1 worker, batch 128'], calibrationRatio: 1 });
    expect(formatChanges({ rows, unmatched, calibrationRatio })).toContain('mlp: 2 workers, batch 128           1.000  (1.000 – 1.000)  within the noise');
  });
});

test('two reports: what became faster, slower or neither, and how much slower the machine was', () => {
  const report = (medianMs: number, ...rows: readonly (readonly [name: string, runs: number[]])[]): Parameters<typeof compareScaling>[0] =>
    ({ rows: rows.map(([name, runs]) => ({ model: 'mlp', name, runs })), calibration: { medianMs } });
  const before = report(10, ['one', [10, 11, 12]], ['two', [20, 22, 24]], ['three', [10, 11, 20]]);
  const after = report(15, ['one', [20, 22, 24]], ['two', [10, 11, 12]], ['three', [12, 21, 22]]);
  // C(6, 3) = 20 ways to divide six runs, of which two are apart: 10 %. 12 / 20 = 0.6 and 22 / 10 = 2.2, 10 / 24 = 0.417.
  expect(formatChanges(compareScaling(before, after)).split('\n')).toEqual([
    'mlp: one    2.000  (1.667 – 2.400)  faster (by chance 10 %)',
    'mlp: two    0.500  (0.417 – 0.600)  slower (by chance 10 %)',
    'mlp: three  1.909  (0.600 – 2.200)  within the noise',
    'the fixed kernel took 1.500 times as long in the second report',
  ]);
});
