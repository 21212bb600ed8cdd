import { FLOAT32, type Codec } from '../../src/codecs/codec.js';
import { PanelOrder } from '../panels.js';
import { clusterError } from '../protocol/errors.js';
import type { MessageOf } from '../protocol/messages.js';
import { TensorCoding, type TensorRoom } from '../tensor-coding.js';

/** Where a node keeps the parameters. */
export interface ParametersPlace {
  readonly address: number;
  /** Of all parameters, and of those that are updated, which come first. */
  readonly floats: number;
  readonly updatedFloats: number;
}

interface Incoming extends Pick<MessageOf<'parameters'>, 'version' | 'kind'> {
  readonly order: PanelOrder;
}

/** Parameters that come panel by panel: they wait until all of a version are there, and come into force in one go. */
export class ParametersInbox {
  readonly #codings: Readonly<Record<Incoming['kind'], TensorCoding>>;
  /** Where they wait. */
  readonly #arrived: number;
  #incoming: Incoming | undefined;
  /** Updates can be added: parameters have come whole. */
  #hasWhole = false;

  /** @param codec of updates; whole parameters come in float32 */
  constructor(private readonly room: TensorRoom, private readonly place: ParametersPlace, codec: Codec) {
    this.#codings = { whole: new TensorCoding(room, FLOAT32, place.floats), update: new TensorCoding(room, codec, place.updatedFloats) };
    this.#arrived = room.allocate('parameters that arrive', place.floats * 4);
  }

  /** A connection begins: parameters come whole first. */
  begin(): void {
    this.#incoming = undefined;
    this.#hasWhole = false;
  }

  /** Takes a panel. Those before must have been applied. @returns whether all of the version are there @throws ERR_MESSAGE */
  take(message: MessageOf<'parameters'>): boolean {
    if (message.firstValue === 0) this.#incoming = undefined; // what the coordinator sent while it made it was not the version after all
    const incoming = (this.#incoming ??= this.#begin(message));
    const problem = this.#problem(incoming, message) ?? incoming.order.problem(message) ?? this.#decode(message);
    if (problem !== undefined) throw clusterError('ERR_MESSAGE', { type: message.type, problem });
    incoming.order.took(message);
    return incoming.order.isComplete;
  }

  /** What came takes the place of the parameters, or is added to them; nothing may compute meanwhile. */
  apply(): void {
    const { kernels } = this.room;
    const { address, floats, updatedFloats } = this.place;
    if (this.#incoming?.kind === 'update') kernels['addInto']!(address, this.#arrived, updatedFloats);
    else kernels['copyFloats']!(this.#arrived, floats, address);
    this.#hasWhole = true;
    this.#incoming = undefined;
  }

  #begin({ version, kind }: MessageOf<'parameters'>): Incoming {
    const { codec, values } = this.#codings[kind];
    return { version, kind, order: new PanelOrder(codec, values) };
  }

  #problem({ version, kind }: Incoming, message: MessageOf<'parameters'>): string | undefined {
    if (message.version !== version || message.kind !== kind) return `version ${message.version} comes before version ${version} is whole`;
    if (kind === 'update' && !this.#hasWhole) return 'it is an update and nothing was there before';
    const { name } = this.#codings[kind].codec;
    return message.codec === name ? undefined : `its codec is ${message.codec} and not ${name}`;
  }

  #decode(message: MessageOf<'parameters'>): string | undefined {
    if (this.#codings[message.kind].decode(message.bytes, message, this.#arrived)) return undefined;
    return `its ${message.bytes.byteLength} bytes are no encoding of ${message.valueCount} values`;
  }
}
