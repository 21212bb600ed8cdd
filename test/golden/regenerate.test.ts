import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

// The committed numbers are those of the committed scripts: they are run again wherever a Python with their packages is found.

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PYTHONS = ['python3', '/usr/bin/python3'];
/** Another CPU's float64 matrix products may differ in the last of the 10 or 12 digits kept. */
const RELATIVE_DIFFERENCE = 1e-9;
const TIMEOUT_MS = 120_000;

/** Another version of a package may make the numbers, and should make the same. */
const VERSIONS: ReadonlySet<string> = new Set(['/numpy', '/generatedBy/numpy', '/generatedBy/torch']);

test.for([
  { script: 'make-model-goldens.py', golden: 'models.json', needs: ['torch', 'numpy'] },
  { script: 'make-optimizer-goldens.py', golden: 'optimizers.json', needs: ['numpy'] },
])('$script makes the committed $golden again', { timeout: TIMEOUT_MS }, ({ script, golden, needs }, context) => {
  const python = PYTHONS.find((name) => spawnSync(name, ['-c', `import ${needs.join()}`], { stdio: 'ignore' }).status === 0);
  if (python === undefined) return context.skip(`no Python with ${needs.join(' and ')} here`);
  const folder = mkdtempSync(join(tmpdir(), 'goldens-'));
  onTestFinished(() => { rmSync(folder, { recursive: true }); });
  const out = join(folder, golden);
  const run = spawnSync(python, [join(ROOT, 'scripts/goldens', script), '--out', out], { encoding: 'utf8' });
  expect(run.stderr).toBe('');
  const read = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));
  expect(firstDifference(read(join(ROOT, 'test/golden', golden)), read(out))).toBeUndefined();
});

/** Path of the first value that differs, numbers by more than rounding. */
function firstDifference(a: unknown, b: unknown, path = ''): string | undefined {
  if (VERSIONS.has(path)) return undefined;
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
