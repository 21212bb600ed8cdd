import { defineConfig } from 'vitest/config';
import { fileURLToPath } from 'node:url';

/** Tests are compiled with everything else and run from dist/, so that what is tested is what is shipped. */
export default defineConfig({
  root: fileURLToPath(new URL('../dist/test', import.meta.url)),
  test: {
    include: ['**/*.test.js'],
    // Tests with worker threads and child processes of their own need a process each, not a thread.
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    passWithNoTests: false,
    silent: 'passed-only',
  },
});
