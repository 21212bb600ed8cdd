import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { drawKey, findKey, formatJoinLink, formatKey, keyNameOf, parseJoinLink, parseKey } from '../../cluster/protocol/keys.js';
import { ROLES } from '../../cluster/protocol/messages.js';
import { runs } from './properties.js';

// 16 bytes 0, 1, ..., 15.
const key = Uint8Array.from({ length: 16 }, (_, index) => index);
const written = Buffer.from(key).toString('base64url');
const refused = (code: string, words: string) => expect.objectContaining({ code, message: expect.stringContaining(words) as string }) as Error;

test('a key is 22 characters of base64url', () => {
  expect(formatKey(key)).toBe(written);
  expect(written).toHaveLength(22);
  expect(parseKey(` ${written}\n`, '--key-file')).toEqual(key);
  expect(drawKey()).toHaveLength(16);
  expect(formatKey(drawKey())).not.toBe(formatKey(drawKey()));
});

describe('refuses a key', () => {
  test.each([
    ['that is empty', '\n', 'The key of --key-file is empty'],
    ['of 120 bits', Buffer.alloc(15).toString('base64url'), 'has 120 bits and needs 128'],
    ['of 520 bits', Buffer.alloc(65).toString('base64url'), 'has 520 bits, more than 512'],
    ['that is padded', Buffer.alloc(16).toString('base64'), 'no unpadded base64url'],
    ['in plain base64', `${'+/'.repeat(12)}`, 'no unpadded base64url'],
    ['of two words', 'correct horse battery staple', 'no unpadded base64url'],
    ['with a stray last bit', `${written.slice(0, -1)}x`, 'no unpadded base64url'],
    ['of a length that base64 does not have', `${written}AAA`, 'no unpadded base64url'],
  ])('%s', (_, text, words) => {
    expect(() => parseKey(text, '--key-file')).toThrow(refused('ERR_KEY', words));
  });
});

test('a key is looked for in the link, the key file and the environment, in this order', () => {
  const [file, environment] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)].map(formatKey);
  expect(findKey({ link: key, keyFile: file, environment })).toEqual(key);
  expect(findKey({ keyFile: file, environment })).toEqual(new Uint8Array(16).fill(1));
  expect(findKey({ environment })).toEqual(new Uint8Array(16).fill(2));
  expect(findKey({ environment: '' })).toBeUndefined();
  expect(findKey({ option: file, environment })).toEqual(new Uint8Array(16).fill(1));
  expect(() => findKey({ option: 'short', keyFile: file })).toThrow(refused('ERR_KEY', 'joinKey'));
  expect(() => findKey({ environment: 'short' })).toThrow(refused('ERR_KEY', 'TENSORFLOCK_KEY'));
  expect(() => findKey({ keyFile: '', environment })).toThrow(refused('ERR_KEY', '--key-file is empty'));
});

test('the operator proves the operator key, everyone else the join key', () => {
  expect(ROLES.map(keyNameOf)).toEqual(['join', 'join', 'join', 'operator']);
});

