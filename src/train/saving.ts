import { inputError } from '../errors.js';
import { assertWritableFolder, writeCheckpoint } from './checkpoint.js';
import { lockFolder } from './folder-lock.js';
import { checkpointContents } from './kept-run.js';
import type { TrainerParts } from './trainer.js';

/**
 * Writes the model (model.json and weights.bin, for tf.loadLayersModel) and everything of the optimizer to a folder.
 * @throws ERR_CHECKPOINT_FOLDER where it cannot be written to, ERR_CHECKPOINT_LOCKED where a run is writing to it
 */
export async function saveModel(parts: TrainerParts, folder: string): Promise<void> {
  if (folder === '') throw inputError('ERR_OPTION', 'save needs the name of a folder.');
  await assertWritableFolder(folder, 'resume');
  const lock = await lockFolder(folder);
  try {
    await parts.state.readModel(parts.model);
    await writeCheckpoint(folder, checkpointContents(parts, {}));
  } finally {
    await lock.release();
  }
}
