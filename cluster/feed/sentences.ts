// What of a run's records people want to read on the time line.
import type { EventRecord } from '../rounds/events.js';
import type { EventFeedRecord } from './records.js';

type Said = Pick<EventFeedRecord, 'tone' | 'sentence'>;

const DEPARTURES: Readonly<Record<string, string>> = {
  closed: 'its connection ended', goodbye: 'it left', silent: 'it was silent for too long', stalled: 'it delivered nothing', expelled: 'it gave wrong bytes',
};

/** Undefined for what happens in every step. */
export function sentenceOf(record: EventRecord): Said | undefined {
  switch (record.event) {
    case 'start':
      return record.unixMs === undefined ? { tone: 'bad', sentence: `the run goes back to update ${record.version}` } : undefined;
    case 'member':
      return record.kind === 'local' ? undefined : ofMember(record);
    case 'revoke':
      return { tone: 'neutral', sentence: `node ${record.source} is late with step ${record.step}: others get what it owes` };
    case 'incident':
      return { tone: 'bad', sentence: `shares of step ${record.step} differ: ${record.claims.map(({ source }) => `node ${source}`).join(' and ')}` };
    case 'expel':
      return { tone: 'bad', sentence: `node ${record.source} is expelled: it gave wrong bytes in step ${record.step}` };
    case 'pause':
      return { tone: 'neutral', sentence: record.reason === 'operator' ? 'paused by an operator' : 'waiting for nodes' };
    case 'resume':
      return { tone: 'good', sentence: 'the run goes on' };
    case 'end':
      return { tone: record.outcome === 'finished' ? 'good' : 'neutral', sentence: record.outcome === 'finished' ? 'the run has come to its end' : 'the run was stopped' };
    case 'round': case 'assign': case 'share': case 'update': case 'close': case 'alone': case 'deal': case 'period': case 'epoch': case 'gap':
      return undefined;
    default:
      return record satisfies never;
  }
}

function ofMember({ member, kind, state, departure = '' }: Extract<EventRecord, { readonly event: 'member' }>): Said | undefined {
  const name = `${kind} ${member}`;
  if (state === 'ready') return { tone: 'good', sentence: `${name} takes part` };
  if (state === 'suspected') return { tone: 'neutral', sentence: `${name} is silent` };
  return state === 'left' ? { tone: 'bad', sentence: `${name} is gone: ${DEPARTURES[departure] ?? departure}` } : undefined;
}
