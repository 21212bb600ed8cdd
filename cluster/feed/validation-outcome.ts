// What a network makes of validation examples whose classes are known, as the feed tells it.
import { classOutcome, indexOfLargest, pictureOf } from '../../src/report/outcome.js';
import type { Column } from '../../src/data/dataset.js';
import type { GridPicture, OutcomeRecord } from './records.js';

/** As a page shows at once. */
const MOST_PICTURES = 40;

/**
 * @param outputs [examples, classes], row-major
 * @param actual the class of each example
 * @param inputs whose first column may hold pictures
 */
export function outcomeOf(outputs: Float32Array, actual: readonly number[], inputs: readonly Column[]): Pick<OutcomeRecord, 'examples' | 'confusion' | 'pictures' | 'width' | 'height'> {
  const classCount = outputs.length / actual.length;
  const { counts } = classOutcome(outputs, classCount, actual, 0);
  const pictures: GridPicture[] = [];
  let [width, height] = [0, 0];
  for (let row = 0; row < Math.min(MOST_PICTURES, actual.length); row++) {
    const picture = pictureOf(inputs[0]!, row);
    if (picture === undefined) break;
    ({ width, height } = picture);
    const predicted = indexOfLargest(outputs, row * classCount, classCount);
    pictures.push({ pixels: Buffer.from(picture.pixels).toString('base64'), actual: actual[row]!, predicted, probability: outputs[row * classCount + predicted]! });
  }
  return { examples: actual.length, confusion: counts, pictures, width, height };
}
