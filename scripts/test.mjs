// `npm test`: lint, build, then every group of tests, and a closing line that counts them all. The last check is that the
// tests left the checkout as it was.
// `npm test -- pure cli` runs these groups alone. The packages are in place already (run.mjs); the build is a check itself.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { changesOf, newChanges } from './checkout.mjs';
import { ensureBuilt, ROOT, SetupError } from './setup.mjs';

/** Fast and narrow first: the first failure is then the nearest to its cause. Groups not named here run before `package`. */
const ORDER = ['pure', 'files', 'data', 'golden', 'threads', 'cli', 'lessons', 'cluster', 'browser', 'chaos'];
const LAST = 'package';
/** Groups whose files may run beside each other, one on each core; the others need the cores, ports or folders for themselves. */
const PARALLEL = new Set(['pure', 'files', 'data', 'golden', 'cli', 'lessons', 'docs']);

const require = createRequire(import.meta.url);
const total = { passed: 0, failed: [], skipped: [] };

const groups = chosenGroups(process.argv.slice(2));
const before = changesOf(ROOT);
check('lint', lint());
const built = await build();
check('build', built);
if (built) for (const group of groups) runGroup(group);
checkCheckout();
summarize();

function chosenGroups(wanted) {
  const present = readdirSync(join(ROOT, 'test'), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  const unknown = wanted.find((name) => !present.includes(name));
  if (unknown !== undefined) {
    process.stderr.write(`"${unknown}" is not a group of tests; choose from ${present.join(', ')}.\n`);
    process.exit(2);
  }
  const rank = (name) => (name === LAST ? Infinity : ORDER.indexOf(name) < 0 ? ORDER.length : ORDER.indexOf(name));
  return (wanted.length > 0 ? wanted : present).sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
}

function check(name, passed) {
  if (passed) total.passed += 1;
  else total.failed.push(name);
  process.stdout.write(`${name}: ${passed ? 'passed' : 'FAILED'}\n`);
}

/** A test that writes beside its temporary folder would end up in a commit. An unpacked archive has nothing to compare. */
function checkCheckout() {
  if (before === undefined) return;
  const left = newChanges(before, changesOf(ROOT));
  check('the checkout is as it was', left.length === 0);
  for (const line of left) process.stdout.write(`  ${line}\n`);
}

function lint() {
  const eslint = join(dirname(require.resolve('eslint/package.json')), 'bin', 'eslint.js');
  return run([eslint, '--config', 'scripts/eslint.config.js', '--max-warnings', '0', '.']) === 0;
}

async function build() {
  try {
    await ensureBuilt();
    return true;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stdout.write(`${error.output}\n`);
    return false;
  }
}

/** Runs one group and adds what it came to; a group that left no tally died, which is a failure. */
function runGroup(group) {
  if (!hasTests(join(ROOT, 'dist', 'test', group))) return;
  process.stdout.write(`\n${group}\n`);
  const folder = mkdtempSync(join(tmpdir(), 'tensorflock-test-'));
  try {
    const TEST_TALLY = join(folder, 'tally.json');
    const vitest = join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs');
    const reporters = ['--reporter=default', '--reporter=test/tally-reporter.mjs'];
    const order = PARALLEL.has(group) ? [`--maxWorkers=${availableParallelism()}`] : ['--no-file-parallelism'];
    run([vitest, 'run', '--config', 'test/vitest.config.mjs', ...order, ...reporters, '--dir', join('dist', 'test', group)], { TEST_TALLY });
    const tally = existsSync(TEST_TALLY) ? JSON.parse(readFileSync(TEST_TALLY, 'utf8')) : { passed: 0, failed: [`${group} ended without a result`], skipped: [] };
    total.passed += tally.passed;
    total.failed.push(...tally.failed);
    total.skipped.push(...tally.skipped);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function hasTests(folder) {
  return existsSync(folder) && readdirSync(folder, { recursive: true }).some((name) => name.endsWith('.test.js'));
}

function run(args, environment = {}) {
  return spawnSync(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, ...environment } }).status;
}

function summarize() {
  const lines = [
    ...total.skipped.map(({ name, reason }) => `skipped: ${name} (${reason})`),
    ...total.failed.map((name) => `failed: ${name}`),
    `${total.passed} passed, ${total.failed.length} failed, ${total.skipped.length} skipped`,
  ];
  process.stdout.write(`\n${lines.join('\n')}\n`);
  process.exitCode = total.failed.length > 0 ? 1 : 0;
}
