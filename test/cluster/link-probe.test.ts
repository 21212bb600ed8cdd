import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTlsIdentity, fingerprintOf } from '../../cluster/net/certificate.js';
import type { JoinLink } from '../../cluster/protocol/keys.js';
import { probeLink } from '../../scripts/bench/link-probe.js';

const BODY = Buffer.alloc(300_000, 7);
let close: () => Promise<unknown>;
let link: JoinLink;

beforeAll(async () => {
  const { certificatePem, privateKeyPem } = await createTlsIdentity();
  const server = createServer({ cert: certificatePem, key: privateKeyPem }, (_request, response) => { response.end(BODY); });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  close = () => Promise.all([once(server, 'close'), server.close()]);
  link = { scheme: 'https', host: '127.0.0.1', port: (server.address() as AddressInfo).port, key: undefined, certificateSha256: fingerprintOf(certificatePem) };
});
afterAll(() => close());

test('a link with TLS is measured where the certificate is the one that it names', async () => {
  const { roundTripMs, rateMbps, clockOffsetSeconds } = await probeLink(link);
  expect([roundTripMs > 0, rateMbps > 0]).toEqual([true, true]);
  expect(Math.abs(clockOffsetSeconds!)).toBeLessThanOrEqual(1); // both clocks are this machine's, told in whole seconds
});

test('another certificate is refused by name, whoever answers', async () => {
  const other = { ...link, certificateSha256: 'ab'.repeat(32) };
  await expect(probeLink(other)).rejects.toThrow('its certificate is another than that of the link');
});
