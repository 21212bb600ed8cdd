import { inputError } from '../errors.js';
import { assertWritableFolder, writeCheckpoint } from './checkpoint.js';
import { checkpointContents } from './kept-run.js';
import type { TrainerParts } from './trainer.js';

/**
 * Writes the model (model.json and weights.bin, for tf.loadLayersModel) and everything of the optimizer to a folder.
 * @throws ERR_CHECKPOINT_FOLDER where it cannot be written to
 */
export async function saveModel(parts: TrainerParts, folder: string): Promise<void> {
  if (folder === '') throw inputError('ERR_OPTION', 'save needs the name of a folder.');
  await assertWritableFolder(folder, 'resume');
  await parts.state.readModel(parts.model);
  await writeCheckpoint(folder, checkpointContents(parts, {}));
}
