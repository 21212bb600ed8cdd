import { describe, expect, test } from 'vitest';
import { isAudited, noteGoodAudit, noteRedo, noteUpdate, redoVersion, versionToKeep, type Unverified } from '../../cluster/rounds/audit.js';
import type { Source } from '../../cluster/rounds/assign.js';
import { judgeOf, settle, type Doubt } from '../../cluster/rounds/doubts.js';
import { at, shareFrom } from './rounds-fixture.js';

/** 'A1 B2 B2': source 0 said 1, source 1 said 2, twice. A digest of n is not finite. */
function doubt(said: string): Doubt {
  const shares = said.split(' ').map((word) => shareFrom(word.charCodeAt(0) - 65, at(2, 0), { digest: word[1]!, isFinite: word[1] !== 'n' }));
  return { subtree: at(2, 0), leaves: { start: 0, end: 4 }, reason: 'differs', shares };
}
const nameOf = (source: number | undefined): string | undefined => (source === undefined ? undefined : String.fromCharCode(65 + source));

/** L is the coordinator's own pool. */
const isTrusted = (source: number): boolean => source === 11;

describe('of computations of the same leaves, those that count, and who is wrong', () => {
  test.each([
    // One opinion decides nothing; the same bytes twice do, whoever gave them.
    ['A1', 'open', ''], ['A1 B1', '1', ''], ['A1 A1', '1', ''], ['An Bn', 'n', ''],
    // Different bytes: two sources beat one, one does not beat another, however often it says so.
    ['A1 B2', 'open', ''], ['A1 B2 C1', '1', 'B'], ['A1 B2 C2', '2', 'A'], ['An B1 C1', '1', 'A'], ['A1 A1 B2', 'open', ''], ['A1 A1 B2 B2', 'open', ''],
    ['A1 B2 C3', 'open', ''], ['A1 B2 C1 D2', 'open', ''], ['A1 B2 C1 D2 E2', '2', 'AC'],
    // The coordinator's own pool is right.
    ['A1 L2', '2', 'A'], ['L2 A1', '2', 'A'], ['A1 B1 L2', '2', 'AB'], ['A1 B2 L1', '1', 'B'],
    // Who contradicts itself is wrong, and is not counted.
    ['A1 A2', 'nothing', 'A'], ['A1 A2 B2', 'open', ''], ['A1 A2 B2 B2', '2', 'A'], ['A1 B1 B2 C1', '1', 'B'],
  ])('%s: %s, wrong: %s', (words, counts, wrong) => {
    const settlement = settle(doubt(words), true, isTrusted);
    const said = settlement.kind === 'open' ? 'open' : (settlement.share?.digest ?? 'nothing');
    expect(said).toBe(counts);
    expect(settlement.kind === 'settled' ? settlement.wrong.map(nameOf).join('') : '').toBe(wrong);
  });

  test.each([['A1', 'open'], ['An', 'open'], ['An B2', '2'], ['A1 Bn', '1'], ['A1 B2', '2'], ['An Bn', 'n']])('where bytes cannot be compared, %s: %s, and nobody is wrong', (said, counts) => {
    const settlement = settle(doubt(said), false, isTrusted);
    if (counts === 'open') expect(settlement).toEqual({ kind: 'open' });
    else expect(settlement).toMatchObject({ kind: 'settled', share: { digest: counts }, wrong: [] });
  });
});

describe('who computes doubted leaves again', () => {
  const source = (letter: string, busyMs = 0): Source => ({ number: letter.charCodeAt(0) - 65, pace: { speed: 1, latencyMs: 0, frameMs: 0 }, busyMs });

  test.each([
    ['A1', ['A', 'B', 'L'], 'L'], ['A1', ['A', 'C', 'B'], 'B'], ['A1', ['A'], 'A'], ['A1 B2', ['A', 'B', 'C'], 'C'],
    ['A1 B2', ['A', 'B'], 'A'], ['A1 B2 A1', ['A', 'B'], 'B'], ['A1 B2 A1 B2', ['A', 'B'], undefined], ['A1 B2', [], undefined],
  ])('after %s, of %s: %s', (said, there, judge) => {
    expect(nameOf(judgeOf(doubt(said), there.map((letter) => source(letter)), isTrusted)?.number)).toBe(judge);
  });

  test('is who is free first', () => {
    expect(nameOf(judgeOf(doubt('A1'), [source('B', 5), source('C', 2), source('D', 3)], isTrusted)?.number)).toBe('C');
  });
});

describe('what nobody has vouched for', () => {
  test('begins with the first update after the last good audit', () => {
    const unverified: Unverified = new Map();
    noteUpdate(unverified, 3, [1, 2]);
    noteUpdate(unverified, 4, [2]);
    noteUpdate(unverified, 5, [1]);
    expect([redoVersion(unverified, 1), redoVersion(unverified, 2), redoVersion(unverified, 7)]).toEqual([3, 3, undefined]);
    noteGoodAudit(unverified, 1);
    expect(redoVersion(unverified, 1)).toBeUndefined();
    noteUpdate(unverified, 6, [1]);
    expect(redoVersion(unverified, 1)).toBe(6);
  });

  test('says which checkpoint to keep: the newest of at most the oldest such version of those who are there', () => {
    const unverified: Unverified = new Map([[1, 9], [2, 4], [3, 6]]);
    expect(versionToKeep(unverified, [1, 3])).toBe(6);
    expect(versionToKeep(unverified, [1, 2, 3])).toBe(4);
    expect(versionToKeep(unverified, [5])).toBeUndefined();
  });

  test('is forgotten from the version on that the run goes back to', () => {
    const unverified: Unverified = new Map([[1, 9], [2, 4], [3, 6]]);
    noteRedo(unverified, 6);
    expect([...unverified]).toEqual([[2, 4]]);
  });

  test('a draw below the probability is an audit: never at 0, always at 1', () => {
    expect([isAudited(0.1, 0.0999), isAudited(0.1, 0.1), isAudited(0, 0), isAudited(1, 0.9999)]).toEqual([true, false, false, true]);
  });
});
