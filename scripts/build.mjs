// Builds dist/: the kernels from AssemblyScript (two arithmetics), everything else from TypeScript, and of that what a page loads.
// `node scripts/build.mjs kernels` builds only the kernels.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unshared } from './unshared.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

/** Runs a tool of node_modules with this Node; a failure ends the build with the tool's own output. */
function run(tool, args) {
  const { status } = spawnSync(process.execPath, [tool, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** Compiles the kernels for one arithmetic. Relaxed SIMD is what makes `madd` a fused multiply-add (see simd.ts). */
function buildKernels(arithmetic, features) {
  const outFile = `dist/src/kernels/${arithmetic}.wasm`;
  run(join(dirname(require.resolve('assemblyscript/package.json')), 'bin', 'asc.js'), [
    'src/kernels/assembly/index.ts',
    '--outFile', outFile,
    '-O3', '--noAssert', '--runtime', 'stub', '--use', 'abort=',
    '--enable', features,
    '--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536',
  ]);
  writeFileSync(join(root, outFile.replace('.wasm', '-unshared.wasm')), unshared(readFileSync(join(root, outFile))));
}

/** Where what a page loads is put, and the file that each of its files begins with. */
const PAGE_FOLDER = 'dist/cluster/browser/served';
const PAGE_FILES = [
  ['page', 'dist/cluster/browser/page.js'], ['tab-worker', 'dist/cluster/browser/tab-worker.js'], ['tab-thread', 'dist/workers/web-worker.js'],
  ['page', 'cluster/browser/page.css'],
];

/** Node's modules have their counterparts for pages in `browser` of package.json. */
async function bundlePage() {
  const { build } = await import('esbuild');
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  await build({
    absWorkingDir: root, outdir: PAGE_FOLDER, entryPoints: PAGE_FILES.map(([out, file]) => ({ in: file, out })),
    bundle: true, minify: true, format: 'esm', platform: 'browser', target: 'es2022', define: { PACKAGE_VERSION: JSON.stringify(version) }, logLevel: 'warning',
  });
  copyFileSync(join(root, 'cluster/browser/index.html'), join(root, PAGE_FOLDER, 'index.html'));
}

/** Whether the kernels are as old as their sources, or this script: half of the time of a build. */
function kernelsAreOld() {
  const sources = readdirSync(join(root, 'src/kernels/assembly'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const newest = Math.max(...[fileURLToPath(import.meta.url), join(root, 'scripts/unshared.mjs'), ...sources.map(({ parentPath, name }) => join(parentPath, name))].map((path) => statSync(path).mtimeMs));
  return ['fma', 'portable', 'fma-unshared', 'portable-unshared'].some((name) => {
    const built = statSync(join(root, `dist/src/kernels/${name}.wasm`), { throwIfNoEntry: false });
    return built === undefined || built.mtimeMs <= newest;
  });
}

mkdirSync(join(root, 'dist/src/kernels'), { recursive: true });
if (kernelsAreOld()) {
  buildKernels('fma', 'simd,threads,relaxed-simd');
  buildKernels('portable', 'simd,threads');
}
if (process.argv[2] !== 'kernels') {
  run(require.resolve('typescript/bin/tsc'), ['-p', 'tsconfig.json']);
  await bundlePage();
}
