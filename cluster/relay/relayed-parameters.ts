import type { ParametersPart } from '../coordinator/sent-parameters.js';
import { clusterError } from '../protocol/errors.js';
import type { MessageOf } from '../protocol/messages.js';

/** Parameters as they came from above: they go down in the same panels with the same hashes, whose bytes nothing writes to. */
export class RelayedParameters {
  #arriving: ParametersPart[] = [];
  #whole: readonly ParametersPart[] = [];

  /** A panel. @throws ERR_MESSAGE for one that is no use to who lacks the parameters before */
  take({ version, kind, codec, firstValue, valueCount, sha256, bytes }: MessageOf<'parameters'>): void {
    if (kind !== 'whole') throw clusterError('ERR_MESSAGE', { type: 'parameters', problem: 'a relay takes them whole' });
    if (firstValue === 0) this.#arriving = [];
    this.#arriving.push({ version, kind, codec, firstValue, valueCount, sha256, bytes });
  }

  /** All panels of a version have come, and take the place of those before. */
  complete(): void {
    this.#whole = this.#arriving;
    this.#arriving = [];
  }

  /** For a node that has others. */
  partsSince(): Iterable<ParametersPart> {
    return this.#whole;
  }
}
