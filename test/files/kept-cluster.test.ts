import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { keepCluster, readCluster, type KeptCluster } from '../../cluster/net/kept-cluster.js';
import { drawRunKeys } from '../../cluster/net/run-keys.js';

const KEPT: KeptCluster = {
  register: { generation: 3, nextNumber: 6, members: [{ identity: 'this machine', number: 0, isExpelled: false }, { identity: 'ab'.repeat(32), number: 5, isExpelled: true }] },
  runId: 'ab'.repeat(16), keys: drawRunKeys(), tls: { certificatePem: 'a certificate', privateKeyPem: 'its key' }, address: { host: '0.0.0.0', port: 8080 },
};

let folder = '';
beforeEach(() => {
  const made = mkdtempSync(join(tmpdir(), 'tensorflock-kept-'));
  folder = made;
  onTestFinished(() => { rmSync(made, { recursive: true, force: true }); });
});

const fileOf = (): string => join(folder, 'cluster.json');

test('what is kept comes back, and the owner alone can read it', async () => {
  await keepCluster(folder, KEPT);
  expect(await readCluster(folder)).toEqual(KEPT);
  expect(statSync(fileOf()).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['cluster.json']);
});

test('without a certificate too, over what others could read and what a killed process left', async () => {
  writeFileSync(fileOf(), 'old');
  chmodSync(fileOf(), 0o644);
  writeFileSync(`${fileOf()}.tmp`, 'half');
  const kept = { ...KEPT, tls: undefined };
  await keepCluster(folder, kept);
  expect(await readCluster(folder)).toEqual(kept);
  expect(statSync(fileOf()).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['cluster.json']);
});

test('a folder that was never served has nothing', async () => {
  expect(await readCluster(folder)).toBeUndefined();
  expect(await readCluster(join(folder, 'missing'))).toBeUndefined();
});

test('a folder that cannot be written is named', async () => {
  await expect(keepCluster(join(folder, 'missing'), KEPT)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_WRITE', kind: 'run', message: expect.stringContaining('missing/cluster.json (ENOENT)') as string });
});

describe('a file that is not whole is refused, and no key of it is said', () => {
  const written = (change: object): string => JSON.stringify({ ...(JSON.parse(readFileSync(fileOf(), 'utf8')) as object), ...change });
  test.each<[string, () => string]>([
    ['cut short', () => readFileSync(fileOf(), 'utf8').slice(0, -20)],
    ['of another version', () => written({ formatVersion: 2 })],
    ['with a field too many', () => written({ more: true })],
    ['with a key that is too short', () => written({ keys: { join: 'c2hvcnQ', operator: 'c2hvcnQ', metrics: 'c2hvcnQ' } })],
    ['with generation 0', () => written({ generation: 0 })],
  ])('%s', async (_name, text) => {
    await keepCluster(folder, KEPT);
    writeFileSync(fileOf(), text());
    const error: unknown = await readCluster(folder).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'ERR_CLUSTER_FILE', kind: 'input', message: `${fileOf()} is damaged, or of another version; restore it, or remove it: the run is then served with new keys, and every node needs the new link.` });
    expect((error as Error).cause).toBeUndefined();
  });
});
