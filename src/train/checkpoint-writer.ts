import { writeCheckpoint, type CheckpointContents } from './checkpoint.js';
import { nodeFiles, type Files } from './durable-files.js';

/** Writes the checkpoints of one fit beside its steps, one at a time: no more than one copy of the state waits for the disk. */
export class CheckpointWriter {
  /** Never rejects: what went wrong is the reason of `#failed`. */
  #writing: Promise<void> = Promise.resolve();
  readonly #failed = new AbortController();

  constructor(private readonly folder: string, private readonly files: Files = nodeFiles) {}

  /** Aborted when the disk refused, so that no more steps are made than are under way; its reason is the error. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  /**
   * Resolves when the checkpoint before is written and `copy`, which is called then, has been handed to the disk.
   * @throws what the checkpoint before failed with
   */
  async write(copy: () => CheckpointContents): Promise<void> {
    await this.written();
    this.#writing = writeCheckpoint(this.folder, copy(), this.files).catch((error: unknown) => { this.#failed.abort(error); });
  }

  /** Resolves when everything is written. @throws ERR_CHECKPOINT_WRITE and what else `writeCheckpoint` throws */
  async written(): Promise<void> {
    await this.settled();
    this.#failed.signal.throwIfAborted();
  }

  /** Resolves when nothing more is being written, well or not. */
  async settled(): Promise<void> {
    await this.#writing;
  }
}
