import { take } from '../../src/data/dataset.js';
import { metricValue, wholeNumber } from '../../src/report/format.js';
import type { Context } from './context.js';
import { readKeptRun, withKeptModel } from './kept-model.js';
import type { EvaluateOptions } from './options.js';
import { writeJsonLine } from './output.js';

/** `tensorflock evaluate <folder>`: the test loss and metrics of a kept model. */
export async function runEvaluate(folder: string, options: EvaluateOptions, context: Context): Promise<number> {
  const kept = await readKeptRun(folder, context);
  const listener = { notice: (sentence: string): unknown => context.stderr.write(`${sentence}\n`) };
  const whole = (await kept.experiment.data(context, options.fetch, listener)).test;
  const limit = options.testExamples ?? kept.settings.testExamples;
  const test = limit === null ? whole : take(whole, limit);
  return withKeptModel(kept, context, options, async (trainer) => {
    const metrics = await trainer.evaluate(test.x, test.y);
    const { loss = null, accuracy = null, acc, ...others } = metrics;
    if (options.json) {
      const { weightsSha256 } = trainer.hashes();
      const { arithmetic, workers } = trainer.facts;
      const testAccuracy = accuracy ?? acc ?? null;
      writeJsonLine(context.stdout, { event: 'result', testLoss: loss, testAccuracy, ...others, examples: test.exampleCount, weightsSha256, arithmetic, workers });
    } else {
      context.stdout.write(`${scores({ accuracy: accuracy ?? acc ?? null, loss, ...others })}, on ${wholeNumber(test.exampleCount)} examples\n`);
    }
    return 0;
  });
}

/** `test accuracy 0.8790, test loss 0.341` */
function scores(metrics: Readonly<Record<string, number | null>>): string {
  const present = Object.entries(metrics).filter((entry): entry is [string, number] => entry[1] !== null);
  return present.map(([name, value]) => `test ${name} ${name === 'accuracy' ? value.toFixed(4) : metricValue(value)}`).join(', ');
}
