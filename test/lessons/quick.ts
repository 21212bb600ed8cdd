import { LESSONS } from '../../examples/lessons/index.js';
import { FASHION_MNIST } from '../../src/data/image-sets.js';
import { fashionMnist } from '../../src/data/index.js';
import type { Figure, Findings } from '../../src/report/lesson.js';
import { findRealSet } from '../data/real-sets.js';
import { vi, type TestContext } from 'vitest';

export const SEED = 1;

/** The first test of a file runs its lesson: seconds, and minutes on a machine that others use. */
vi.setConfig({ testTimeout: 240_000 });

const set = findRealSet(FASHION_MNIST);
const ran = new Map<string, Promise<Findings>>();

/** What the lesson finds at a tenth of its work; it is run once. Skips the test where the images are missing. */
export function findingsOf(name: string, context: TestContext): Promise<Findings> {
  if ('missing' in set) context.skip(set.missing);
  const findings = ran.get(name) ?? runQuickly(name);
  ran.set(name, findings);
  return findings;
}

async function runQuickly(name: string): Promise<Findings> {
  const { run } = await LESSONS.find((lesson) => lesson.name === name)!.load();
  return run({ seed: SEED, quick: true, images: () => fashionMnist({ ...set, fetch: 'none' }) });
}

/** Figures as numbers by name. */
export async function figuresOf(name: string, context: TestContext): Promise<Record<string, number>> {
  return (await findingsOf(name, context)).figures as Record<string, number>;
}

export async function listOf(name: string, figure: string, context: TestContext): Promise<readonly Figure[]> {
  return (await findingsOf(name, context)).figures[figure] as readonly Figure[];
}
