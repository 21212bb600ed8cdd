import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

interface Manifest {
  readonly dependencies: Record<string, string>;
  readonly peerDependencies: Record<string, string>;
}
const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;
const DEPENDENCIES = Object.keys({ ...MANIFEST.dependencies, ...MANIFEST.peerDependencies });

/** Everything that belongs into the package; whatever else is packed is superfluous. */
const BELONGS = [
  /^(package\.json|README\.md|CHANGELOG\.md|LICENSE|docs\/[\w-]+\.md|docs\/operations\/[\w./@-]+)$/,
  /^dist\/(src|workers|cluster(?!\/browser)|scripts\/(cli|bench|lan))\/[\w/-]+\.(js|d\.ts)$/,
  /^(dist\/examples\/lessons\/[\w-]+\.(js|d\.ts)|examples\/lessons\/[\w-]+\.ts)$/,
  /^dist\/scripts\/tensorflock\.(js|d\.ts)$/,
  /^dist\/src\/kernels\/(fma|portable)(-unshared)?\.wasm$/,
  /^dist\/cluster\/browser\/served\/(index\.html|page\.(css|js)|tab-(worker|thread)\.js)$/,
];

let packed: string[];

beforeAll(() => {
  const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: ROOT, encoding: 'utf8', shell: process.platform === 'win32' });
  packed = (JSON.parse(stdout) as { readonly files: { readonly path: string }[] }[])[0]!.files.map(({ path }) => path);
});

/** What a compiled module or its types import, static or not. */
function importsOf(path: string): string[] {
  return [...readFileSync(join(ROOT, path), 'utf8').matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^'\s]+)'/g)].map((match) => match[1]!);
}

const modules = (): string[] => packed.filter((path) => /\.(js|d\.ts)$/.test(path));

test('nothing superfluous is packed, and what people read is', () => {
  expect(packed.filter((path) => !BELONGS.some((pattern) => pattern.test(path)))).toEqual([]);
  expect(packed).toEqual(expect.arrayContaining(['README.md', 'CHANGELOG.md', 'LICENSE', 'docs/errors.md', 'dist/src/index.js', 'dist/src/index.d.ts', 'dist/cluster/browser/served/page.js', 'dist/cluster/browser/served/tab-worker.js', 'dist/cluster/browser/served/tab-thread.js']));
});

test('every module that a packed module imports is packed too', () => {
  const missing = modules().flatMap((path) =>
    importsOf(path)
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => posix.join(dirname(path), specifier))
      .filter((target) => !packed.includes(target))
      .map((target) => `${path} imports ${target}`),
  );
  expect(missing).toEqual([]);
});

test('every package that a packed module imports is a dependency, and every dependency is imported', () => {
  // The help page and init hold an experiment file, whose imports are words of a text.
  const specifiers = modules().filter((path) => !/cli.(help|init)\./.test(path)).flatMap(importsOf).filter((specifier) => !specifier.startsWith('.') && !isBuiltin(specifier));
  const imported = new Set(specifiers.map((specifier) => specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')));
  imported.delete('tensorflock'); // the lessons import it as a user does
  expect([...imported].sort()).toEqual(DEPENDENCIES.sort());
});
