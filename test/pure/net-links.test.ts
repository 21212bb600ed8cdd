import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, test } from 'vitest';
import { formatAddress, isLoopback, parseServeAddress } from '../../cluster/net/address.js';
import { foundOf } from '../../cluster/net/discovery.js';
import { describeLinks, linksWith, qrCode, reachableHosts } from '../../cluster/net/links.js';
import { drawRunKeys, givenKey } from '../../cluster/net/run-keys.js';
import { formatKey, parseJoinLink } from '../../cluster/protocol/keys.js';

const one = (address: string, family: 'IPv4' | 'IPv6', internal = false): NetworkInterfaceInfo => ({ address, family, internal, netmask: '', mac: '', cidr: null, ...(family === 'IPv6' && { scopeid: 0 }) }) as NetworkInterfaceInfo;
const INTERFACES = {
  lo: [one('127.0.0.1', 'IPv4', true), one('::1', 'IPv6', true)],
  eth0: [one('192.168.1.7', 'IPv4'), one('fe80::1', 'IPv6'), one('2001:db8::7', 'IPv6')],
  wlan0: [one('10.0.0.7', 'IPv4')],
};
const JOIN = new Uint8Array(16).fill(1);
const OPERATOR = new Uint8Array(16).fill(2);

describe('the address of --serve', () => {
  test.each([
    ['8080', '127.0.0.1', 8_080],
    [':8080', '127.0.0.1', 8_080],
    ['0.0.0.0:8080', '0.0.0.0', 8_080],
    ['[::]:0', '::', 0],
    ['trainer.lan:65535', 'trainer.lan', 65_535],
  ])('%s', (text, host, port) => {
    expect(parseServeAddress(text)).toEqual({ host, port });
  });

  test.each(['', 'localhost', ':', '::1:80', '[::1]', ':65536', ':-1', 'http://a:80', 'a b:80', ':80/'])('%j is none', (text) => {
    expect(() => parseServeAddress(text)).toThrow(expect.objectContaining({ code: 'ERR_LISTEN', kind: 'input' }) as Error);
  });

  test('is written as a link has it', () => {
    expect([formatAddress({ host: '::1', port: 80 }), formatAddress({ host: '127.0.0.1', port: 80 })]).toEqual(['[::1]:80', '127.0.0.1:80']);
  });

  test('is loopback or not', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].map(isLoopback)).toEqual([true, true, true, true]);
    expect(['0.0.0.0', '::', '192.168.1.7', 'trainer.lan', '127.0.0.1.evil.example'].map(isLoopback)).toEqual([false, false, false, false, false]);
  });
});

describe('the hosts of links', () => {
  test.each<[string, string, string[]]>([
    ['every interface of a wildcard, loopback last, link-local never', '::', ['192.168.1.7', '10.0.0.7', '2001:db8::7', '127.0.0.1', '::1']],
    ['no IPv6 where none is listened on', '0.0.0.0', ['192.168.1.7', '10.0.0.7', '127.0.0.1']],
    ['the one address that is listened on', '10.0.0.7', ['10.0.0.7']],
  ])('%s', (_, host, hosts) => {
    expect(reachableHosts({ address: { host, port: 80 }, interfaces: INTERFACES })).toEqual(hosts);
    expect(reachableHosts({ address: { host, port: 80 }, names: ['trainer.lan'], interfaces: INTERFACES })).toEqual(['trainer.lan', ...hosts]);
  });

  test('a link carries key and fingerprint, and can be read', () => {
    const certificateSha256 = 'c'.repeat(64);
    const links = linksWith(JOIN, { address: { host: '::', port: 8_080 }, scheme: 'https', certificateSha256, interfaces: INTERFACES });
    expect(links.map(parseJoinLink)).toEqual(['192.168.1.7', '10.0.0.7', '2001:db8::7', '127.0.0.1', '::1'].map((host) => ({ scheme: 'https', host, port: 8_080, key: JOIN, certificateSha256 })));
  });
});

