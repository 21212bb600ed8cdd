// An operator's end: one command to a run, and its answer.
import { formatAddress } from './net/address.js';
import { dial } from './net/dial.js';
import type { Dialled } from './net/introduce.js';
import { clusterError } from './protocol/errors.js';
import { drawIdentitySecret, identityOf } from './protocol/identity.js';
import type { CommandMessage } from './protocol/messages.js';
import { keyedLink, type GivenLink } from './keyed-link.js';

export interface OperateOptions extends GivenLink {
  readonly command: CommandMessage['command'];
  readonly softwareVersion: string;
}

/**
 * Has a run carry out a command.
 * @returns the updates made by then
 * @throws ClusterError, what the coordinator refuses included
 */
export async function operate(options: OperateOptions): Promise<number> {
  const link = await keyedLink(options);
  const { connection } = await dial(link, { role: 'operator', identity: identityOf(drawIdentitySecret()), softwareVersion: options.softwareVersion, insecure: options.insecure ?? false });
  try {
    void connection.send({ type: 'command', id: 1, command: options.command });
    return await answerOf(connection, formatAddress(link));
  } finally {
    await connection.leave('finished');
  }
}

async function answerOf(connection: Dialled['connection'], address: string): Promise<number> {
  for (let message = await connection.receive(); message !== undefined; message = await connection.receive()) {
    if (message.type === 'performed') return message.step;
    if (message.type === 'error') break;
  }
  const ending = await connection.serve(() => {});
  throw ending.how === 'failed' ? ending.error : clusterError('ERR_UNREACHABLE', { address, problem: 'the connection ended before an answer came' });
}