describe('a join link', () => {
  const certificateSha256 = 'f0'.repeat(32);
  test.each([
    ['a name', `http://trainer.local:8080/#k=${written}`, { scheme: 'http', host: 'trainer.local', port: 8080, key }],
    ['an IPv4 address and the default port', `http://192.168.1.20:80/#k=${written}`, { scheme: 'http', host: '192.168.1.20', port: 80, key }],
    ['an IPv6 address', `http://[fe80::1]:8080/#k=${written}`, { scheme: 'http', host: 'fe80::1', port: 8080, key }],
    ['a certificate', `https://10.0.0.1:443/#k=${written}&fp=${'8PDw'.repeat(10)}8PA`, { scheme: 'https', host: '10.0.0.1', port: 443, key, certificateSha256 }],
    ['no key', 'https://10.0.0.1:443/', { scheme: 'https', host: '10.0.0.1', port: 443 }],
    ['no need of a key', 'http://10.0.0.1:443/#insecure', { scheme: 'http', host: '10.0.0.1', port: 443, insecure: true }],
    ['no need of a key under a certificate', `https://10.0.0.1:443/#insecure&fp=${'8PDw'.repeat(10)}8PA`, { scheme: 'https', host: '10.0.0.1', port: 443, insecure: true, certificateSha256 }],
  ] as const)('with %s is read and written', (_, text, link) => {
    expect(parseJoinLink(text)).toEqual(link);
    expect(formatJoinLink(link)).toBe(text);
  });

  test.each([
    ['without the slash', `http://localhost:8080#k=${written}`],
    ['with spaces around it', ` http://localhost:8080/#k=${written}\n`],
    ['with its host in capitals', `http://LOCALHOST:8080/#k=${written}`],
  ])('is also read %s', (_, text) => {
    expect(parseJoinLink(text)).toEqual({ scheme: 'http', host: 'localhost', port: 8080, key });
  });

  test('of any key and port comes back', () => {
    const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    fc.assert(
      fc.property(bytes(16), fc.option(bytes(32)), fc.integer({ min: 1, max: 65_535 }), fc.oneof(fc.ipV4(), fc.domain()), (drawn, fingerprint, port, host) => {
        const link = { scheme: 'https', host, port, key: drawn, ...(fingerprint !== null && { certificateSha256: Buffer.from(fingerprint).toString('hex') }) } as const;
        expect(parseJoinLink(formatJoinLink(link))).toEqual(link);
      }),
      runs(200),
    );
  });

  test.each([
    ['no scheme', `192.168.1.20:8080/#k=${written}`, 'no http:// or https://'],
    ['another scheme', `ws://192.168.1.20:8080/#k=${written}`, 'another scheme'],
    ['no port', `http://192.168.1.20/#k=${written}`, 'has no port'],
    ['an empty port', `http://192.168.1.20:/#k=${written}`, 'has no port'],
    ['no port behind an IPv6 address', `http://[::1]/#k=${written}`, 'has no port'],
    ['port 0', `http://192.168.1.20:0/#k=${written}`, 'port that is no number'],
    ['port 65536', `http://192.168.1.20:65536/#k=${written}`, 'port that is no number'],
    ['a port with a sign', `http://192.168.1.20:+80/#k=${written}`, 'port that is no number'],
    ['no host', `http://:8080/#k=${written}`, 'has no host'],
    ['a user', `http://me:you@192.168.1.20:8080/#k=${written}`, 'has a user'],
    ['an IPv6 address without brackets', `http://fe80::1:8080/#k=${written}`, 'stands in brackets'],
    ['an IPv6 address with a zone', `http://[fe80::1%25eth0]:8080/#k=${written}`, 'a zone'],
    ['brackets around a name', `http://[localhost]:8080/#k=${written}`, 'no IPv6 address'],
    ['brackets around nothing', `http://[]:8080/#k=${written}`, 'no IPv6 address'],
    ['an IPv4 address that is none', `http://192.168.1.256:8080/#k=${written}`, 'neither a name nor an address'],
    ['a host with a space', `http://a b:8080/#k=${written}`, 'neither a name nor an address'],
    ['its key in the query', `http://192.168.1.20:8080/?k=${written}`, 'query, which servers log'],
    ['a path', `http://192.168.1.20:8080/join#k=${written}`, 'has a path'],
    ['something else in the fragment', `http://192.168.1.20:8080/#key=${written}`, 'something else'],
    ['a key that is not needed', `http://192.168.1.20:8080/#insecure&k=${written}`, 'has a key and is insecure'],
    ['a value for what has none', 'http://192.168.1.20:8080/#insecure=1', 'something else'],
    ['two keys', `http://192.168.1.20:8080/#k=${written}&k=${written}`, 'twice'],
    ['a fingerprint without TLS', `http://192.168.1.20:8080/#k=${written}&fp=${'A'.repeat(43)}`, 'not https'],
    ['a fingerprint cut short', `https://192.168.1.20:8080/#k=${written}&fp=${'A'.repeat(22)}`, 'fingerprint'],
    ['nothing', '', 'no http:// or https://'],
  ])('with %s is refused', (_, text, words) => {
    expect(() => parseJoinLink(text)).toThrow(refused('ERR_JOIN_LINK', words));
  });

  test('with a short key is refused, as the key', () => {
    expect(() => parseJoinLink('http://192.168.1.20:8080/#k=AAAA')).toThrow(refused('ERR_KEY', 'The key of the link has 24 bits'));
    expect(() => parseJoinLink('http://192.168.1.20:8080/#k=')).toThrow(refused('ERR_KEY', 'is empty'));
  });

  test('that is refused is not repeated in the sentence, as it may hold a key', () => {
    const secret = formatKey(Uint8Array.from({ length: 16 }, () => 0xfb));
    const around = fc.tuple(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 })).map(([before, after]) => `${before}${secret}${after}`);
    const texts = fc.oneof(around, fc.tuple(fc.webUrl(), around).map(([url, end]) => `${url}${end}`), around.map((end) => `http://a:1/${end}`));
    fc.assert(
      fc.property(texts, (text) => {
        try {
          parseJoinLink(text);
          parseKey(text, 'the link');
        } catch (error) {
          expect((error as Error).message).not.toContain(secret);
          expect((error as { code?: string }).code).toMatch(/^ERR_(JOIN_LINK|KEY)$/);
        }
      }),
      runs(500),
    );
  });
});
