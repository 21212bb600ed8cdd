// Time to a given accuracy: a training as a user starts it, watched from outside until it is good enough.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { BenchSize } from '../../cli/choices.js';

const TENSORFLOCK = fileURLToPath(new URL('../../tensorflock.js', import.meta.url));
const MOST_EPOCHS = 50;

export interface TimeToAccuracy {
  readonly model: string;
  readonly workers: number;
  readonly accuracy: number;
  /** Epochs until the validation accuracy was reached, and their seconds, validation included; null where it never was. */
  readonly epochs: number | null;
  readonly seconds: number | null;
  /** From starting the command to the line of that epoch, by the clock of this process. */
  readonly wallSeconds: number;
}

/** @param environment tells where the data set is */
export async function timeToAccuracy(model: BenchSize, workers: number, accuracy: number, environment: NodeJS.ProcessEnv): Promise<TimeToAccuracy> {
  const begunMs = performance.now();
  const args = [TENSORFLOCK, 'train', `fashion-mnist-${model}`, '--workers', String(workers), '--epochs', String(MOST_EPOCHS), '--fetch', 'none', '--json'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'], env: environment });
  const ended = new Promise<void>((resolve) => { child.on('close', () => { resolve(); }); });
  let [seconds, epochs, wallSeconds] = [0, 0, 0];
  let reached = false;
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as { readonly event: string; readonly seconds: number; readonly valAccuracy: number };
    if (event.event !== 'epoch') break;
    [seconds, epochs, wallSeconds] = [seconds + event.seconds, epochs + 1, (performance.now() - begunMs) / 1000];
    reached = event.valAccuracy >= accuracy;
    if (reached) break;
  }
  child.kill();
  await ended;
  return { model, workers, accuracy, epochs: reached ? epochs : null, seconds: reached ? seconds : null, wallSeconds };
}
