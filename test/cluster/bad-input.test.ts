import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { joinRuns, type JoinOptions } from '../../cluster/join.js';
import { createTlsIdentity } from '../../cluster/net/certificate.js';
import type { NodeTools } from '../../cluster/node/computing.js';
import { CLUSTER_ERRORS, type ClusterError, type ClusterErrorCode } from '../../cluster/protocol/errors.js';
import { formatJoinLink, formatKey } from '../../cluster/protocol/keys.js';
import type { DataRequestMessage, WelcomeMessage } from '../../cluster/protocol/messages.js';
import type { ManifestColumn } from '../../cluster/protocol/run-description.js';
import { encodeRunPlan } from '../../cluster/run-plan.js';
import { distribute } from '../../src/index.js';
import { compileKernels, setEngineFlags, type Arithmetic } from '../../src/kernels/load.js';
import { LocalPool } from '../../workers/pool.js';
import { read } from '../docs/documents.js';
import { Spoilt } from '../pure/plan-by-hand.js';
import { classification, mlp } from '../threads/models.js';
import { Arrivals, coordinator, JOIN_KEY, OPERATOR_KEY, sha256, WELCOME, type Coordinator } from './ends.js';
import { HandNode } from './knock.js';

// Everything that a user may give wrongly where machines join: one sentence where somebody can act, a code, a close code, and a
// line in the docs. No sentence, on either side, has a key in it.

setEngineFlags();
const cache = mkdtempSync(join(tmpdir(), 'tensorflock-bad-'));
afterAll(() => { rmSync(cache, { recursive: true, force: true }); });

const WRONG_KEY = new Uint8Array(16).fill(9);
const KEYS = [JOIN_KEY, OPERATOR_KEY, WRONG_KEY].flatMap((key) => [formatKey(key), Buffer.from(key).toString('hex')]);
const sentences: string[] = [];

function tools(arithmetic: Arithmetic): NodeTools {
  return { pool: new LocalPool(1), module: compileKernels(arithmetic), tile: 0 };
}

/** What a node that joins once ends with, and what it said until then. */
async function refusal(link: string, changes: Partial<JoinOptions> = {}): Promise<{ readonly error: ClusterError; readonly said: readonly string[] }> {
  const said: string[] = [];
  const options: JoinOptions = {
    link, softwareVersion: '0.1.0', environment: { TENSORFLOCK_DATA: cache }, prepare: () => tools('portable'), arithmetics: 'portable', once: true, giveUpAfterMs: 0,
    random: () => 0, signal: new AbortController().signal, notice: (sentence) => { said.push(sentence); }, ...changes,
  };
  const error = await joinRuns(options).then(() => { throw new Error('it joined'); }, (reason: ClusterError) => reason);
  sentences.push(error.message, ...said);
  return { error, said };
}

/** One sentence of that code, which ends the command with that status. */
function expectOne({ code, message, closeCode, kind }: ClusterError, expected: ClusterErrorCode, status: 1 | 2, sentence: string | RegExp): void {
  expect(code).toBe(expected);
  expect(kind).toBe(status === 2 ? 'input' : 'run');
  expect(closeCode).toBe(CLUSTER_ERRORS[expected].closeCode);
  expect(message).toMatch(sentence);
  expect(message).toMatch(/^[^\n]+\.$/);
}

const linkOf = (host: Coordinator): string => formatJoinLink(host.link);

async function refusedBy(host: Coordinator): Promise<ClusterError> {
  const error = await host.refused.at(0);
  sentences.push(error.message);
  return error;
}

describe('a wrong key', () => {
  test('of a node is found out by the node, which shows nothing', async () => {
    const host = await coordinator();
    const { error } = await refusal(formatJoinLink({ ...host.link, key: WRONG_KEY }));
    expectOne(error, 'ERR_COORDINATOR_UNPROVED', 2, `What answers at 127.0.0.1:${host.port} did not prove the key of the link; copy the whole link that the coordinator printed.`);
  });

  test('of a node that does not look is found out by the coordinator', async () => {
    const host = await coordinator();
    const stranger = new HandNode(`ws://127.0.0.1:${host.port}/`);
    const { hello, challenge } = await stranger.challenged();
    stranger.send({ ...stranger.proofOf(JOIN_KEY, hello, challenge), proof: 'a'.repeat(64) } as Parameters<HandNode['send']>[0]);
    expect(await stranger.closed).toBe('4011 ERR_WRONG_KEY');
    expectOne(await refusedBy(host), 'ERR_WRONG_KEY', 2, 'The node at 127.0.0.1 did not prove the join key of this run; give it the link that the coordinator printed.');
  });
});

