import { createHash } from 'node:crypto';
import { FLOAT32, type Codec } from '../../src/codecs/codec.js';
import { panelsOf, type Panel } from '../panels.js';
import type { MessageOf } from '../protocol/messages.js';
import { TensorCoding, type TensorRoom } from '../tensor-coding.js';
import { LentCopies } from './lent-copies.js';

/** The parameters as they lie in the arena. */
export interface ParametersView extends TensorRoom {
  readonly address: number;
  /** Of all parameters, and of those that are updated, which come first. */
  readonly floats: number;
  readonly updatedFloats: number;
}

/** Which parameters: a generation may come back to a version, and make another one of it. */
export interface ParametersVersion {
  readonly generation: number;
  readonly version: number;
}

export type ParametersPart = Pick<MessageOf<'parameters'>, 'version' | 'kind' | 'codec' | 'firstValue' | 'valueCount' | 'sha256' | 'bytes'>;

/** A version that leaves while it is made. */
export interface LeavingParts {
  /** Those that are not sent yet of the panels among the first `floats` parameters. */
  readonly upTo: (floats: number) => Iterable<ParametersPart>;
}

/** What is sent of one version: made when the first node is sent it, and the same for all. */
interface Sending {
  readonly parts: Iterable<ParametersPart>;
  readonly byteLength: number;
}

interface Whole extends Sending {
  readonly version: number;
  /** The bytes of the parts that were made. */
  readonly copies: Uint8Array[];
}

interface Update extends Sending {
  readonly since: number;
  readonly version: number;
}

/**
 * What nodes are sent of the parameters. In float32 they are sent whole. With another codec every node has the same copy of them,
 * and so has the coordinator: an update is encode(parameters - copy), and everyone adds decode(encode(parameters - copy)) to the
 * copy, so that what an encoding lost is in the next difference (error feedback; Karimireddy et al., Error Feedback Fixes SignSGD,
 * 2019). Who lacks updates gets those, or the whole copy where that is shorter, and so does who joins.
 */
export class SentParameters {
  readonly #coding: TensorCoding;
  readonly #copy: CommonCopy | undefined;
  #generation = -1;
  #whole: Whole | undefined;
  /** One version is made while the one before is read. */
  readonly #copies: LentCopies;
  /** The latest, each beginning where the one before ends. */
  #updates: Update[] = [];

  constructor(private readonly view: ParametersView, codec: Codec) {
    this.#coding = new TensorCoding(view, FLOAT32, view.floats);
    this.#copies = new LentCopies(view.floats * 4);
    if (codec.name !== 'float32') this.#copy = new CommonCopy(view, codec);
  }

  /** What a node lacks of the parameters as they are now, in the order in which it is sent. */
  *partsSince(known: ParametersVersion | undefined, now: ParametersVersion): Iterable<ParametersPart> {
    this.#follow(now);
    const lacking = known?.generation === now.generation ? this.#updatesSince(known.version) : undefined;
    if (lacking === undefined) yield* this.#wholeOf(now.version).parts;
    else for (const { parts } of lacking) yield* parts;
  }

