import { describe, expect, test } from 'vitest';
import { duration, metricValue, wholeNumber } from '../../src/report/format.js';
import { bannerLines, closingLines, epochLine } from '../../src/report/lines.js';
import { reportPage } from '../../src/report/page.js';
import { epochRow, meanExamplesPerSecond, type RunFacts, type RunResult } from '../../src/report/run.js';

const FACTS: RunFacts = {
  experiment: 'fashion-mnist-mlp',
  layers: [
    { kind: 'flatten', outputShape: [784], parameters: 0 },
    { kind: 'dense', outputShape: [100], parameters: 78_500 },
    { kind: 'dense', outputShape: [10], parameters: 1_010 },
  ],
  optimizer: 'adam, learning rate 0.001',
  batchSize: 128,
  epochs: 10,
  shardSize: 16,
  seed: 1,
  mode: 'sync',
  exact: true,
  trainExamples: 60_000,
  testExamples: 10_000,
  arithmetic: 'fma',
  tile: '3x12',
  engineFlags: ['--experimental-wasm-relaxed-simd'],
  workers: 2,
  notes: ['2 of 4 workers idle.'],
};

const RESULT: RunResult = {
  weightsSha256: '0123456789abcdef'.repeat(4),
  stateSha256: 'f'.repeat(64),
  exact: true,
  arithmetic: 'fma',
  trainLoss: 0.25,
  testLoss: 0.34567,
  testAccuracy: 0.879,
  examplesPerSecond: 131_234,
  steps: 4690,
  workers: 2,
  nodes: 0,
  seconds: 4.56,
};

test('the banner names everything that the result depends on', () => {
  expect(bannerLines(FACTS)).toEqual([
    'experiment fashion-mnist-mlp, 60,000 training and 10,000 test examples',
    'model      flatten 784, dense 100, dense 10; 79,510 parameters',
    'optimizer  adam, learning rate 0.001',
    'batch      128 examples in shards of 16, 10 epochs, seed 1',
    'workers    2, fma arithmetic, tile 3x12, engine flags --experimental-wasm-relaxed-simd',
    'note       2 of 4 workers idle.',
  ]);
});

test('the banner of another mode says that it is not exact', () => {
  expect(bannerLines({ ...FACTS, mode: 'stale, parameters at most 2 versions old', exact: false })).toContain('mode       stale, parameters at most 2 versions old; exact: false');
});

describe('the line of an epoch', () => {
  test('has the metrics, the speed in three digits and the time', () => {
    const row = epochRow(3, { loss: 0.4123, acc: 0.853, val_loss: 0.437, val_acc: 0.845, examplesPerSecond: 131_234, seconds: 0.52 });
    expect(epochLine(row, 10)).toBe('epoch 3/10  loss 0.412  accuracy 0.853  val loss 0.437  val accuracy 0.845  131,000 examples/s  0.5 s');
  });

  test('leaves out what is not known, and has metrics of any name', () => {
    expect(epochLine(epochRow(1, { loss: 0.00012, mse: 2, val_mse: 3 }), 1)).toBe('epoch 1/1  loss 0.000120  mse 2.000  val mse 3.000');
  });
});

test('a row has accuracy under one name, whichever of the two the logs carry', () => {
  expect(epochRow(1, { acc: 0.5, accuracy: 0.5 })).toEqual({
    epoch: 1, loss: null, accuracy: 0.5, valLoss: null, valAccuracy: null, examplesPerSecond: null, seconds: null,
  });
});

test('the mean speed is that of all examples over all seconds', () => {
  // Two epochs of 60 examples: 1 s and 3 s, so 120 examples in 4 s.
  const rows = [epochRow(1, { examplesPerSecond: 60 }), epochRow(2, { examplesPerSecond: 20 })];
  expect(meanExamplesPerSecond(rows)).toBeCloseTo(30, 12);
  expect(meanExamplesPerSecond([epochRow(1, {})])).toBeNull();
});

describe('the last lines', () => {
  test('have the test accuracy in front of where it is kept', () => {
    expect(closingLines(RESULT, 'report in runs/latest/report.html')).toEqual([
      '4,690 steps in 4.6 s at 131,000 examples/s, weights 0123456789ab',
      'test accuracy 0.8790, test loss 0.3457, report in runs/latest/report.html',
    ]);
  });

  test('of a model without accuracy have its loss', () => {
    expect(closingLines({ ...RESULT, testAccuracy: null }, 'nothing was kept').at(-1)).toBe('test loss 0.3457, nothing was kept');
  });
});

describe('the page', () => {
  test('shows each epoch and the result', () => {
    const page = reportPage({ facts: FACTS, epochs: [epochRow(1, { loss: 0.5, seconds: 2 })], result: RESULT });
    expect(page).toContain('<tr><th scope="col">epoch</th><th scope="col">loss</th><th scope="col">seconds</th></tr>\n<tr><td>1</td><td>0.50000</td><td>2</td></tr>');
    expect(page).toContain('<tr><td>testAccuracy</td><td>0.87900</td></tr>');
  });

  test('of a run under way says so', () => {
    const page = reportPage({ facts: FACTS, epochs: [], result: null });
    expect(page).toContain('No epoch has ended.');
    expect(page).toContain('The run has not ended.');
  });

  test('takes names as text, never as markup, and needs nothing from outside', () => {
    const page = reportPage({ facts: { ...FACTS, experiment: '<script>"&' }, epochs: [], result: null });
    expect(page).toContain('&lt;script&gt;&quot;&amp;');
    expect(page).not.toContain('<script>');
    expect(page).not.toMatch(/(src|href)=/);
  });
});

test.each([
  [0.04, '0.0 s'],
  [59.94, '59.9 s'],
  [59.96, '1 min 00 s'],
  [245.2, '4 min 05 s'],
  [3599.6, '1 h 00 min'],
  [7380, '2 h 03 min'],
])('%d seconds are %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

test('numbers are grouped, and small metrics keep their digits', () => {
  expect([wholeNumber(1_234_567.4), metricValue(0.8791), metricValue(0.00012345), metricValue(0)]).toEqual(['1,234,567', '0.879', '0.000123', '0.000']);
});
