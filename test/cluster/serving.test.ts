import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { joinRuns, type JoinOptions } from '../../cluster/join.js';
import { createTlsIdentity, fingerprintOf } from '../../cluster/net/certificate.js';
import { keepCluster } from '../../cluster/net/kept-cluster.js';
import { drawRunKeys } from '../../cluster/net/run-keys.js';
import { drawIdentitySecret, identityOf } from '../../cluster/protocol/identity.js';
import { formatJoinLink, parseJoinLink } from '../../cluster/protocol/keys.js';
import { distribute, type DistributeOptions, type Trainer } from '../../src/index.js';
import { compileKernels } from '../../src/kernels/load.js';
import { LocalPool } from '../../workers/pool.js';
import { classification, mlp } from '../threads/models.js';
import { Arrivals, node } from './ends.js';
import { speak } from './knock.js';

const { x, y } = classification(403, 13, 5);

/** A trainer that serves, and the links that it prints, the operator's last. */
async function serving(options: DistributeOptions, model = mlp()): Promise<{ readonly trainer: Trainer; readonly printed: string; readonly links: readonly string[] }> {
  const said = new Arrivals<string>();
  const trainer = await distribute(model, { workers: 1, kernels: 'portable', serve: '127.0.0.1:0', ...options, onNotice: (text) => { said.add(text); } });
  onTestFinished(() => trainer.close());
  const printed = await said.at(0);
  return { trainer, printed, links: [...printed.matchAll(/tensorflock (?:join|operate) '(.*)'/g)].map(([, link]) => link!) };
}

/** A node, and what it says. */
function joining(link: string, changes: Partial<JoinOptions> = {}): { readonly said: Arrivals<string>; readonly ended: Promise<void>; readonly leave: () => void } {
  const cache = mkdtempSync(join(tmpdir(), 'tensorflock-serving-'));
  onTestFinished(() => { rmSync(cache, { recursive: true, force: true }); });
  const [said, leaving] = [new Arrivals<string>(), new AbortController()];
  const ended = joinRuns({
    link, softwareVersion: '0.1.0', environment: { TENSORFLOCK_DATA: cache }, arithmetics: 'portable', once: true, random: () => 0, signal: leaving.signal,
    prepare: () => ({ pool: new LocalPool(1), module: compileKernels('portable'), tile: 0 }), notice: (sentence) => { said.add(sentence); }, ...changes,
  });
  return { said, ended, leave: () => { leaving.abort(new Error('enough')); } };
}

/** Until it has been said so many times. */
async function until(said: Arrivals<string>, pattern: RegExp, times = 1): Promise<void> {
  for (let index = 0, seen = 0; seen < times; index++) if (pattern.test(await said.at(index))) seen++;
}

