import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { onTestFinished } from 'vitest';
import { distribute, type DistributeOptions, type Trainer } from '../../src/index.js';

/** Hands `body` a trainer with two workers and the portable kernels, and closes it however that ends. */
export async function withTrainer<T>(model: LayersModel, options: DistributeOptions, body: (trainer: Trainer) => Promise<T>): Promise<T> {
  const trainer = await distribute(model, { workers: 2, kernels: 'portable', seed: 7, ...options });
  try {
    return await body(trainer);
  } finally {
    await trainer.close();
  }
}

/** An empty folder that goes with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tensorflock-threads-'));
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true }); });
  return folder;
}
