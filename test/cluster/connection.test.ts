import { expect, test } from 'vitest';
import { Arrivals, coordinator, JOIN_KEY, node, OPERATOR_KEY, parametersOf, RUN_ID, WELCOME } from './ends.js';
import type { FromCoordinatorMessage } from '../../cluster/net/connection.js';
import { clusterError } from '../../cluster/protocol/errors.js';
import { drawIdentitySecret, identityOf } from '../../cluster/protocol/identity.js';

test('a node that proves the key is welcomed, and the coordinator knows who it is', async () => {
  const host = await coordinator();
  const identity = identityOf(drawIdentitySecret());
  const { welcome, runId } = await node(host.link, { identity, softwareVersion: '1.2.3' });
  expect(welcome).toEqual({ ...WELCOME, bytes: expect.any(Uint8Array) as Uint8Array });
  expect(runId).toBe(RUN_ID);
  expect(await host.peers.at(0)).toEqual({ role: 'node', identity: identity.publicKey, softwareVersion: '1.2.3', address: '127.0.0.1' });
});
