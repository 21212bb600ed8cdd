import { inputError } from '../../src/errors.js';
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
  const rows = await (await context.dataSource()).readRows(file);
  return withKeptModel(kept, context, options, async (trainer) => {
    const outputs = await trainer.predict([{ ...rows, scale: inputScales[0]! }]);
    writeRows(await outputs.data(), outputs.shape, context);
    outputs.dispose();
    return 0;
  });
}

function writeRows(values: ArrayLike<number>, shape: readonly number[], context: Context): void {
  const rowCount = shape[0] ?? 0;
  const width = rowCount === 0 ? 0 : values.length / rowCount;
  for (let row = 0; row < rowCount; row++) {
    const output = Array.from({ length: width }, (_, index) => values[row * width + index]!);
    writeJsonLine(context.stdout, { row, ...(isDistribution(output) ? { class: indexOfLargest(output) } : {}), output });
  }
}

/** Float32 outputs of a softmax add up to 1 but for rounding. */
function isDistribution(output: readonly number[]): boolean {
  const sum = output.reduce((total, value) => total + value, 0);
  return output.length > 1 && output.every((value) => value >= 0) && Math.abs(sum - 1) < 1e-4;
}

function indexOfLargest(output: readonly number[]): number {
  return output.reduce((best, value, index) => (value > output[best]! ? index : best), 0);
}

