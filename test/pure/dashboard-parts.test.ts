import { expect, test } from 'vitest';
import { columnsOf, needsLog } from '../../cluster/browser/curve-data.js';
import { accuracyOf, rowFractions, worstMistakes } from '../../cluster/browser/confusion.js';
import { brief, clockTime, metricName, percent, rough } from '../../cluster/browser/phrases.js';
import { RATE, RunStory, SPEED } from '../../cluster/browser/run-story.js';
import { ThinnedCurve, type CurvePoint } from '../../cluster/browser/thinning.js';
import { epochs, events, history, moments, outcome, run } from '../browser/recorded-run.js';

const point = (step: number, loss = step): CurvePoint => ({ step, atMs: 100 * step, values: { loss } });

function thinned(most: number, count: number): readonly CurvePoint[] {
  const curve = new ThinnedCurve(most);
  for (let step = 1; step <= count; step++) curve.add(point(step));
  return curve.points;
}

test('a short curve keeps every point', () => {
  expect(thinned(8, 7)).toEqual([1, 2, 3, 4, 5, 6, 7].map((step) => point(step)));
});

test('a curve that is too long joins neighbours: where the later one is, with the mean of both', () => {
  expect(thinned(4, 4)).toEqual([point(2, 1.5), point(4, 3.5)]);
  expect(thinned(4, 5)).toEqual([point(2, 1.5), point(4, 3.5), point(5, 5)]); // 5 still waits for its neighbour
  expect(thinned(4, 6)).toEqual([point(2, 1.5), point(4, 3.5), point(6, 5.5)]);
  // At 8 four pairs are two fours, each in the middle of its own: (1 + 2 + 3 + 4) / 4 = 2.5.
  expect(thinned(4, 8)).toEqual([point(4, 2.5), point(8, 6.5)]);
});

test('a curve that is thinned at an odd number keeps its last point for the next', () => {
  // At the fifth: pairs (1, 2) and (3, 4), and 5, which 6 then joins.
  expect(thinned(5, 5)).toEqual([point(2, 1.5), point(4, 3.5), point(5, 5)]);
  expect(thinned(5, 6)).toEqual([point(2, 1.5), point(4, 3.5), point(6, 5.5)]);
});

test('a curve of any length stays small, even and up to date', () => {
  const points = thinned(100, 100_000);
  expect(points.length).toBeGreaterThan(48);
  expect(points.length).toBeLessThanOrEqual(100);
  expect(points.at(-1)!.step).toBe(100_000);
  const gaps = points.slice(1, -1).map(({ step }, index) => step - points[index]!.step);
  expect(new Set(gaps).size).toBe(1);
  for (const { step, values } of points.slice(0, -1)) expect(values['loss']).toBe(step - (gaps[0]! - 1) / 2); // the mean of its group of whole steps
});

test('a story is replaced by the next run, and by the same told again', () => {
  const story = new RunStory();
  for (const record of [...history, ...history]) story.tell(record);
  expect(story.moments.map(({ values }) => values)).toEqual(moments.map(({ logs, examplesPerSecond, learningRate }) => ({ ...logs, [SPEED]: examplesPerSecond, [RATE]: learningRate })));
  expect(story.epochs.map(({ values }) => values)).toEqual(epochs.map(({ logs }) => logs));
  expect(story.events).toEqual(events);
  expect(story.outcome).toBe(outcome);
  story.tell({ ...run, training: 2 });
  expect([story.moments, story.epochs, story.events, story.outcome, story.moment, story.epoch, story.health, story.nodes, story.state]).toEqual([[], [], [], undefined, undefined, undefined, undefined, undefined, undefined]);
});

test('a story keeps a bounded number of everything', () => {
  const story = new RunStory();
  story.tell(run);
  for (let step = 1; step <= 20_000; step++) {
    story.tell({ ...moments[0]!, step });
    story.tell({ ...epochs[0]!, step });
    story.tell({ ...events[0]!, step });
  }
  expect([story.moments.length, story.epochs.length, story.events.length].every((count) => count <= 1_500)).toBe(true);
  expect(story.events.at(-1)!.step).toBe(20_000);
});

test('lines at different positions share columns', () => {
  const training = { name: 'loss', points: [point(1), point(3)] };
  const validation = { name: 'val_loss', points: [{ step: 2, atMs: 2_500, values: { val_loss: 7 } }, { step: 3, atMs: 300, values: { val_loss: NaN } }] };
  expect(columnsOf([training, validation], 'step')).toEqual([[1, 2, 3], [1, null, 3], [null, 7, null]]);
  expect(columnsOf([training, validation], 'time')).toEqual([[0.1, 0.3, 2.5], [1, 3, null], [null, null, 7]]);
});

test('powers of ten are for values far from each other, above 0', () => {
  expect([[0.001, 0.02], [0.001, 0.019], [0, 1], [], [5], [null, 1e-6, 1]].map(needsLog)).toEqual([true, false, false, false, false, true]);
});

test('a confusion matrix in figures', () => {
  const confusion = [[8, 2, 0], [3, 7, 0], [0, 0, 0]];
  expect(accuracyOf(confusion)).toBe(15 / 20);
  expect(worstMistakes(confusion, 1)).toEqual([{ actual: 1, predicted: 0, count: 3 }]);
  expect(confusion.map(rowFractions)).toEqual([[0.8, 0.2, 0], [0.3, 0.7, 0], [0, 0, 0]]);
});

test('numbers are written for people', () => {
  expect([0, 999, 65_000, 3_725_000].map(clockTime)).toEqual(['0:00', '0:00', '1:05', '1:02:05']);
  expect([0, 0.00087, 0.0713, 1, -0.2, 999.4, 41_200, 2e6, NaN, undefined].map(brief)).toEqual(['0', '8.7e−4', '0.0713', '1', '-0.2', '999', '41,200', '2.0e6', '–', '–']);
  expect([-0.0769, 4, 8.13e-7, 17.14].map(rough)).toEqual(['-0.077', '4', '8.1e−7', '17']);
  expect([0, 0.001, 0.126, 1].map(percent)).toEqual(['0 %', '<1 %', '13 %', '100 %']);
  expect(['loss', 'acc', 'val_acc', 'val_meanSquaredError'].map(metricName)).toEqual(['loss', 'accuracy', 'validation accuracy', 'validation mean squared error']);
});
