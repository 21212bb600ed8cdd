import { FIELD, type Control } from '../../src/train/control.js';
import type { Update } from '../../src/train/session.js';

/** Updates between two snapshots: at most as many good ones are made again with the wrong ones. */
const EVERY_UPDATES = 128;

/** Snapshots beside the first one, and the bytes that they may take together. */
const MOST_LATER = 3;
const MOST_LATER_BYTES = 256 * 2 ** 20;

export interface SnapshotsOptions {
  readonly memory: WebAssembly.Memory;
  readonly control: Control;
  /** Parameters and states to be kept. */
  readonly update: Pick<Update, 'parameters' | 'states' | 'floats'>;
  /** Updates between two of them, and the bytes of all but the first. */
  readonly everyUpdates?: number | undefined;
  readonly laterBytes?: number | undefined;
}

/** Where a training stands. */
export interface SnapshotPlace {
  readonly version: number;
  readonly epochStep: number;
}

interface Snapshot extends SnapshotPlace {
  readonly sums: Float64Array;
  /** Parameters, then the states. */
  readonly bytes: Uint8Array;
}

/**
 * States of a training to go back to when a source gave wrong bytes: the first one, which nothing goes back before, and a few
 * later ones, so that less is computed again. To be called between updates alone.
 */
export class Snapshots {
  /** Oldest first. */
  #kept: Snapshot[] = [];
  /** Of snapshots that nobody needs any more. */
  #spare: Uint8Array[] = [];
  readonly #mostLater: number;
  #everyUpdates = EVERY_UPDATES;

  constructor(private readonly options: SnapshotsOptions) {
    this.#mostLater = Math.min(MOST_LATER, Math.floor((options.laterBytes ?? MOST_LATER_BYTES) / this.#byteLength));
  }

  /** Keeps the state as it is as the first one. */
  begin(): void {
    this.#drop(() => true);
    this.#kept.push(this.#take());
  }

  /**
   * Keeps the state as it is, where it is time for that.
   * @param needed the oldest version to which it may turn out to be necessary to go back; undefined: none
   */
  keep(needed = Infinity): void {
    const version = this.options.control.fields[FIELD.version]!;
    if (this.#kept.length === 1) this.#everyUpdates = this.options.everyUpdates ?? EVERY_UPDATES;
    if (version - this.#kept.at(-1)!.version < this.#everyUpdates || this.#mostLater === 0) return;
    this.#kept.push(this.#take());
    const goal = this.#newestUpTo(Math.min(needed, version));
    this.#drop((snapshot, index) => index > 0 && snapshot.version < goal.version);
    while (this.#kept.length > 1 + this.#mostLater) this.#thinOut();
  }

  /** Puts the newest state of at most this version back. */
  restore(version: number): SnapshotPlace {
    const found = this.#newestUpTo(version);
    this.#drop(({ version: kept }) => kept > found.version);
    const { memory, control: { fields, sums } } = this.options;
    const all = new Uint8Array(memory.buffer);
    this.#areas().forEach((address, index) => { all.set(found.bytes.subarray(index * this.#areaBytes, (index + 1) * this.#areaBytes), address); });
    sums.set(found.sums);
    fields[FIELD.version] = found.version;
    fields[FIELD.epochStep] = found.epochStep;
    fields[FIELD.badLoss] = 0;
    // What the workers have packed and kept is of the state that is gone.
    fields[FIELD.packedVersion] = -1;
    fields[FIELD.snapshotVersion] = -1;
    return found;
  }

  /** The workers went back to an earlier state of their own, because one of them died. */
  wentBack(): void {
    const version = this.options.control.fields[FIELD.version]!;
    this.#drop(({ version: kept }) => kept > version);
    if (this.#kept.length === 0) this.begin();
  }

  get versions(): number[] {
    return this.#kept.map(({ version }) => version);
  }

  get #areaBytes(): number {
    return this.options.update.floats * 4;
  }

  get #byteLength(): number {
    return this.#areaBytes * this.#areas().length;
  }

  #areas(): number[] {
    const { parameters, states } = this.options.update;
    return [parameters, ...states];
  }

  #take(): Snapshot {
    const { memory, control: { fields, sums } } = this.options;
    const bytes = this.#spare.pop() ?? new Uint8Array(this.#byteLength);
    const all = new Uint8Array(memory.buffer);
    this.#areas().forEach((address, index) => { bytes.set(all.subarray(address, address + this.#areaBytes), index * this.#areaBytes); });
    return { version: fields[FIELD.version]!, epochStep: fields[FIELD.epochStep]!, sums: Float64Array.from(sums), bytes };
  }

  /** @throws where all are newer, which the first one never is */
  #newestUpTo(version: number): Snapshot {
    const found = this.#kept.findLast((snapshot) => snapshot.version <= version);
    if (found === undefined) throw new Error(`no snapshot of version ${String(version)} or before`);
    return found;
  }

  #drop(isDropped: (snapshot: Snapshot, index: number) => boolean): void {
    const dropped = this.#kept.filter(isDropped);
    this.#kept = this.#kept.filter((snapshot) => !dropped.includes(snapshot));
    this.#spare = [...this.#spare, ...dropped.map(({ bytes }) => bytes)].slice(0, 1);
  }

  /** Twice as many updates between two of them from now on, and so among those that are there. */
  #thinOut(): void {
    this.#everyUpdates *= 2;
    let last = this.#kept[0]!.version;
    this.#drop(({ version }, index) => {
      const isClose = index > 0 && version - last < this.#everyUpdates;
      if (!isClose) last = version;
      return isClose;
    });
  }
}
