/** Time as the edge uses it; a test moves it by hand. */
export interface Clock {
  /** Monotonic, in ms. */
  nowMs(): number;
  /** Calls back once after `delayMs`; what it returns calls it off. */
  after(delayMs: number, callback: () => void): () => void;
  /** Calls back when whatever can be read from sockets by now has been read. */
  afterReading(callback: () => void): void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => { clearTimeout(timer); };
  },
  // A turn of the event loop runs timers, then reads every socket that is ready, then immediates. Whenever this is called, there
  // is one whole reading between the second immediate and the first.
  afterReading: (callback) => { setImmediate(() => { setImmediate(callback); }); },
};
