// A certificate that signs itself: nobody vouches for it, the link's fingerprint pins it.
import { createPrivateKey, KeyObject, webcrypto, X509Certificate } from 'node:crypto';
import { inputError } from '../../src/errors.js';
import { nodeHasher } from './hasher.js';

/** PEM texts. Whoever wants the same fingerprint after a restart keeps both. */
export interface TlsIdentity {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

const DAY_MS = 86_400_000;
/** Clocks of a LAN differ. */
const BEFORE_DAYS = 2;
/** As long as browsers take one for. */
const VALID_DAYS = 397;
const COMMON_NAME = '2.5.4.3';
const SUBJECT_ALTERNATIVE_NAMES = '2.5.29.17';
const DNS_NAME = 2;
const SERIAL_BYTES = 16;

/**
 * Draws a P-256 key and signs a certificate with it.
 * @param names host names that it is for, besides `localhost`; addresses need not be named, since nodes look at the fingerprint alone
 * @param nowMs wall clock, in ms since 1970
 */
export async function createTlsIdentity(names: readonly string[] = [], nowMs: number = Date.now()): Promise<TlsIdentity> {
  // Only a coordinator off loopback needs them, and they take 60 ms to load.
  const [pki, asn1] = await Promise.all([import('pkijs'), import('asn1js')]);
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const certificate = new pki.Certificate();
  certificate.version = 2; // counted from 0: X.509 version 3
  certificate.serialNumber = new asn1.Integer({ valueHex: drawSerial() });
  const commonName = new pki.AttributeTypeAndValue({ type: COMMON_NAME, value: new asn1.Utf8String({ value: 'tensorflock' }) });
  certificate.subject.typesAndValues.push(commonName);
  certificate.issuer.typesAndValues.push(commonName);
  certificate.notBefore.value = new Date(nowMs - BEFORE_DAYS * DAY_MS);
  certificate.notAfter.value = new Date(nowMs + (VALID_DAYS - BEFORE_DAYS) * DAY_MS);
  const alternatives = new pki.GeneralNames({ names: ['localhost', ...names].map((name) => new pki.GeneralName({ type: DNS_NAME, value: name })) });
  certificate.extensions = [new pki.Extension({ extnID: SUBJECT_ALTERNATIVE_NAMES, extnValue: alternatives.toSchema().toBER() })];
  await certificate.subjectPublicKeyInfo.importKey(keys.publicKey);
  await certificate.sign(keys.privateKey, 'SHA-256');
  return {
    certificatePem: new X509Certificate(new Uint8Array(certificate.toSchema(true).toBER())).toString(),
    privateKeyPem: KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** 16 random bytes as a positive number: its highest bit is 0, and its first byte is not. */
function drawSerial(): ArrayBuffer {
  const serial = webcrypto.getRandomValues(new Uint8Array(SERIAL_BYTES));
  serial[0] = (serial[0]! & 0x7f) | 0x40;
  return serial.buffer;
}

/** @throws ERR_OPTION where a given certificate and key are none, or not of each other */
export function checkTlsIdentity({ certificatePem, privateKeyPem }: TlsIdentity): void {
  if (areOfEachOther(certificatePem, privateKeyPem)) return;
  throw inputError('ERR_OPTION', 'The certificate and the private key of this coordinator do not go together; give both as PEM, the certificate first in its file.');
}

function areOfEachOther(certificatePem: string, privateKeyPem: string): boolean {
  try {
    return new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(privateKeyPem));
  } catch {
    return false;
  }
}

/** SHA-256 of the certificate as it is sent (DER), 64 hex digits; of a chain, that of its first. */
export function fingerprintOf(certificatePem: string | Buffer): string {
  return nodeHasher.sha256(new X509Certificate(certificatePem).raw);
}
