// Trouble for nodes, made on purpose, so that people see what a run does about it.
import { clusterError } from '../protocol/errors.js';
import type { ImpedeMessage } from '../protocol/messages.js';
import type { TakenNodes } from './taken-nodes.js';

/** @throws ERR_NO_CHAOS */
export function impede({ node, how }: ImpedeMessage, nodes: Pick<TakenNodes, 'channelOf'>, { mayChaos = false }: { readonly mayChaos?: boolean }): void {
  if (!mayChaos) throw clusterError('ERR_NO_CHAOS', { node, problem: 'this run was started without --chaos' });
  const channel = nodes.channelOf(node);
  if (channel === undefined) throw clusterError('ERR_NO_CHAOS', { node, problem: 'no such node takes part now' });
  if (how === 'drop') channel.close('ERR_NODE_TIMEOUT'); // as a lost one it dials again
  else channel.impede?.(how === 'heal' ? undefined : how);
}