describe('the door of a trainer', () => {
  test('has a given certificate, whose fingerprint is in every link', async () => {
    const tls = await createTlsIdentity(['trainer.lan']);
    const { links } = await serving({ tls });
    expect(links.map((link) => parseJoinLink(link).certificateSha256)).toEqual(links.map(() => fingerprintOf(tls.certificatePem)));
    expect(parseJoinLink(links[0]!).scheme).toBe('https');
  });

  test('goes by further names, whose links stand first', async () => {
    const { links } = await serving({ hosts: ['trainer.lan', 'Trainer'] });
    expect(links.slice(0, -1).map((link) => parseJoinLink(link).host)).toEqual(['trainer.lan', 'trainer', '127.0.0.1']);
    const { port } = parseJoinLink(links[0]!);
    const answered = async (host: string): Promise<string> => (await speak(port, `GET / HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`)).slice(0, 12);
    expect([await answered('trainer.lan'), await answered('other.lan')]).toEqual(['HTTP/1.1 200', 'HTTP/1.1 421']);
  });

  test('has two keys, which do not stand together', async () => {
    const { printed, links } = await serving({});
    const [joinKey, operatorKey] = [links[0]!, links.at(-1)!].map((link) => Buffer.from(parseJoinLink(link).key!).toString('base64url'));
    expect(joinKey).not.toBe(operatorKey);
    expect(printed.indexOf(operatorKey!)).toBeGreaterThan(printed.indexOf('keep it to yourself'));
  });

  test('without keys says so, and lets nodes in who were told so', async () => {
    const { trainer, printed, links } = await serving({ insecure: true, workers: 0 });
    expect(links).toEqual([expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/#insecure$/)]);
    expect(printed).toContain('--insecure: no key is asked for.');
    const fitting = trainer.fit(x, y);
    await expect(joining(links[0]!).ended).rejects.toMatchObject({ code: 'ERR_INSECURE' });
    await joining(links[0]!, { insecure: true }).ended;
    await fitting;
  });

  test.each<[string, DistributeOptions, string]>([
    ['a short key', { joinKey: 'AAAA' }, 'ERR_KEY'],
    ['a key that is not needed', { joinKey: 'A'.repeat(22), insecure: true }, 'ERR_OPTION'],
    ['a host that is none', { hosts: ['a b'] }, 'ERR_OPTION'],
    ['an announcement of loopback', { announce: true }, 'ERR_OPTION'],
    ['a certificate that is none', { tls: { certificatePem: 'x', privateKeyPem: 'y' } }, 'ERR_OPTION'],
  ])('is refused %s', async (_, options, code) => {
    await expect(serving(options)).rejects.toMatchObject({ code, kind: 'input' });
  });

  test('is not opened to an operator where the key is of nodes', async () => {
    const { trainer, links } = await serving({ workers: 0 });
    const fitting = trainer.fit(x, y);
    const link = parseJoinLink(links[0]!);
    await expect(node(link, { role: 'operator' })).rejects.toMatchObject({ code: 'ERR_COORDINATOR_UNPROVED' });
    await joining(formatJoinLink(link)).ended;
    await fitting;
  });
});

test('a coordinator that was started again lets nobody in whom an earlier start expelled', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tensorflock-expelled-'));
  onTestFinished(() => { rmSync(folder, { recursive: true, force: true }); });
  const [liar, honest] = [identityOf(drawIdentitySecret()), identityOf(drawIdentitySecret())];
  const keys = drawRunKeys();
  const register = { generation: 4, nextNumber: 3, members: [{ identity: liar.publicKey, number: 1, isExpelled: true }, { identity: honest.publicKey, number: 2, isExpelled: false }] };
  await keepCluster(folder, { register, runId: 'ab'.repeat(16), keys, address: { host: '127.0.0.1', port: 1 } });
  const { trainer, links } = await serving({ workers: 0, serveFrom: folder });
  const fitting = trainer.fit(x, y);
  await expect(node(parseJoinLink(links[0]!), { identity: liar })).rejects.toMatchObject({ code: 'ERR_EXPELLED' });
  expect((await node(parseJoinLink(links[0]!), { identity: honest })).welcome).toMatchObject({ generation: 5, node: 2 });
  await joining(links[0]!).ended;
  await fitting;
});

test('a node serves one run after another, and with `once` the first alone', async () => {
  const { trainer, links } = await serving({ workers: 0 });
  const first = trainer.fit(x, y);
  const [staying, once] = [joining(links[0]!, { once: false }), joining(links[0]!)];
  await first;
  await once.ended;
  const second = trainer.fit(x, y);
  await until(staying.said, /^taking part with 1 workers$/, 2);
  await second;
  await until(staying.said, /^the run has come to its end; waiting for the next$/, 2);
  staying.leave();
  await expect(staying.ended).rejects.toThrow('enough');
});

test('a relay hands on one run after another, each to its end', async () => {
  const alone = await distribute(mlp(), { workers: 1, kernels: 'portable' });
  onTestFinished(() => alone.close());
  const { trainer, links } = await serving({ workers: 0 });
  const relay = joining(links[0]!, { once: false, relay: { door: { address: '127.0.0.1:0' }, workers: 0 } });
  const node = joining(/tensorflock join '(.*)'/.exec(await relay.said.at(0))![1]!, { once: false });
  for (let run = 1; run <= 2; run++) {
    await alone.fit(x, y);
    await trainer.fit(x, y);
    expect(trainer.hashes().stateSha256).toBe(alone.hashes().stateSha256);
    await until(node.said, /^the run has come to its end/, run);
  }
  expect(trainer.mostNodes).toBe(2);
  node.leave();
  await expect(node.ended).rejects.toThrow('enough');
  relay.leave();
  await expect(relay.ended).rejects.toThrow('enough');
});

test('a relay off loopback has a certificate of its own, and with `insecure` no key', async () => {
  const { links } = await serving({ insecure: true });
  const printed = async (changes: Partial<JoinOptions>): Promise<string> => {
    const { said, ended, leave } = joining(links[0]!, { insecure: true, once: false, ...changes });
    const [, text] = [await said.at(0), await said.at(1)];
    leave();
    await ended.catch(() => undefined);
    return text;
  };
  const open = await printed({ relay: { door: { address: '127.0.0.1:0', insecure: true }, workers: 1 } });
  expect(open).toMatch(/#insecure' --insecure\n/);
  expect(open).toContain('Whoever reaches this address can join this run and see its data,');
  const closed = await printed({ relay: { door: { address: '0.0.0.0:0', hosts: ['relay.lan'] }, workers: 1 } });
  expect(closed).toMatch(/join 'https:\/\/relay\.lan:\d+\/#k=[\w-]{22}&fp=[\w-]{43}'/);
  expect(closed).not.toContain('operate');
});

/** 17,203,200 weights of the first layer alone, 68,812,800 bytes, which cost no time to be drawn. */
function bigModel(): tfl.LayersModel {
  const model = tfl.sequential({
    layers: [tfl.layers.dense({ units: 4_096, kernelInitializer: 'zeros', inputShape: [4_200] }), tfl.layers.dense({ units: 5, activation: 'softmax', kernelInitializer: tfl.initializers.glorotUniform({ seed: 1 }) })],
  });
  model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' });
  return model;
}

test('a model of more than 64 MiB of parameters reaches a node, and no bit changes', async () => {
  const data = classification(4, 4_200, 5);
  const [fit, shardSize] = [{ batchSize: 2, epochs: 1 }, 1]; // a probe of few rows
  const alone = await distribute(bigModel(), { workers: 1, kernels: 'portable', shardSize });
  await alone.fit(data.x, data.y, fit);
  const { weightsSha256 } = alone.hashes();
  await alone.close();
  const { trainer, links } = await serving({ workers: 0, shardSize }, bigModel());
  await Promise.all([trainer.fit(data.x, data.y, fit), joining(links[0]!, { giveUpAfterMs: 0 }).ended]);
  expect(trainer.hashes().weightsSha256).toBe(weightsSha256);
});
