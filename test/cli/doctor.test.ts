import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { FASHION_MNIST } from '../../src/data/image-sets.js';
import { findRealSet } from '../data/real-sets.js';
import { startTensorflock, tensorflock, tensorflockIn } from './command.js';

const set = findRealSet(FASHION_MNIST);

test('doctor finds a link open, and says in one sentence with numbers what would help', async (context) => {
  if ('missing' in set) return context.skip(set.missing);
  const serving = startTensorflock('train', 'fashion-mnist-linear', '--workers', '0', '--serve', '127.0.0.1:0', '--fetch', 'none'); // waits for a node
  let link: string | undefined;
  for await (const line of createInterface({ input: serving.stderr! })) {
    link = /tensorflock join '(.*)'/.exec(line)?.[1];
    if (link !== undefined) break;
  }
  const { status, stdout, stderr } = tensorflockIn({ TENSORFLOCK_DATA: set.cacheFolder }, 'doctor', link!, '--size', 'linear', '--batch', '256');
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^link {5}open, round trip \d+\.\d\d ms, \d+ Mbit\/s, its clock [01] s (ahead|behind)$/m);
  expect(stdout).toMatch(/^advice {3}linear: a step of 256 examples takes \d+\.\d\d ms here, and its parameters and gradients \d+\.\d\d ms there and back \(31 kB each way at [\d,]+ Mbit\/s, .*\.$/m);
});

test('a link where nobody answers is a sentence, and status 1', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  const { status, stdout, stderr } = tensorflock('doctor', `http://127.0.0.1:${port}/`);
  expect(status).toBe(1);
  expect(stdout).toMatch(/^cores /);
  expect(stderr).toBe(`nobody can join at 127.0.0.1:${port} (ECONNREFUSED); see whether the run still serves there, and whether a firewall lets its port through.\n`);
});

test('what is no link is refused', () => {
  expect(tensorflock('doctor', 'somewhere')).toMatchObject({ status: 2, stdout: '' });
  expect(tensorflock('doctor', '--size', 'mpl')).toEqual({ status: 2, stdout: '', stderr: '--size "mpl" is not a network; did you mean mlp (of linear, mlp, mlp-wide)?\n' });
});
