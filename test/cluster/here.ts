// A node in this process, over real sockets.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { joinRuns } from '../../cluster/join.js';
import { compileKernels } from '../../src/kernels/load.js';
import { LocalPool } from '../../workers/pool.js';
import { Arrivals } from './ends.js';

export interface NodeHere {
  readonly notices: Arrivals<string>;
  /** Times that it started threads. */
  readonly started: () => number;
  readonly ended: Promise<void>;
}

/** Joins with one portable worker and an empty cache; it leaves at the end of the test. */
export function joinHere(link: string, { once = false } = {}): NodeHere {
  const folder = mkdtempSync(join(tmpdir(), 'tensorflock-node-'));
  const stop = new AbortController();
  const notices = new Arrivals<string>();
  let started = 0;
  const ended = joinRuns({
    link, softwareVersion: '0.1.0', environment: { TENSORFLOCK_DATA: folder }, arithmetics: 'portable', once, random: () => 0, signal: stop.signal,
    prepare: () => {
      started++;
      return { pool: new LocalPool(1), module: compileKernels('portable'), tile: 0 };
    },
    notice: (sentence) => { notices.add(sentence); },
  });
  onTestFinished(async () => {
    stop.abort(new Error('the test is over'));
    await ended.catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
  });
  return { notices, started: () => started, ended };
}

/** The link in what a coordinator says first. */
export function linkIn(notice: string): string {
  return /tensorflock join '(.*)'/.exec(notice)![1]!;
}
