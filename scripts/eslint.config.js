import { importX } from 'eslint-plugin-import-x';
import { createTypeScriptImportResolver } from 'eslint-import-resolver-typescript';
import tseslint from 'typescript-eslint';

/** Folders in the order of the data; each may import itself and what stands before it. */
const FOLDERS = ['data', 'random', 'kernels', 'codecs', 'trace', 'plan', 'optimizers', 'train', 'report'];
const later = FOLDERS.map((folder, index) => ({
  target: `./src/${folder}`,
  from: FOLDERS.slice(index + 1).map((name) => `./src/${name}`),
  message: 'imports point one way, in the order of the data',
}));

export default tseslint.config(
  { ignores: ['**/dist/**', '**/node_modules/**', 'src/kernels/assembly/**', 'scripts/peers/**', '**/*.mjs', '**/*.js'] },
  ...tseslint.configs.strict,
  {
    plugins: { 'import-x': importX },
    settings: {
      'import-x/resolver-next': [createTypeScriptImportResolver()],
      // Without these two no-cycle reads no TypeScript and finds nothing.
      'import-x/extensions': ['.ts'],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
    },
    rules: {
      'import-x/no-cycle': 'error',
      'import-x/no-default-export': 'error',
      'import-x/no-restricted-paths': [
        'error',
        {
          zones: [
            ...later.filter((zone) => zone.from.length > 0),
            { target: './src', from: ['./workers', './cluster', './scripts', './examples'], except: [], message: 'only src/distribute.ts imports workers, nothing in src imports cluster or scripts' },
            { target: './workers', from: ['./cluster', './scripts', './examples'], message: 'workers import src alone' },
            { target: './cluster', from: ['./workers', './scripts', './examples'], message: 'cluster imports src alone' },
            { target: './examples', from: ['./workers', './cluster', './scripts'], message: 'examples import the package as a user does' },
            { target: './cluster/protocol', from: './cluster', except: ['./protocol'], message: 'the protocol knows messages, not who sends them' },
          ],
        },
      ],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'off',
      'no-restricted-properties': ['error', { object: 'Math', property: 'random', message: 'use src/random' }],
      'no-console': 'error',
    },
  },
  {
    files: ['cluster/**'],
    ignores: ['cluster/net/**'],
    rules: {
      'no-restricted-imports': ['error', { patterns: [{ regex: '^(ws|bonjour-service|node:(net|tls|https?|dgram))$', message: 'only cluster/net knows sockets' }] }],
    },
  },
  {
    // What decides is told the time; `coordinator` and `node` carry out, with timers of their own.
    files: ['cluster/rounds/**'],
    rules: { 'no-restricted-globals': ['error', 'setTimeout', 'setInterval', 'setImmediate', 'performance', 'Date'] },
  },
  {
    // It runs in a browser tab too, and under a hand-moved clock.
    files: ['cluster/protocol/**'],
    rules: {
      'no-restricted-imports': ['error', { patterns: [{ regex: '^node:', message: 'the protocol runs in browsers too' }] }],
      'no-restricted-globals': ['error', 'Buffer', 'process', 'setTimeout', 'setInterval', 'setImmediate', 'performance', 'Date'],
    },
  },
  {
    // A lesson is what a user could write; its kit takes the rest from src.
    files: ['examples/lessons/[0-9]*.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: [{ regex: '^\\.\\./', message: 'a lesson imports the package, and ./kit.js' }] }] },
  },
  { files: ['workers/worker.ts', 'scripts/**', 'test/**'], rules: { 'import-x/no-default-export': 'off' } },
  { files: ['src/distribute.ts', 'cluster/browser/tab-worker.ts'], rules: { 'import-x/no-restricted-paths': 'off' } },
);
