// Certificates made on the fly, so that no test depends on a date or on a program: a small writer of DER (X.690) for X.509
// version 3 certificates with P-256 keys. Tests and benchmarks only.

import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';

export interface Wanted {
  readonly commonName?: string;
  /** `a.example`, `10.0.0.1`, `spiffe://…`. */
  readonly names?: readonly string[];
  readonly authority?: boolean;
  /** Who signs; without one it signs itself. */
  readonly issuer?: Made;
  /** From now, negative for the past. */
  readonly validDays?: number;
  /** RSA with 2048 bits instead of P-256. */
  readonly rsa?: boolean;
}

export interface Made {
  readonly cert: string;
  readonly key: string;
  readonly subject: Buffer;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const DAY_MS = 86_400_000;
const ECDSA_SHA256 = '1.2.840.10045.4.3.2';
const RSA_SHA256 = '1.2.840.113549.1.1.11';

export function makeCertificate(wanted: Wanted = {}): Made {
  const { publicKey, privateKey } = wanted.rsa === true ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = sequence(tlv(0x31, sequence(oid('2.5.4.10'), text('Nuncio tests'))), tlv(0x31, sequence(oid('2.5.4.3'), text(wanted.commonName ?? wanted.names?.[0] ?? 'test'))));
  const signer = wanted.issuer ?? { subject, privateKey, publicKey };
  const algorithm = signer.privateKey.asymmetricKeyType === 'rsa' ? sequence(oid(RSA_SHA256), tlv(0x05)) : sequence(oid(ECDSA_SHA256));
  const validMs = (wanted.validDays ?? 3650) * DAY_MS;
  const body = sequence(
    tlv(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([0x4e]), randomBytes(8)])),
    algorithm,
    signer.subject,
    sequence(time(Date.now() + Math.min(0, validMs * 2) - DAY_MS), time(Date.now() + validMs)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...extensions(wanted, publicKey, signer.publicKey))),
  );
  const signature = sign('sha256', body, signer.privateKey);
  const der = sequence(body, algorithm, tlv(0x03, Buffer.from([0]), signature));
  return { cert: pem('CERTIFICATE', der), key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, subject, privateKey, publicKey };
}

function extensions({ authority = false, names = [] }: Wanted, own: KeyObject, signer: KeyObject): Buffer[] {
  const list = [
    extension('2.5.29.19', sequence(...(authority ? [tlv(0x01, Buffer.from([255]))] : [])), true),
    extension('2.5.29.14', tlv(0x04, keyId(own))),
    extension('2.5.29.35', sequence(tlv(0x80, keyId(signer)))),
  ];
  if (names.length > 0) list.push(extension('2.5.29.17', sequence(...names.map(generalName))));
  return list;
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [tlv(0x01, Buffer.from([255]))] : []), tlv(0x04, value));
}

function generalName(name: string): Buffer {
  if (isIP(name) === 4) return tlv(0x87, Buffer.from(name.split('.').map(Number)));
  return tlv(name.includes('://') ? 0x86 : 0x82, Buffer.from(name, 'latin1'));
}

function keyId(key: KeyObject): Buffer {
  return createHash('sha1').update(key.export({ type: 'spki', format: 'der' })).digest();
}

function tlv(tag: number, ...parts: Buffer[]): Buffer {
  const value = Buffer.concat(parts);
  const { length } = value;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), value]);
}

function sequence(...parts: Buffer[]): Buffer {
  return tlv(0x30, ...parts);
}

function integer(bytes: Buffer): Buffer {
  return tlv(0x02, bytes);
}

function text(value: string): Buffer {
  return tlv(0x0c, Buffer.from(value));
}

/** YYYYMMDDHHMMSSZ; years before 2050 have two digits. */
function time(ms: number): Buffer {
  const digits = `${new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '')}`;
  return Number(digits.slice(0, 4)) < 2050 ? tlv(0x17, Buffer.from(digits.slice(2))) : tlv(0x18, Buffer.from(digits));
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const number of rest) {
    const groups = [number & 127];
    for (let left = number >>> 7; left > 0; left >>>= 7) groups.unshift((left & 127) | 128);
    bytes.push(...groups);
  }
  return tlv(0x06, Buffer.from(bytes));
}

function pem(label: string, der: Buffer): string {
  return `-----BEGIN ${label}-----\n${der.toString('base64').replace(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`;
}
