import { PanelOrder } from '../panels.js';
import { clusterError } from '../protocol/errors.js';
import type { MessageOf } from '../protocol/messages.js';
import type { TensorCoding, TensorRoom } from '../tensor-coding.js';
import type { Sender } from './share-inbox.js';

/** Where a node's own steps have led, of which some panels have come. */
interface Incoming {
  readonly assignment: number;
  readonly order: PanelOrder;
  readonly difference: Float32Array;
}

/** States that come over the wire, panel by panel; over each connection one at a time. */
export class StateInbox {
  readonly #landing: Float32Array;
  /** By connection. */
  readonly #incoming = new Map<number, Incoming>();

  constructor({ memory, allocate }: TensorRoom, private readonly coding: TensorCoding, private readonly sumCount: number) {
    const address = allocate('a state that arrives', coding.values * 4); // before the buffer is asked for, which may be longer then
    this.#landing = new Float32Array(memory.buffer, address, coding.values);
  }

  /** Takes a panel. @returns the differences of the parameters when they are whole, and undefined before @throws ERR_SHARE */
  take({ member, connection }: Sender, message: MessageOf<'state'>): Float32Array | undefined {
    const { codec, values } = this.coding;
    const incoming = this.#incoming.get(connection) ?? { assignment: message.assignment, order: new PanelOrder(codec, values), difference: new Float32Array(values) };
    const problem = this.#problem(incoming, message) ?? incoming.order.problem(message) ?? this.#decode(incoming, message);
    if (problem !== undefined) throw clusterError('ERR_SHARE', { step: message.version, node: member, problem });
    incoming.order.took(message);
    this.#incoming.set(connection, incoming);
    if (!incoming.order.isComplete) return undefined;
    this.#incoming.delete(connection);
    return incoming.difference;
  }

  /** A connection has ended: what was begun over it does not come any more. */
  drop(connection: number): void {
    this.#incoming.delete(connection);
  }

  #problem({ assignment }: Incoming, message: MessageOf<'state'>): string | undefined {
    const { name } = this.coding.codec;
    if (message.assignment !== assignment) return 'it comes before the one before it is whole';
    if (message.codec !== name) return `its codec is ${message.codec} and that of the run ${name}`;
    return message.sums.length === this.sumCount ? undefined : `it has ${message.sums.length} sums and the plan ${this.sumCount}`;
  }

  #decode({ difference }: Incoming, { bytes, firstValue, valueCount }: MessageOf<'state'>): string | undefined {
    const landing = this.#landing;
    if (!this.coding.decode(bytes, { firstValue, valueCount }, landing.byteOffset)) return `its ${bytes.byteLength} bytes are no encoding of ${valueCount} values`;
    difference.set(landing.subarray(firstValue, firstValue + valueCount), firstValue);
    return undefined;
  }
}
