import type { Clock } from '../net/clock.js';

/** A page is not told when all that came has been read: what came while a machine slept is there within this time. */
const READING_MS = 250;

export const pageClock: Clock = {
  nowMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => { clearTimeout(timer); };
  },
  afterReading: (callback) => { setTimeout(callback, READING_MS); },
};
