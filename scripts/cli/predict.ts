import type { Column } from '../../src/data/dataset.js';
import { inputError } from '../../src/errors.js';
import { indexOfLargest } from '../../src/report/outcome.js';
import type { Context } from './context.js';
import { readKeptRun, withKeptModel } from './kept-model.js';
import type { PredictOptions } from './options.js';
import { writeJsonLine } from './output.js';

/** `tensorflock predict <folder> <file>`: one JSON line for each example of the file. */
export async function runPredict(folder: string, file: string, options: PredictOptions, context: Context): Promise<number> {
  const kept = await readKeptRun(folder, context);
  const { inputScales } = kept;
  if (inputScales.length !== 1) {
    throw inputError('ERR_PREDICT', `the model in ${folder} has ${inputScales.length} inputs and a file holds one; use trainer.predict of the library.`);
  }
  const rows = prepared(await (await context.dataSource()).readRows(file), options.invert);
  return withKeptModel(kept, context, options, async (trainer, model) => {
    const outputs = await trainer.predict([{ ...shapedAs(rows, model.inputs[0]!.shape.slice(1)), scale: inputScales[0]! }]);
    writeRows(await outputs.data(), outputs.shape, kept.experiment.classNames, context);
    outputs.dispose();
    return 0;
  });
}

function prepared(rows: Column, invert: boolean): Column {
  if (!invert) return rows;
  if (!(rows.values instanceof Uint8Array)) throw inputError('ERR_PREDICT', '--invert is for pictures, whose values are bytes; leave it out.');
  return { ...rows, values: rows.values.map((value) => 255 - value) };
}

/** A line of a CSV file is flat: where it has as many numbers as an example of the model, it is one. Pictures of another size stay what they are. */
function shapedAs(rows: Column, example: readonly (number | null)[]): Column {
  const [count, ...given] = rows.shape;
  const wanted = example.map((size) => size ?? 0);
  const floats = wanted.reduce((product, size) => product * size, 1);
  return given.length === 1 && given[0] === floats ? { ...rows, shape: [count!, ...wanted] } : rows;
}

function writeRows(values: ArrayLike<number>, shape: readonly number[], classNames: readonly string[] | undefined, context: Context): void {
  const rowCount = shape[0] ?? 0;
  const width = rowCount === 0 ? 0 : values.length / rowCount;
  for (let row = 0; row < rowCount; row++) {
    const output = Array.from({ length: width }, (_, index) => values[row * width + index]!);
    const likeliest = isDistribution(output) ? indexOfLargest(output, 0, width) : undefined;
    const name = likeliest === undefined ? undefined : classNames?.[likeliest];
    writeJsonLine(context.stdout, { row, class: likeliest, name, output });
  }
}

/** Float32 outputs of a softmax add up to 1 but for rounding. */
function isDistribution(output: readonly number[]): boolean {
  const sum = output.reduce((total, value) => total + value, 0);
  return output.length > 1 && output.every((value) => value >= 0) && Math.abs(sum - 1) < 1e-4;
}
