import { expect, test } from 'vitest';
import { FASHION_MNIST, MNIST } from '../../src/data/image-sets.js';
import { findRealSet } from '../data/real-sets.js';
import { tensorflockIn } from './command.js';

// Whole runs of presets reach what PyTorch does with the same network, optimizer, batch and epochs, less what seeds differ by:
// .877 to .880 (three seeds), .834 to .842 (ten seeds), .977.
const TIMEOUT_MS = 300_000; // some seconds each, but on a busy machine

test.for([
  { preset: 'fashion-mnist-mlp', set: FASHION_MNIST, epochs: 10, least: 0.87 },
  { preset: 'fashion-mnist-linear', set: FASHION_MNIST, epochs: 5, least: 0.83 },
  { preset: 'mnist-mlp', set: MNIST, epochs: 10, least: 0.97 },
])('$preset reaches a test accuracy of $least in $epochs epochs', { timeout: TIMEOUT_MS }, ({ preset, set, epochs, least }, context) => {
  const found = findRealSet(set);
  if ('missing' in found) return context.skip(found.missing);
  const ended = tensorflockIn({ TENSORFLOCK_DATA: found.cacheFolder }, 'train', preset, '--fetch', 'none', '--workers', '1', '--json');
  expect(ended).toMatchObject({ status: 0, stderr: '' });
  const lines = ended.stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  expect(lines.filter(({ event }) => event === 'epoch')).toHaveLength(epochs);
  expect(lines.at(-1)!['testAccuracy']).toBeGreaterThanOrEqual(least);
});
