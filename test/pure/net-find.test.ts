import { describe, expect, test } from 'vitest';
import { findCoordinator } from '../../cluster/find.js';
import type { Found } from '../../cluster/net/discovery.js';

const KEYED: Found = { name: 'trainer 1', links: ['https://10.0.0.7:8080/#fp=x', 'https://[2001:db8::7]:8080/#fp=x'], insecure: false };
const OPEN: Found = { name: 'trainer 2', links: ['http://10.0.0.8:8080/#insecure'], insecure: true };

async function search(found: readonly Found[], given: { readonly hasKey?: boolean; readonly insecure?: boolean } = {}): Promise<string> {
  const options = { hasKey: false, insecure: false, ...given, notice: () => undefined, look: () => Promise.resolve([...found]) };
  const result = await findCoordinator(options);
  return 'link' in result ? result.link : result.list;
}

describe('the only coordinator is joined', () => {
  test('with a key', async () => {
    expect(await search([KEYED], { hasKey: true })).toBe('https://10.0.0.7:8080/#fp=x');
  });

  test('without one where it needs none, and that was typed', async () => {
    expect(await search([OPEN], { insecure: true })).toBe('http://10.0.0.8:8080/#insecure');
  });
});

describe('coordinators are listed', () => {
  test.each<[string, readonly Found[], object]>([
    ['without a key', [KEYED], {}],
    ['where there are several', [KEYED, OPEN], { hasKey: true }],
    ['where the one asks for a key and none is to be proved', [KEYED], { insecure: true }],
    ['where the one asks for no key, which nobody typed', [OPEN], { hasKey: true }],
  ])('%s', async (_, found, given) => {
    const list = await search(found, given);
    for (const { name, links } of found) expect(list).toContain([`  ${name}`, ...links.map((link) => `    ${link}`)].join('\n'));
  });

  test('with a sentence on what to do', async () => {
    expect(await search([KEYED])).toMatch(/\n\nA key is never announced\. To join one, take the link that it printed, or add its key: tensorflock join <link> --key-file <path>, or TENSORFLOCK_KEY\.$/);
    expect(await search([OPEN])).toMatch(/\n\nTo join one, which asks for no key: tensorflock join <link> --insecure\.$/);
  });
});

test('none is one sentence, and so is a machine without mDNS', async () => {
  await expect(search([])).rejects.toMatchObject({
    code: 'ERR_NO_COORDINATOR', kind: 'input',
    message: 'No coordinator was found: none is announced on this network, which --serve with --announce does; give join the link that the coordinator printed.',
  });
  const look = (): Promise<never> => Promise.reject(Object.assign(new Error('bind'), { code: 'EADDRINUSE' }));
  await expect(findCoordinator({ hasKey: true, insecure: false, notice: () => undefined, look })).rejects.toMatchObject({
    code: 'ERR_NO_COORDINATOR', message: 'No coordinator was found: mDNS cannot be used here (EADDRINUSE); give join the link that the coordinator printed.',
  });
});
