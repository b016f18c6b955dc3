// The ClientHello as a bystander reads it: real ones and made ones, at every split point and in any records.

import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { connect as tlsConnect } from 'node:tls';

import t from 'tap';

import { HELLO_FOUND, HELLO_MORE, HELLO_NONE, HELLO_TOO_LARGE, parseClientHello, type ClientHello } from '../../src/listen/client-hello.ts';

const u16 = (n: number): Buffer => Buffer.from([n >> 8, n & 255]);
const vector8 = (body: Buffer): Buffer => Buffer.concat([Buffer.from([body.length]), body]);
const vector16 = (body: Buffer): Buffer => Buffer.concat([u16(body.length), body]);
const extension = (type: number, body: Buffer): Buffer => Buffer.concat([u16(type), vector16(body)]);
const hostName = (name: string): Buffer => Buffer.concat([Buffer.from([0]), vector16(Buffer.from(name, 'latin1'))]);
const sni = (...names: string[]): Buffer => extension(0, vector16(Buffer.concat(names.map(hostName))));
const alpn = (...names: string[]): Buffer => extension(16, vector16(Buffer.concat(names.map((name) => vector8(Buffer.from(name, 'latin1'))))));
const GREASE = extension(0x0a0a, Buffer.alloc(0));

interface Parts {
  session?: Buffer;
  suites?: Buffer;
  compression?: Buffer;
  extensions?: readonly Buffer[] | null;
  rest?: Buffer;
}

/** The handshake message, without records. */
function message({ session = Buffer.alloc(32, 1), suites = Buffer.from('0a0a1301', 'hex'), compression = Buffer.from([0]), extensions = [sni('example.com')], rest = Buffer.alloc(0) }: Parts = {}): Buffer {
  const body = Buffer.concat([
    Buffer.from([3, 3]), Buffer.alloc(32, 7), vector8(session), vector16(suites), vector8(compression),
    extensions === null ? Buffer.alloc(0) : vector16(Buffer.concat(extensions)), rest,
  ]);
  return Buffer.concat([Buffer.from([1, body.length >> 16, (body.length >> 8) & 255, body.length & 255]), body]);
}

/** In records of at most so many bytes. */
function records(bytes: Buffer, size = 16_384): Buffer {
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) out.push(Buffer.from([22, 3, 1]), vector16(bytes.subarray(at, at + size)));
  return Buffer.concat(out);
}

const blank = (): ClientHello => ({ serverName: 'before', alpn: ['before'] });
const parse = (bytes: Buffer, into = blank()): number => parseClientHello(bytes, 0, bytes.length, into);

const GOOD: [name: string, message: Buffer, serverName: string, alpn: string[]][] = [
  ['plain', message(), 'example.com', []],
  ['upper case', message({ extensions: [sni('EXAMPLE.Com')] }), 'example.com', []],
  ['with ALPN and GREASE', message({ extensions: [GREASE, alpn('h2', 'http/1.1'), sni('a.b-c_d.example'), GREASE.subarray(0, 0), extension(0x1a1a, Buffer.from([0]))] }), 'a.b-c_d.example', ['h2', 'http/1.1']],
  ['a GREASE protocol', message({ extensions: [alpn('\x0a\x0a', 'h2')] }), '', ['\x0a\x0a', 'h2']],
  ['no server name', message({ extensions: [alpn('h2')] }), '', ['h2']],
  ['no extension', message({ extensions: [] }), '', []],
  ['TLS 1.2 without extensions', message({ extensions: null }), '', []],
  ['no session', message({ session: Buffer.alloc(0) }), 'example.com', []],
  ['a name type that nobody knows', message({ extensions: [extension(0, vector16(Buffer.concat([Buffer.from([9]), vector16(Buffer.from('x')), hostName('y.example')])))] }), 'y.example', []],
  ['large', message({ extensions: [extension(21, Buffer.alloc(12_000)), sni('example.com')] }), 'example.com', []],
];

t.test('what is right is read, at every split point, in records of every size', async (t) => {
  for (const [name, hello, serverName, protocols] of GOOD) {
    const sizes = hello.length > 1000 ? [16_384, 1000] : [16_384, 1, 3, 4, 5, 50];
    for (const size of sizes) {
      const whole = records(hello, size);
      const step = whole.length > 1000 ? 501 : 1;
      let early = 0;
      for (let end = 0; end < whole.length; end += step) if (parse(whole.subarray(0, end)) !== HELLO_MORE) early++;
      t.equal(early, 0, `${name}, records of ${size}: more is wanted before the end`);
      const into = blank();
      const shifted = Buffer.concat([Buffer.from('##'), whole, Buffer.from('more')]);
      t.equal(parseClientHello(shifted, 2, shifted.length, into), HELLO_FOUND, `${name}, records of ${size}`);
      t.same(into, { serverName, alpn: protocols });
    }
  }
});

