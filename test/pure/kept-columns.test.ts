import { expect, test } from 'vitest';
import { keptColumns } from '../../cluster/data/kept-columns.js';
import { MAX_PLAN_BYTES } from '../../cluster/protocol/limits.js';
import type { ManifestColumn } from '../../cluster/protocol/run-description.js';

const column = (split: ManifestColumn['split'], width: number): ManifestColumn => ({
  name: split, role: 'input', split, sha256: '0'.repeat(64), byteLength: 4_000 * width, type: 'float32', shape: [width], exampleCount: 1_000, scale: 1,
});
const run = { columns: [column('train', 6), column('validation', 6)], exampleCount: 900, batchRows: 32, mode: { kind: 'sync' } as const };
const kept = (changes: Partial<Parameters<typeof keptColumns>[0]>, way: 'columns' | 'rows') => keptColumns({ ...run, ...changes }, way, 'host:1');

test('a node with the columns keeps all of them', () => {
  expect(kept({}, 'columns')).toEqual(run.columns);
});

test.each([[32, 32], [900, 900], [5_000, 900]])('a node without keeps the rows of a mini-batch: %i a batch are %i', (batchRows, rows) => {
  expect(kept({ batchRows }, 'rows')).toEqual([{ ...run.columns[0], exampleCount: rows, byteLength: rows * 24 }]);
});

test('rows that no frame holds are refused with what to do', () => {
  const width = MAX_PLAN_BYTES / (4 * 32);
  expect(kept({ columns: [column('train', width)] }, 'rows')[0]!.byteLength).toBe(MAX_PLAN_BYTES);
  expect(() => kept({ columns: [column('train', width + 1)] }, 'rows'))
    .toThrow('The run at host:1 cannot be joined with --data rows: the rows of a mini-batch take 67108992 bytes, and a frame has at most 67108864; join with --data columns.');
});

test('so is a mode in which a node makes steps of its own', () => {
  expect(() => kept({ mode: { kind: 'local', period: 3 } }, 'rows')).toThrow('in mode local a node makes steps of its own; join with --data columns.');
});
