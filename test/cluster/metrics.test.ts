import { request } from 'node:http';
import { describe, expect, test } from 'vitest';
import { formatKey, NO_KEY } from '../../cluster/protocol/keys.js';
import { TRY_LIMITS } from '../../cluster/protocol/try-limiter.js';
import { coordinator, JOIN_KEY, node, OPERATOR_KEY, type Coordinator } from './ends.js';
import { HandClock } from './hand-clock.js';

const METRICS_KEY = new Uint8Array(16).fill(3);
const bearer = (key: Uint8Array): { readonly Authorization: string } => ({ Authorization: `Bearer ${formatKey(key)}` });
const source = { key: METRICS_KEY, contentType: 'text/plain; version=0.0.4', text: () => Promise.resolve('tensorflock_info 1\n') };
const serving = (options: Parameters<typeof coordinator>[0] = {}): Promise<Coordinator> => coordinator({ metrics: source, ...options });

interface Answered {
  readonly status: number | undefined;
  readonly text: string;
  readonly headers: Readonly<Record<string, unknown>>;
}

function get(host: Coordinator, headers: Readonly<Record<string, string | string[]>> = {}, { path = '/metrics', method = 'GET' } = {}): Promise<Answered> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port: host.port, path, method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; }).on('end', () => { resolve({ status: response.statusCode, text, headers: response.headers }); });
    }).on('error', reject).end();
  });
}

test('who has the metrics key reads them', async () => {
  const answered = await get(await serving(), bearer(METRICS_KEY));
  expect(answered).toMatchObject({ status: 200, text: 'tensorflock_info 1\n', headers: { 'content-type': source.contentType, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } });
});

describe('nobody else does', () => {
  test.each<[string, Parameters<typeof get>[1], Parameters<typeof get>[2], number]>([
    ['without a key', {}, {}, 401],
    ['with the join key', bearer(JOIN_KEY), {}, 401],
    ['with the operator key', bearer(OPERATOR_KEY), {}, 401],
    ['with no key at all', bearer(NO_KEY), {}, 401],
    ['with a part of it', { Authorization: bearer(METRICS_KEY).Authorization.slice(0, -1) }, {}, 401],
    ['with another scheme', { Authorization: `Basic ${formatKey(METRICS_KEY)}` }, {}, 401],
    ['with the key in the query', {}, { path: `/metrics?key=${formatKey(METRICS_KEY)}` }, 404],
    ['under another host', { ...bearer(METRICS_KEY), Host: 'evil.example' }, {}, 421],
    ['from a page of another origin', { ...bearer(METRICS_KEY), Origin: 'http://evil.example' }, {}, 403],
    ['by another method', bearer(METRICS_KEY), { method: 'POST' }, 405],
  ])('%s', async (_, headers, place, status) => {
    const answered = await get(await serving(), headers, place);
    expect(answered.status).toBe(status);
    expect(answered.text).not.toContain('tensorflock_info');
    if (status === 401) expect(answered.headers['www-authenticate']).toMatch(/^Bearer/);
  });

  test('and a wrong key is told, where a missing one is not', async () => {
    const host = await serving();
    await get(host);
    await get(host, bearer(JOIN_KEY));
    expect(host.refused.all).toMatchObject([{ code: 'ERR_METRICS_KEY', message: 'A request for /metrics from 127.0.0.1 did not bring the metrics key of this run; give Prometheus the key that was printed for it.' }]);
  });

  test('nor by guessing, which keeps no node out', async () => {
    const clock = new HandClock();
    const host = await serving({ clock });
    for (let guess = 0; guess < TRY_LIMITS.burst; guess++) expect((await get(host, bearer(JOIN_KEY))).status).toBe(401);
    expect(await get(host, bearer(METRICS_KEY))).toMatchObject({ status: 429, headers: { 'retry-after': String(TRY_LIMITS.forgetMs / 1_000) } });
    await node(host.link);
    clock.advance(TRY_LIMITS.forgetMs);
    expect((await get(host, bearer(METRICS_KEY))).status).toBe(200);
    expect((await get(host, bearer(METRICS_KEY))).status).toBe(200);
  });
});

test('the metrics key opens nothing else', async () => {
  const host = await serving();
  await expect(node({ ...host.link, key: METRICS_KEY })).rejects.toMatchObject({ code: 'ERR_COORDINATOR_UNPROVED' });
  await expect(node({ ...host.link, key: METRICS_KEY }, { role: 'operator' })).rejects.toMatchObject({ code: 'ERR_COORDINATOR_UNPROVED' });
});

test('where somebody typed --insecure, nobody needs a key', async () => {
  expect((await get(await serving({ insecure: true }))).status).toBe(200);
});

test('metrics that cannot be made are an answer, and the coordinator goes on', async () => {
  const host = await serving({ metrics: { ...source, text: () => Promise.reject(new Error('a fault')) } });
  expect((await get(host, bearer(METRICS_KEY))).status).toBe(500);
  expect((await get(host, {}, { path: '/' })).status).toBe(200);
});

test('a coordinator without metrics has no such page', async () => {
  expect((await get(await coordinator(), bearer(METRICS_KEY))).status).toBe(404);
});

test('the network is counted, what has gone included', async () => {
  const host = await serving();
  const { connection } = await node(host.link);
  const before = host.listener.traffic();
  expect(before).toMatchObject({ connections: 1, bufferedBytes: 0 });
  expect(before.receivedBytes).toBeGreaterThan(300);
  expect(before.sentBytes).toBeGreaterThan(300);
  await connection.leave('stopped');
  await host.endings.at(0);
  const after = host.listener.traffic();
  expect(after.connections).toBe(0);
  expect(after.receivedBytes).toBeGreaterThan(before.receivedBytes);
});