const overlong = message();
overlong.writeUInt16BE(0x0100, 1); // a length of 64 KB
const BAD: [name: string, bytes: Buffer, answer: number][] = [
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), HELLO_NONE],
  ['an alert', Buffer.from([21, 3, 1, 0, 2, 1, 0]), HELLO_NONE],
  ['SSL 2', Buffer.from([0x80, 0x2e, 1, 3, 1]), HELLO_NONE],
  ['another version', Buffer.from([22, 2, 0]), HELLO_NONE],
  ['a version to come', Buffer.from([22, 3, 5]), HELLO_NONE],
  ['an empty record', Buffer.from([22, 3, 1, 0, 0]), HELLO_NONE],
  ['a record too long', Buffer.from([22, 3, 1, 0x40, 1]), HELLO_NONE],
  ['another message', records(Buffer.from([2, 0, 0, 1, 0])), HELLO_NONE],
  ['a second record of another kind', Buffer.concat([records(message().subarray(0, 20)), Buffer.from([23, 3, 1, 0, 1, 0])]), HELLO_NONE],
  ['too large', records(overlong), HELLO_TOO_LARGE],
  ['too large, just', records(message({ extensions: [extension(21, Buffer.alloc(16_400))] })), HELLO_TOO_LARGE],
  ['a session too long', records(message({ session: Buffer.alloc(33) })), HELLO_NONE],
  ['no cipher suite', records(message({ suites: Buffer.alloc(0) })), HELLO_NONE],
  ['half a cipher suite', records(message({ suites: Buffer.alloc(3) })), HELLO_NONE],
  ['no compression', records(message({ compression: Buffer.alloc(0) })), HELLO_NONE],
  ['bytes behind the extensions', records(message({ rest: Buffer.from([0]) })), HELLO_NONE],
  ['half an extension', records(message({ extensions: [Buffer.from([0, 0, 0])] })), HELLO_NONE],
  ['an extension beyond the end', records(message({ extensions: [Buffer.from([0, 5, 0, 1])] })), HELLO_NONE],
  ['an extension twice', records(message({ extensions: [sni('a.example'), sni('a.example')] })), HELLO_NONE],
  ['two names', records(message({ extensions: [sni('a.example', 'b.example')] })), HELLO_NONE],
  ['an empty name', records(message({ extensions: [sni('')] })), HELLO_NONE],
  ['an empty list of names', records(message({ extensions: [extension(0, vector16(Buffer.alloc(0)))] })), HELLO_NONE],
  ['a name with a NUL', records(message({ extensions: [sni('a\0.example')] })), HELLO_NONE],
  ['a name with a slash', records(message({ extensions: [sni('a/b')] })), HELLO_NONE],
  ['a name with an empty label', records(message({ extensions: [sni('a..b')] })), HELLO_NONE],
  ['a name with a dot at its end', records(message({ extensions: [sni('a.example.')] })), HELLO_NONE],
  ['a name of 256 bytes', records(message({ extensions: [sni('a'.repeat(256))] })), HELLO_NONE],
  ['an empty protocol', records(message({ extensions: [alpn('')] })), HELLO_NONE],
  ['an empty list of protocols', records(message({ extensions: [alpn()] })), HELLO_NONE],
];

t.test('what is wrong is told, however it arrives, and leaves no name', async (t) => {
  for (const [name, bytes, answer] of BAD) {
    t.equal(parse(bytes), answer, name);
    for (let end = 0; end < bytes.length; end += bytes.length > 1000 ? 501 : 1) {
      const early = parse(bytes.subarray(0, end));
      if (early !== HELLO_MORE && early !== answer) t.fail(`${name}: ${early} after ${end} bytes`);
    }
  }
});

t.test('any byte of it may be another: nothing throws', async (t) => {
  const whole = records(message({ extensions: [GREASE, sni('example.com'), alpn('h2')] }), 40);
  for (let at = 0; at < whole.length; at++) {
    for (const value of [0, 1, 127, 255]) {
      const broken = Buffer.from(whole);
      broken[at] = value;
      parse(broken);
    }
  }
  t.pass();
});

t.test('what node sends', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const client = tlsConnect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', servername: 'db.example.com', ALPNProtocols: ['h2', 'x'] });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [import('node:net').Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  const into = blank();
  t.equal(parse(bytes, into), HELLO_FOUND);
  t.same(into, { serverName: 'db.example.com', alpn: ['h2', 'x'] });
  client.destroy();
  socket.destroy();
});
