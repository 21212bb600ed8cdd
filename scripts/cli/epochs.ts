import { epochRow, type EpochRow } from '../../src/report/run.js';
import type { History, Progress } from './library.js';

type Logs = Readonly<Record<string, number>>;

/**
 * Collects the rows of a run's epochs while it trains: as a tfjs callback it takes the logs, and adds the speed of the
 * steps and the time of the whole epoch where the logs have neither.
 */
export class EpochCollector {
  readonly #rows = new Map<number, EpochRow>();
  #beganMs = 0;
  #examplesPerSecond = Number.NaN;

  constructor(
    private readonly nowMs: () => number,
    private readonly onRow: (row: EpochRow) => void,
  ) {}

  /** In order, epochs from 1. */
  get rows(): EpochRow[] {
    return [...this.#rows.values()].sort((a, b) => a.epoch - b.epoch);
  }

  readonly progress = (progress: Progress): void => {
    this.#examplesPerSecond = progress.examplesPerSecond;
  };

  readonly callback = {
    onEpochBegin: (): void => {
      this.#beganMs = this.nowMs();
    },
    onEpochEnd: (epoch: number, logs: Logs = {}): void => {
      const measured = { seconds: (this.nowMs() - this.#beganMs) / 1000, ...this.#speed() };
      const row = epochRow(epoch + 1, { ...measured, ...logs });
      this.#rows.set(row.epoch, row);
      this.onRow(row);
    },
  };

  /** Adds the epochs that an earlier process trained, which a resumed run's history has. */
  complete(history: History): void {
    history.epoch.forEach((epoch, index) => {
      if (this.#rows.has(epoch + 1)) return;
      const logs = Object.entries(history.history).map(([name, values]) => [name, values[index]] as const);
      const numbers = logs.filter((entry): entry is readonly [string, number] => typeof entry[1] === 'number');
      this.#rows.set(epoch + 1, epochRow(epoch + 1, Object.fromEntries(numbers)));
    });
  }

  #speed(): Logs {
    return Number.isFinite(this.#examplesPerSecond) ? { examplesPerSecond: this.#examplesPerSecond } : {};
  }
}