  /**
   * The panels of the next version, which is being made: each may be asked for as soon as its values are there. Undefined where what
   * is sent depends on all of it.
   */
  ahead(next: ParametersVersion): LeavingParts | undefined {
    if (this.#copy !== undefined) return undefined;
    this.#follow(next);
    const ends = panelsOf(FLOAT32, this.view.floats).map(({ firstValue, valueCount }) => firstValue + valueCount);
    const parts = this.#wholeOf(next.version).parts[Symbol.iterator]();
    let sent = 0;
    const { updatedFloats } = this.view;
    return {
      *upTo(floats) {
        // Behind those that are updated the others lie, which never change.
        while (sent < ends.length && (floats >= updatedFloats || ends[sent]! <= floats)) {
          sent++;
          yield (parts.next() as IteratorYieldResult<ParametersPart>).value;
        }
      },
    };
  }

  /** A part is being sent: its bytes stay as they are until then. */
  lend({ bytes }: Pick<ParametersPart, 'bytes'>, sent: Promise<unknown>): void {
    this.#copies.lend(bytes, sent);
  }

  /** What was made of the next version is not it. */
  forgetAhead(): void {
    this.#dropWhole();
  }

  /** Brings the copy up to the parameters, if there is one. */
  #follow({ generation, version }: ParametersVersion): void {
    if (generation !== this.#generation) this.#forget();
    this.#generation = generation;
    const since = this.#copy?.version;
    if (this.#copy === undefined || since === version) return;
    const update = this.#copy.follow(version);
    // Who has another copy cannot use it.
    if (update === undefined || since === undefined) this.#updates = [];
    else this.#keep({ ...update, since, version });
  }

  #forget(): void {
    this.#dropWhole();
    this.#updates = [];
    this.#copy?.forget();
  }

  /** As many as are worth more than the whole copy. */
  #keep(update: Update): void {
    this.#updates.push(update);
    while (this.#updates.reduce((sum, { byteLength }) => sum + byteLength, 0) > this.view.floats * 4) this.#updates.shift();
  }

  /** The updates from a version to the newest; undefined where they are not there. */
  #updatesSince(version: number): readonly Update[] | undefined {
    if (version === this.#copy?.version) return [];
    const first = this.#updates.findIndex(({ since }) => since === version);
    return first < 0 ? undefined : this.#updates.slice(first);
  }

  /** The workers write the next version while sockets still send this one, so what is sent is a copy of its own. */
  #wholeOf(version: number): Sending {
    if (this.#whole?.version === version) return this.#whole;
    const address = this.#copy?.address ?? this.view.address;
    const copies: Uint8Array[] = [];
    const make = (panel: Panel): Uint8Array => {
      const copy = this.#copies.of(this.#coding.encode(address, panel));
      copies.push(copy);
      return copy;
    };
    const parts = new MadeOnce(panelsOf(FLOAT32, this.view.floats), (panel) => partOf({ version, kind: 'whole', codec: 'float32', ...panel }, make(panel)));
    this.#dropWhole();
    this.#whole = { parts, byteLength: this.view.floats * 4, version, copies };
    return this.#whole;
  }

  #dropWhole(): void {
    for (const copy of this.#whole?.copies ?? []) this.#copies.release(copy);
    this.#whole = undefined;
  }
}

/** The copy of the parameters that every node has. */
class CommonCopy {
  readonly address: number;
  /** Undefined: it is of no version that a node has. */
  version: number | undefined;
  readonly #coding: TensorCoding;
  readonly #difference: number;

  constructor(private readonly view: ParametersView, codec: Codec) {
    this.address = view.allocate('the copy of the parameters that nodes have', view.floats * 4);
    this.#difference = view.allocate('what the copy of the nodes lacks', view.updatedFloats * 4);
    this.#coding = new TensorCoding(view, codec, view.updatedFloats);
  }

  forget(): void {
    this.version = undefined;
  }

  /** Brings the copy to a version. @returns the update that does the same to others, or undefined where there is none */
  follow(version: number): Sending | undefined {
    const panels = this.version === undefined ? undefined : this.#encodedDifference();
    if (panels === undefined) this.#copyAll();
    else this.#add();
    this.version = version;
    if (panels === undefined) return undefined;
    const { codec: { name: codec } } = this.#coding;
    return {
      parts: new MadeOnce(panels, ({ bytes, ...panel }) => partOf({ version, kind: 'update', codec, ...panel }, bytes)),
      byteLength: panels.reduce((sum, { bytes }) => sum + bytes.byteLength, 0),
    };
  }

  /** Encodes the difference and leaves what is decoded in its place; undefined where that is not finite, and would stay so in every copy. */
  #encodedDifference(): (Panel & { readonly bytes: Uint8Array })[] | undefined {
    const { kernels, address, updatedFloats } = this.view;
    kernels['sub']!(address, 0, 0, this.address, 0, 0, this.#difference, 0, 1, updatedFloats);
    const panels = panelsOf(this.#coding.codec, updatedFloats).map((panel) => {
      const bytes = this.#coding.encode(this.#difference, panel);
      this.#coding.decode(bytes, panel, this.#difference);
      return { ...panel, bytes };
    });
    return kernels['allFinite']!(this.#difference, 0, 1, updatedFloats) === 1 ? panels : undefined;
  }

  #add(): void {
    this.view.kernels['addInto']!(this.address, this.#difference, this.view.updatedFloats);
  }

  #copyAll(): void {
    const { kernels, address, floats } = this.view;
    kernels['copyFloats']!(address, floats, this.address);
  }
}

/** Items that are made of others when they are first asked for. */
class MadeOnce<From, Made> implements Iterable<Made> {
  readonly #made: Made[] = [];

  constructor(private readonly from: readonly From[], private readonly make: (from: From) => Made) {}

  *[Symbol.iterator](): Iterator<Made> {
    for (const [index, from] of this.from.entries()) yield (this.#made[index] ??= this.make(from));
  }
}

function partOf(fields: Omit<ParametersPart, 'sha256' | 'bytes'>, bytes: Uint8Array): ParametersPart {
  return { ...fields, sha256: createHash('sha256').update(bytes).digest('hex'), bytes };
}
