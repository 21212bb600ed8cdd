import { expect, test } from 'vitest';
import { CLUSTER_ERROR_CODES, CLUSTER_ERRORS, ClusterError, clusterError, errorOfClose } from '../../cluster/protocol/errors.js';
import { TensorflockError } from '../../src/errors.js';

const rows = Object.entries(CLUSTER_ERRORS);

test('an error has the code, kind, close code and retry of its row, and its sentence filled in', () => {
  const error = clusterError('ERR_STALE_GENERATION', { type: 'share', theirs: 2, ours: 3 });
  expect(error).toBeInstanceOf(TensorflockError);
  expect(error).toMatchObject({ code: 'ERR_STALE_GENERATION', kind: 'run', closeCode: 4030, retry: true });
  expect(error.message).toBe('A message of type "share" is of generation 2 and the coordinator at generation 3; the node joins again.');
  expect(clusterError('ERR_WRONG_KEY', { role: 'node', address: '::1', keyName: 'join' })).toMatchObject({ kind: 'input', closeCode: 4011, retry: false });
});

test('every close code is an application\'s own, and of one error', () => {
  const closeCodes = rows.map(([, { closeCode }]) => closeCode);
  expect(closeCodes.filter((code) => !Number.isInteger(code) || code < 4000 || code > 4999)).toEqual([]);
  expect(new Set(closeCodes).size).toBe(rows.length);
});

test('every code fits into a close reason, and every text is one sentence', () => {
  for (const [code, { meaning, sentence }] of rows) {
    expect(code.length).toBeLessThanOrEqual(123);
    expect(meaning, code).toMatch(/^[A-Z][^.]*\.$/);
    expect(sentence, code).toMatch(/^(\{what\}|[A-Z]).*\.$/);
    expect(sentence.replace(/\{[a-zA-Z]+\}/g, ''), code).not.toMatch(/[{}]/);
  }
});

test('other arithmetic names the option that admits it', () => {
  expect(CLUSTER_ERRORS.ERR_OTHER_ARITHMETIC.sentence).toContain('--kernels portable');
  expect(CLUSTER_ERRORS.ERR_OTHER_ARITHMETIC.meaning).toContain('--kernels portable');
});

test('values of the other side cannot move a cursor, forge a line or flood the log', () => {
  const { message } = clusterError('ERR_MESSAGE', { type: `\u001b[31m\r\n\u202e{problem}${'x'.repeat(1_000)}`, problem: 'p' });
  expect(message).toMatch(/^[\x20-\x7e]*$/);
  expect(message.length).toBeLessThan(300);
  expect(message).toContain('{problem}');
});

test('what the other side closed with is known by close code and reason together', () => {
  for (const code of CLUSTER_ERROR_CODES) {
    const error = errorOfClose(CLUSTER_ERRORS[code].closeCode, code);
    expect(error).toBeInstanceOf(ClusterError);
    expect(error).toMatchObject({ code, message: `The other side ended the connection: ${CLUSTER_ERRORS[code].meaning}` });
  }
  expect(errorOfClose(4001, 'ERR_FRAME')).toBeUndefined();
  expect(errorOfClose(1006, '')).toBeUndefined();
  expect(errorOfClose(4000, 'toString')).toBeUndefined();
});
