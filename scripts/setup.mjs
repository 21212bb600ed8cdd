// Installs and builds what a checkout lacks, with nothing but Node: a clean clone has no packages yet.
// Both steps are skipped when a stamp holds the hash of what goes into them; a lock folder lets two commands start at once.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const MODULES = join(ROOT, 'node_modules');
const DIST = join(ROOT, 'dist');
const LOCK = join(DIST, '.lock');
const INSTALLED = join(MODULES, '.tensorflock-installed');
const BUILT = join(DIST, '.tensorflock-built');

const SOURCE_FOLDERS = ['src', 'workers', 'cluster', 'scripts', 'examples', 'test'];
const SOURCE_FILES = ['package.json', 'tsconfig.json', 'package-lock.json'];
const GOES_IN = /\.(ts|mts|tsx|css|html)$|^(build|unshared)\.mjs$/;

const LOCK_POLL_MS = 100;
/** A lock without an owner's number is one that is being written, or was left by a process that died right then. */
const OWNERLESS_LOCK_MS = 10_000;

/** Thrown when a step failed; `output` is everything the step printed. */
export class SetupError extends Error {
  constructor(message, output) {
    super(message);
    this.output = output;
  }
}

/** Installs the packages if needed. @throws SetupError */
export async function ensureInstalled() {
  if (!isInstalled()) await locked(() => isInstalled() || install());
}

/** Installs and builds if needed. @throws SetupError */
export async function ensureBuilt() {
  await ensureInstalled();
  if (!isBuilt()) await locked(() => isBuilt() || build());
}

function isInstalled() {
  // A linked folder belongs to whoever filled it: `npm ci` through the link would empty it under them.
  if (lstatSync(MODULES, { throwIfNoEntry: false })?.isSymbolicLink()) return true;
  const wanted = sha256([readFileSync(join(ROOT, 'package-lock.json'))]);
  if (readIfThere(INSTALLED) === wanted) return true;
  if (!holdsWhatTheLockNames()) return false;
  writeFileSync(INSTALLED, wanted);
  return true;
}

/** Whether an `npm install` by hand already put every package of the lock file in place (npm notes what it did). */
function holdsWhatTheLockNames() {
  const note = readIfThere(join(MODULES, '.package-lock.json'));
  if (note === undefined) return false;
  const present = JSON.parse(note).packages;
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, entry]) => path === '' || entry.optional || entry.devOptional || entry.peer || present[path]?.version === entry.version,
  );
}

function install() {
  // Development packages are needed to build, whatever NODE_ENV says; `npm run -s` would hide the reason of a failure.
  const args = ['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  step('installing packages', 'the packages could not be installed; npm ci needs the package registry (or a filled npm cache), so go online and run the command again.', command, [...first, ...args]);
  writeFileSync(INSTALLED, sha256([readFileSync(join(ROOT, 'package-lock.json'))]));
}

function isBuilt() {
  return readIfThere(BUILT) === hashOfSources();
}

function build() {
  const hash = hashOfSources();
  rmSync(BUILT, { force: true });
  step('building', 'the build failed; its output is above.', process.execPath, [join(ROOT, 'scripts', 'build.mjs')]);
  removeStale();
  writeFileSync(BUILT, hash);
}

/** Every source with its path, in one order on every machine. */
function hashOfSources() {
  const files = [...SOURCE_FOLDERS.flatMap((folder) => filesBelow(join(ROOT, folder), GOES_IN)), ...SOURCE_FILES.map((name) => join(ROOT, name))];
  return sha256(files.sort().flatMap((file) => [relative(ROOT, file), '\0', readFileSync(file), '\0']));
}

/** Put together of many sources, each of its own name. */
const BUNDLES = join(DIST, 'cluster', 'browser', 'served');

/** Removes compiled files whose source is gone: a deleted test would otherwise run for ever. */
function removeStale() {
  for (const file of filesBelow(DIST, /\.(js|d\.ts|js\.map)$/).filter((path) => !path.startsWith(BUNDLES))) {
    const source = join(ROOT, relative(DIST, file).replace(/\.(js|d\.ts|js\.map)$/, '.ts'));
    if (!existsSync(source)) rmSync(file);
  }
}

/** Runs one step silently; on a terminal one line says what is going on. */
function step(doing, failure, command, args) {
  const onTerminal = process.stderr.isTTY === true;
  if (onTerminal) process.stderr.write(`${doing} …`);
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (onTerminal) process.stderr.write('\r\x1b[K');
  if (status !== 0) throw new SetupError(failure, `${stdout ?? ''}${stderr ?? ''}${error ? `${error.message}\n` : ''}`);
}

/** Runs `work` while no other command installs or builds here. */
async function locked(work) {
  mkdirSync(DIST, { recursive: true });
  while (!tryLock()) {
    removeDeadLock();
    await sleep(LOCK_POLL_MS);
  }
  const release = () => rmSync(LOCK, { recursive: true, force: true });
  process.once('exit', release);
  try {
    work();
  } finally {
    release();
    process.off('exit', release);
  }
}

function tryLock() {
  try {
    mkdirSync(LOCK);
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
  writeFileSync(join(LOCK, 'pid'), String(process.pid));
  return true;
}

/** Takes away the lock of a process that is gone. The rename makes sure that only one of several waiters does. */
function removeDeadLock() {
  const owner = Number(readIfThere(join(LOCK, 'pid')));
  const made = statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs;
  if (made === undefined) return;
  if (owner > 0 ? isAlive(owner) : Date.now() - made < OWNERLESS_LOCK_MS) return;
  const grave = `${LOCK}-${process.pid}`;
  try {
    renameSync(LOCK, grave);
  } catch {
    return; // another waiter was first
  }
  rmSync(grave, { recursive: true, force: true });
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function filesBelow(folder, pattern) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && pattern.test(entry.name) && !entry.parentPath.split(sep).includes('node_modules'))
    .map((entry) => join(entry.parentPath, entry.name));
}

function readIfThere(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

function sha256(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}
