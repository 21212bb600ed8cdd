import { expect, test } from 'vitest';
import { RefusalLog } from '../../cluster/net/refusal-log.js';
import { clusterError } from '../../cluster/protocol/errors.js';
import { HandClock } from '../cluster/hand-clock.js';

const error = clusterError('ERR_HOST', { address: '10.0.0.7', host: 'evil.example' });

function log(): { readonly clock: HandClock; readonly said: string[]; readonly refusals: RefusalLog } {
  const [clock, said] = [new HandClock(), [] as string[]];
  return { clock, said, refusals: new RefusalLog(clock, (sentence) => { said.push(sentence); }) };
}

test('the first are said one by one, and then their number once a minute', () => {
  const { clock, said, refusals } = log();
  for (let count = 0; count < 1_020; count++) refusals.note(error);
  expect(said).toEqual(Array.from({ length: 20 }, () => error.message));
  clock.advance(60_000);
  expect(said.slice(20)).toEqual(['1000 more connections were refused.']);
  // A sentence every five seconds comes back.
  refusals.note(error);
  expect(said.at(-1)).toBe(error.message);
});

test('what is unsaid is said at the end, and no timer stays', () => {
  const { clock, said, refusals } = log();
  for (let count = 0; count < 21; count++) refusals.note(error);
  refusals.close();
  expect(said.at(-1)).toBe('1 more connections were refused.');
  expect(clock.timers).toBe(0);
});
