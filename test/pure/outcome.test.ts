import { expect, test } from 'vitest';
import { classesOf, classOutcome, pictureOf } from '../../src/report/outcome.js';
import { curvePictures, outcomePictures } from '../../src/report/run-pictures.js';
import { createDataset } from '../../src/data/dataset.js';
import { epochRow } from '../../src/report/run.js';

// Four examples, three classes: right, wrong with 0.3 for the truth, wrong with 0.1, right. Class 2 has no example.
const OUTPUTS = [0.8, 0.1, 0.1, 0.6, 0.3, 0.1, 0.1, 0.2, 0.7, 0.2, 0.5, 0.3];
const ACTUAL = [0, 1, 0, 1];

test('an outcome counts by actual and predicted class, and has the worst mistakes first', () => {
  expect(classOutcome(OUTPUTS, 3, ACTUAL, 5)).toEqual({
    counts: [[1, 0, 1], [1, 1, 0], [0, 0, 0]],
    classAccuracy: [0.5, 0.5, NaN],
    mostWrong: [
      { row: 2, actual: 0, predicted: 2, probability: 0.7 },
      { row: 1, actual: 1, predicted: 0, probability: 0.6 },
    ],
  });
  expect(classOutcome(OUTPUTS, 3, ACTUAL, 1).mostWrong).toHaveLength(1);
});

test('classes come from labels and from one-hot rows, and other targets have none', () => {
  const y = (values: number[], shape: number[]) => ({ y: [{ values: Float32Array.from(values), shape }] });
  expect(classesOf(y([2, 0], [2]), 3)).toEqual([2, 0]);
  expect(classesOf(y([2, 0], [2, 1]), 3)).toEqual([2, 0]);
  expect(classesOf(y([0, 0, 1, 1, 0, 0], [2, 3]), 3)).toEqual([2, 0]);
  expect(classesOf(y([0.5, 0], [2]), 3)).toBeUndefined();
  expect(classesOf(y([3, 0], [2]), 3)).toBeUndefined();
});

test('a picture is the bytes of its row', () => {
  const column = { values: Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]), shape: [2, 2, 2] };
  expect(pictureOf(column, 1)).toEqual({ pixels: Uint8Array.from([5, 6, 7, 8]), width: 2, height: 2 });
  expect(pictureOf({ values: new Float32Array(8), shape: [2, 4] }, 0)).toBeUndefined();
});

test('a run of images has curves, a matrix, bars and its mistakes', async () => {
  const x = { values: new Uint8Array(16), shape: [4, 2, 2] };
  const data = createDataset('test', [x], [{ values: Uint8Array.from(ACTUAL), shape: [4] }], ['Coat', 'Bag', 'Dress']);
  const outcome = await outcomePictures(data, { values: OUTPUTS, shape: [4, 3] });
  expect(outcome.map(({ file }) => file)).toEqual(['report-confusion.svg', 'report-classes.svg', 'report-mistakes.svg']);
  expect(outcome[2]!.svg).toContain('>Coat, not</text>');
  expect(outcome[2]!.svg).toContain('>Dress (70.0 %)</text>');
  expect(await outcomePictures(data, { values: [1, 2, 3, 4], shape: [4, 1] })).toEqual([]);
  const curves = await curvePictures([epochRow(1, { loss: 0.5 }), epochRow(2, { loss: 0.25, val_loss: 0.75 })]);
  expect(curves.map(({ file }) => file)).toEqual(['report-loss.svg']);
});
