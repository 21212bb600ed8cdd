import { formatRecord, type EventRecord } from '../rounds/events.js';
import type { RunObserver } from '../coordinator/observer.js';

/** A file that is only written to at its end. */
export interface AppendedFile {
  append(text: string): Promise<void>;
  close(): Promise<void>;
}

export interface EventLogOptions {
  readonly path: string;
  /** At the first record: only then a run has its folder. */
  readonly open: (path: string) => Promise<AppendedFile>;
  /** For people. */
  readonly notice: (sentence: string) => void;
  /** Characters that may wait for the disk. */
  readonly maxWaiting?: number;
}

const MAX_WAITING = 8 * 1024 * 1024;

/**
 * Writes the records of a run to a file while the rounds go on. One write is under way at a time, and takes all that came during
 * the one before. Where the disk is slower than the run, records are left out, and a `gap` says how many.
 */
export class EventLog implements RunObserver {
  #waiting: string[] = [];
  #waitingLength = 0;
  /** Records left out since the last one that was not. */
  #missing = 0;
  /** Records left out in all. */
  missed = 0;
  #file: AppendedFile | undefined;
  #writing: Promise<void> | undefined;
  #hasFailed = false;

  constructor(private readonly options: EventLogOptions) {}

  record(record: EventRecord): void {
    if (this.#hasFailed) return;
    const { maxWaiting = MAX_WAITING } = this.options;
    // After a gap there is room for a while, or every other record would be one.
    if (this.#waitingLength >= (this.#missing > 0 ? maxWaiting / 2 : maxWaiting)) {
      this.#miss();
      return;
    }
    if (this.#missing > 0) this.#push({ event: 'gap', atMs: record.atMs, records: this.#missing });
    this.#missing = 0;
    this.#push(record);
    this.#writing ??= this.#write();
  }

  /** Everything that came is in the file, or cannot be. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.close().catch((error: unknown) => { this.#fail(error); });
  }

  #push(record: EventRecord): void {
    const line = formatRecord(record);
    this.#waiting.push(line);
    this.#waitingLength += line.length;
  }

  #miss(): void {
    this.#missing++;
    if (this.missed++ > 0) return;
    this.options.notice(`The disk of ${this.options.path} is slower than the run: some events are left out, and the log says how many.`);
  }

  async #write(): Promise<void> {
    try {
      this.#file ??= await this.options.open(this.options.path);
      while (this.#waiting.length > 0) {
        const text = this.#waiting.join('');
        this.#waiting = [];
        await this.#file.append(text);
        this.#waitingLength -= text.length; // what is being written is in memory still
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#writing = undefined;
    }
  }

  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#waiting = [];
    const reason = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);
    this.options.notice(`The event log ${this.options.path} cannot be written (${reason}): the run goes on, and nothing more of it is logged.`);
  }
}