describe('a wrong version', () => {
  test('of the node is told on both sides', async () => {
    const host = await coordinator();
    const other = new HandNode(`ws://127.0.0.1:${host.port}/`);
    void other.challenged({ protocolVersion: 2 });
    expect(await other.closed).toBe('4010 ERR_PROTOCOL_VERSION');
    expectOne(await refusedBy(host), 'ERR_PROTOCOL_VERSION', 2, 'The node speaks version 2 of the protocol and this coordinator version 1; install the same version of tensorflock on both.');
  });

  test('of the coordinator ends the node', async () => {
    const server = createServer();
    new WebSocketServer({ server }).on('connection', (ws) => { ws.close(4010, 'ERR_PROTOCOL_VERSION'); });
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    onTestFinished(() => { server.close(); });
    const { error } = await refusal(`http://127.0.0.1:${(server.address() as AddressInfo).port}/#k=${formatKey(JOIN_KEY)}`);
    expectOne(error, 'ERR_PROTOCOL_VERSION', 2, /different versions of the protocol; install the same version of tensorflock on both\.$/);
  });
});

describe('other arithmetic', () => {
  /** What the coordinator of a run with portable kernels says, and the link to it. */
  async function serving(): Promise<{ readonly link: string; readonly said: Arrivals<string> }> {
    const said = new Arrivals<string>();
    const trainer = await distribute(mlp(), { workers: 0, kernels: 'portable', serve: '127.0.0.1:0', joinKey: formatKey(JOIN_KEY), onNotice: (sentence) => { said.add(sentence); } });
    const { x, y } = classification(64, 13, 5);
    const fitting = trainer.fit(x, y).catch(() => undefined);
    onTestFinished(async () => {
      await trainer.close();
      await fitting;
    });
    return { link: /join '(.*)'/.exec(await said.at(0))![1]!, said };
  }

  async function gone(said: Arrivals<string>): Promise<string> {
    for (let index = 1; ; index++) {
      const sentence = await said.at(index);
      sentences.push(sentence);
      if (sentence.startsWith('node 0 is gone: ')) return sentence;
    }
  }

  test('that the engine does not have is told on both sides, with the option that admits the node', async () => {
    const { link, said } = await serving();
    const { error } = await refusal(link, { prepare: () => undefined, arithmetics: 'native:test' });
    expectOne(error, 'ERR_OTHER_ARITHMETIC', 2, 'The node computes with native:test and the run with portable; start the run with --kernels portable to admit it.');
    expect(await gone(said)).toBe(`node 0 is gone: ${error.message}`);
  });

  test('that the probe finds out is told on both sides', async () => {
    const { link, said } = await serving();
    const { error } = await refusal(link, { prepare: () => tools('fma') });
    expectOne(error, 'ERR_OTHER_ARITHMETIC', 2, 'The node computes with portable, whose probe differs and the run with portable; start the run with --kernels portable to admit it.');
    expect(await gone(said)).toBe(`node 0 is gone: ${error.message}`);
  });
});

