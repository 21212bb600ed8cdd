import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { GOLDENS_URL, readGoldens } from './format.js';

// The committed numbers are those of the committed script: it is run again wherever a Python with PyTorch is found.

const PYTHONS = ['python3', '/usr/bin/python3'];
/** Another CPU's float64 matrix products may differ in the last of the 12 digits kept. */
const RELATIVE_DIFFERENCE = 1e-9;
const TIMEOUT_MS = 120_000;

const python = PYTHONS.find((name) => spawnSync(name, ['-c', 'import torch, numpy'], { stdio: 'ignore' }).status === 0);

test('the script makes the committed goldens again', { timeout: TIMEOUT_MS }, (context) => {
  if (python === undefined) return context.skip('no Python with torch and numpy here');
  const goldens = readGoldens();
  const folder = mkdtempSync(join(tmpdir(), 'goldens-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const out = join(folder, 'models.json');
  const script = fileURLToPath(new URL(`../../${goldens.generatedBy.script}`, GOLDENS_URL));
  const run = spawnSync(python, [script, '--out', out], { encoding: 'utf8' });
  expect(run.stderr).toBe('');
  const again = readGoldens(pathToFileURL(out));
  // Another version of PyTorch may make them, and should make the same.
  const { torch, numpy } = goldens.generatedBy;
  expect(firstDifference(goldens, { ...again, generatedBy: { ...again.generatedBy, torch, numpy } })).toBeUndefined();
});

/** Path of the first value that differs, numbers by more than rounding. */
function firstDifference(a: unknown, b: unknown, path = ''): string | undefined {
  if (typeof a === 'number' && typeof b === 'number') {
    const near = Math.abs(a - b) <= RELATIVE_DIFFERENCE * Math.max(Math.abs(a), Math.abs(b), RELATIVE_DIFFERENCE);
    return near ? undefined : `${path}: ${a} became ${b}`;
  }
  if (!isObject(a) || !isObject(b)) return a === b ? undefined : `${path}: ${String(a)} became ${String(b)}`;
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const difference = firstDifference(a[key], b[key], `${path}/${key}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
