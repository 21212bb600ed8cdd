// Builds dist/: the kernels from AssemblyScript (two arithmetics), then everything else from TypeScript.
// `node scripts/build.mjs kernels` builds only the kernels.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

/** Runs a tool of node_modules with this Node; a failure ends the build with the tool's own output. */
function run(tool, args) {
  const { status } = spawnSync(process.execPath, [tool, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** Compiles the kernels for one arithmetic. Relaxed SIMD is what makes `madd` a fused multiply-add (see simd.ts). */
function buildKernels(arithmetic, features) {
  run(join(dirname(require.resolve('assemblyscript/package.json')), 'bin', 'asc.js'), [
    'src/kernels/assembly/index.ts',
    '--outFile', `dist/src/kernels/${arithmetic}.wasm`,
    '-O3', '--noAssert', '--runtime', 'stub', '--use', 'abort=',
    '--enable', features,
    '--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536',
  ]);
}

/** Whether the kernels are as old as their sources, or this script: half of the time of a build. */
function kernelsAreOld() {
  const sources = readdirSync(join(root, 'src/kernels/assembly'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const newest = Math.max(...[fileURLToPath(import.meta.url), ...sources.map(({ parentPath, name }) => join(parentPath, name))].map((path) => statSync(path).mtimeMs));
  return ['fma', 'portable'].some((arithmetic) => {
    const built = statSync(join(root, `dist/src/kernels/${arithmetic}.wasm`), { throwIfNoEntry: false });
    return built === undefined || built.mtimeMs <= newest;
  });
}

mkdirSync(join(root, 'dist/src/kernels'), { recursive: true });
if (kernelsAreOld()) {
  buildKernels('fma', 'simd,threads,relaxed-simd');
  buildKernels('portable', 'simd,threads');
}
if (process.argv[2] !== 'kernels') run(require.resolve('typescript/bin/tsc'), ['-p', 'tsconfig.json']);
