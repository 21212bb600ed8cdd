// Writes checkpoints of step n + 1, n + 2, ... into a folder until it is killed, and prints a line for each.
// node write-checkpoints.js <folder> <n>
import { writeCheckpoint } from '../../src/train/checkpoint.js';

const [folder, lastStep] = process.argv.slice(2);
if (folder === undefined) throw new Error('a folder is needed');

for (let step = Number(lastStep) + 1; ; step += 1) {
  const tensors = [{ name: 'weights', shape: [50_000], values: new Float32Array(50_000).fill(step) }];
  await writeCheckpoint(folder, { step, tensors, model: { topology: {}, weights: tensors }, record: { step } });
  process.stdout.write(`${String(step)}\n`);
}