describe('what is printed', () => {
  const source = { address: { host: '0.0.0.0', port: 8_080 }, scheme: 'http', interfaces: INTERFACES } as const;
  const linkOf = (key: Uint8Array, host: string): string => `http://${host}:8080/#k=${formatKey(key)}`;

  test('has every join link, one QR code, and the operator\'s link apart', () => {
    const text = describeLinks({ join: JOIN, operator: OPERATOR }, source);
    const commands = ['192.168.1.7', '10.0.0.7', '127.0.0.1'].map((host) => `  tensorflock join '${linkOf(JOIN, host)}'\n`);
    expect(text).toContain(`${commands.join('')}\n${qrCode(linkOf(JOIN, '192.168.1.7'))}\n`);
    expect(text.split('keep it to yourself')[1]).toContain(`\n  tensorflock operate '${linkOf(OPERATOR, '192.168.1.7')}' pause\n`);
    expect(text.split(formatKey(OPERATOR))).toHaveLength(2);
  });

  test('has no QR code where no other machine could use it', () => {
    expect(describeLinks({ join: JOIN, operator: OPERATOR }, { ...source, address: { host: '127.0.0.1', port: 8_080 } })).not.toMatch(/[█▀▄]/);
  });

  test('says so where no key is asked for', () => {
    const none = new Uint8Array(0);
    const text = describeLinks({ join: none, operator: none }, source);
    expect(text).toContain("  tensorflock join 'http://192.168.1.7:8080/#insecure' --insecure\n");
    expect(text).toContain('--insecure: no key is asked for. Whoever reaches this address can join this run, see its data, steer it and stop it, and whoever is on the way can read and change what is sent.');
  });

  test('a QR code is square, two rows of it in one of text', () => {
    // The link has 49 characters, and version 3 holds 53: 29 modules, and a border of 2 on each side.
    const rows = qrCode(linkOf(JOIN, '192.168.1.7')).split('\n');
    expect(new Set(rows.map((row) => row.length))).toEqual(new Set([33]));
    expect(rows).toHaveLength(17);
  });
});

describe('keys', () => {
  test('are three of 128 bits, each drawn for itself', () => {
    const keys = Object.values(drawRunKeys());
    expect(keys.map((key: Uint8Array) => key.byteLength)).toEqual([16, 16, 16]);
    expect(new Set(keys.map(formatKey)).size).toBe(3);
    expect(drawRunKeys({ join: JOIN }).join).toEqual(JOIN);
  });

  test('may be given by the environment, and one that is too short is refused', async () => {
    expect(await givenKey({ environment: formatKey(JOIN) })).toEqual(JOIN);
    expect(await givenKey({})).toBeUndefined();
    await expect(givenKey({ environment: 'AQEBAQ' })).rejects.toMatchObject({ code: 'ERR_KEY', message: 'The key of TENSORFLOCK_KEY has 32 bits and needs 128; a key is 22 characters of base64url, as the coordinator prints it.' });
  });

  test('in a file that is not there is a sentence', async () => {
    await expect(givenKey({ keyFile: '/nowhere/key' })).rejects.toMatchObject({ code: 'ERR_KEY', message: expect.stringContaining('cannot be read (ENOENT)') as string });
  });
});

describe('what strangers announce', () => {
  const service = { name: 'spiral', port: 8_080, addresses: ['10.0.0.7', 'fe80::1', '2001:db8::7'], txt: { v: '1', scheme: 'https' } };

  test('is taken for links without a key', () => {
    expect(foundOf(service)).toEqual([{ name: 'spiral', links: ['https://10.0.0.7:8080/', 'https://[2001:db8::7]:8080/'], insecure: false }]);
  });

  test('is taken with its fingerprint, the address that answered first', () => {
    const fragment = `fp=${'A'.repeat(43)}`;
    const found = foundOf({ ...service, txt: { ...service.txt, fragment }, referer: { address: '2001:db8::7', family: 'IPv6', port: 5_353, size: 100 } });
    expect(found[0]!.links).toEqual([`https://[2001:db8::7]:8080/#${fragment}`, `https://10.0.0.7:8080/#${fragment}`]);
  });

  test('is one address where it names one, and says where no key is needed', () => {
    expect(foundOf({ ...service, txt: { v: '1', scheme: 'http', address: '10.0.0.9', fragment: 'insecure' } })).toEqual([{ name: 'spiral', links: ['http://10.0.0.9:8080/#insecure'], insecure: true }]);
  });

  test.each([
    ['of another version', { txt: { v: '2', scheme: 'http' } }],
    ['with another scheme', { txt: { v: '1', scheme: 'javascript' } }],
    ['with no text at all', { txt: undefined }],
    ['without an address', { addresses: ['evil.example'] }],
    ['without a port', { port: 0 }],
    ['with a port that is none', { port: 70_000 }],
    ['with a key, which only an impostor tells', { txt: { v: '1', scheme: 'https', fragment: `k=${'A'.repeat(22)}` } }],
    ['with something else in its link', { txt: { v: '1', scheme: 'https', fragment: 'fp=x&javascript:' } }],
    ['with a name in the place of its address', { txt: { v: '1', scheme: 'https', address: 'evil.example' } }],
  ])('is left out %s', (_, changes) => {
    expect(foundOf({ ...service, ...changes })).toEqual([]);
  });

  test('cannot move a cursor', () => {
    expect(foundOf({ ...service, name: '\u001b[2Jspiral' })[0]!.name).toBe('?[2Jspiral');
  });
});