describe('what a run is', () => {
  const column = (role: ManifestColumn['role'], width: number, hash: string): ManifestColumn => ({
    name: `train ${role} 0`, role, split: 'train', sha256: hash, byteLength: 40 * width, type: 'uint8', shape: [width], exampleCount: 40, scale: 1,
  });

  function welcome(plan: Uint8Array): WelcomeMessage {
    return { ...WELCOME, exampleCount: 40, columns: [column('input', 6, '1'.repeat(64)), column('target', 1, '2'.repeat(64))], sha256: sha256(plan), bytes: plan };
  }

  async function run(plan: Uint8Array): Promise<Coordinator> {
    const host = await coordinator();
    host.welcome = welcome(plan);
    // The welcome comes first.
    void host.connections.at(0).then((connection) => setImmediate(() => { void connection.send({ type: 'probe', probeSeed: 0 }); }));
    return host;
  }

  /** What the coordinator learns of it. */
  async function toldOf(host: Coordinator): Promise<ClusterError> {
    const ending = await host.endings.at(0);
    return (ending as Extract<typeof ending, { readonly how: 'failed' }>).error as ClusterError;
  }

  test('other plan: one that the check refuses ends the node, and the coordinator is told', async () => {
    const spoilt = new Spoilt();
    spoilt.step('unary').name = 'sgd';
    const host = await run(encodeRunPlan({ plan: spoilt.plan, parameterFloats: 64 }));
    const { error } = await refusal(linkOf(host));
    expectOne(error, 'ERR_OTHER_PLAN', 2, /^The plan of 127\.0\.0\.1:\d+ cannot be used here: the plan cannot be run: .*; install the same version of tensorflock on both\.$/);
    expect((await toldOf(host)).message).toBe(error.message);
  });

  test('other data: a column with other bytes than its hash ends the node, and the coordinator is told', async () => {
    const host = await run(encodeRunPlan({ plan: new Spoilt().plan, parameterFloats: 64 }));
    host.handle = async (message) => {
      if (message.type !== 'dataRequest') return;
      const { column: asked, offset, byteLength } = message satisfies DataRequestMessage;
      const bytes = new Uint8Array(byteLength);
      await (await host.connections.at(0)).send({ type: 'dataChunk', column: asked, offset, sha256: sha256(bytes), bytes });
    };
    const { error } = await refusal(linkOf(host));
    expectOne(error, 'ERR_OTHER_DATA', 2, /^The column "train (input|target) 0" has the SHA-256 [\da-f]{64} and the run needs (1{64}|2{64}); remove the file, so that it is fetched again\.$/);
    expect((await toldOf(host)).message).toBe(error.message);
  });
});

describe('an address', () => {
  test('whose port is taken ends the coordinator', async () => {
    const host = await coordinator();
    const serving = distribute(mlp(), { workers: 1, kernels: 'portable', serve: `127.0.0.1:${host.port}` });
    const error = await serving.then(() => { throw new Error('it listens'); }, (reason: ClusterError) => reason);
    expectOne(error, 'ERR_PORT_BUSY', 2, `Another program listens on 127.0.0.1:${host.port}; choose another port with --serve, or 0 for a free one.`);
  });

  test('where nobody listens is tried again until it is time to give up', async () => {
    const host = await coordinator();
    const link = linkOf(host);
    await host.listener.close();
    const { error, said } = await refusal(link, { giveUpAfterMs: 400 });
    expectOne(error, 'ERR_UNREACHABLE', 1, `Nothing answers at 127.0.0.1:${host.port}: no program listens there.`);
    expect(said).toEqual([`Nothing answers at 127.0.0.1:${host.port}: no program listens there; dialling again in 0.3 s`]);
  });

  test('whose certificate is another one ends the node', async () => {
    const host = await coordinator({ tls: await createTlsIdentity() });
    const { error } = await refusal(formatJoinLink({ ...host.link, certificateSha256: 'c'.repeat(64) }));
    expectOne(error, 'ERR_CERTIFICATE', 2, /^The certificate of 127\.0\.0\.1:\d+ has the fingerprint [\da-f]{64} and the link names c{64}; copy the link again, and if that does not help somebody stands between\.$/);
  });

  test('without a port is no link', async () => {
    const { error } = await refusal(`http://127.0.0.1/#k=${formatKey(JOIN_KEY)}`);
    expectOne(error, 'ERR_JOIN_LINK', 2, 'The join link has no port; it has the form http://host:port/#k=… and is best copied whole.');
  });
});

test('each has a close code of its own from 4000 to 4999, and a line in both pages', () => {
  const codes: ClusterErrorCode[] = [
    'ERR_WRONG_KEY', 'ERR_COORDINATOR_UNPROVED', 'ERR_PROTOCOL_VERSION', 'ERR_OTHER_ARITHMETIC', 'ERR_OTHER_PLAN', 'ERR_OTHER_DATA', 'ERR_PORT_BUSY', 'ERR_UNREACHABLE',
    'ERR_CERTIFICATE', 'ERR_JOIN_LINK',
  ];
  const [errors, protocol] = [read('docs/errors.md'), read('docs/protocol.md')];
  const closeCodes = codes.map((code) => CLUSTER_ERRORS[code].closeCode);
  expect(new Set(closeCodes.filter((code) => code >= 4_000 && code <= 4_999)).size).toBe(codes.length);
  for (const code of codes) {
    expect(errors).toContain(`| \`${code}\` |`);
    expect(protocol).toContain(`| \`${code}\` | ${CLUSTER_ERRORS[code].closeCode} |`);
  }
});

test('no sentence of these has a key in it', () => {
  expect(sentences.length).toBeGreaterThan(12);
  for (const key of KEYS) expect(sentences.filter((sentence) => sentence.includes(key))).toEqual([]);
});
