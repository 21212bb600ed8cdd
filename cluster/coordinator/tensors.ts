import { needsFeedback, type Codecs } from '../../src/codecs/choice.js';
import type { Kernels } from '../../src/kernels/load.js';
import type { Session } from '../../src/train/session.js';
import { TensorCoding, type TensorRoom } from '../tensor-coding.js';
import type { SentToNodes } from './nodes.js';
import { SentParameters } from './sent-parameters.js';
import { ShareFates } from './share-fates.js';

export interface TensorsOptions extends Pick<TensorRoom, 'allocate'> {
  readonly session: Session;
  readonly kernels: Kernels;
  /** Address of the parameters, and their floats. */
  readonly parameters: number;
  readonly parameterFloats: number;
  readonly codecs: Codecs;
}

/** What goes to nodes and comes from them, in the codecs of a run. */
export interface Tensors extends SentToNodes {
  readonly room: TensorRoom;
  /** Of gradients, or of where steps of a node's own have led. */
  readonly arriving: TensorCoding;
}

export function tensorsOf({ session, kernels, parameters, parameterFloats, codecs, allocate }: TensorsOptions): Tensors {
  const room = { memory: session.memory, kernels, allocate };
  const updatedFloats = session.train!.plan.sumsOffset;
  return {
    room,
    arriving: new TensorCoding(room, codecs.toCoordinator, updatedFloats),
    parameters: new SentParameters({ ...room, address: parameters, floats: parameterFloats, updatedFloats }, codecs.toNode),
    fates: needsFeedback(codecs.toCoordinator) ? new ShareFates() : undefined,
  };
}
