// The servers, the generators and the probe of the benchmark against each other, without a proxy between them.

import { connect as connectHttp2 } from 'node:http2';
import { createServer as createTls } from 'node:tls';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { GRPC_HEADERS, GRPC_MESSAGE, GRPC_PATH } from '../../bench/wire/bodies.ts';
import { caseNamed } from '../../bench/wire/cases.ts';
import type { WireCase } from '../../bench/wire/cases.ts';
import { Child, freePort } from '../../bench/wire/child.ts';
import { runLoad } from '../../bench/wire/load.ts';
import { probe } from '../../bench/wire/probe.ts';
import { frame } from '../../bench/wire/websocket.ts';
import { makeCertificate } from '../support/certificates.ts';

const servers = join(import.meta.dirname, '..', '..', 'bench', 'wire', 'upstream');

async function upstream(t: Test, kind: string, ...args: string[]): Promise<number> {
  const port = await freePort();
  const child = new Child(kind, [process.execPath, join(servers, `${kind}.js`), String(port), ...args], { cpu: null });
  t.teardown(() => child.stop());
  await child.listening(port);
  return port;
}

async function listen(t: Test, server: Server): Promise<number> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Says the same to everybody, at once, and no more. */
function parrot(t: Test, bytes: string): Promise<number> {
  return listen(t, createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end(bytes, 'latin1'));
  }));
}

t.test('every upstream answers as its cases expect', async (t) => {
  const http1 = await upstream(t, 'http1');
  for (const name of ['small-1', 'browser', 'down-64k', 'up-16k', 'tcp-1m']) t.equal(await probe(caseNamed(name), http1), null, name);
  t.equal(await probe(caseNamed('h2-to-h2'), await upstream(t, 'http2', 'small')), null, 'h2-to-h2');
  t.equal(await probe(caseNamed('grpc'), await upstream(t, 'http2', 'grpc')), null, 'grpc');
  const echo = await upstream(t, 'websocket');
  for (const name of ['ws-64', 'ws-4k']) t.equal(await probe(caseNamed(name), echo), null, name);
});

t.test('the probe finds what is wrong', async (t) => {
  const wrong = await parrot(t, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno');
  const unwilling = await parrot(t, 'HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n');
  const leaving = await parrot(t, 'HTTP/1.1 101 Switching Protocols\r\n\r\n');
  t.equal(await probe(caseNamed('small-1'), wrong), 'answers with a wrong body of 2 bytes');
  t.equal(await probe(caseNamed('small-1'), unwilling), 'answers 503');
  t.match(await probe(caseNamed('h2-small'), unwilling), /^does not answer: /);
  t.equal(await probe(caseNamed('ws-64'), unwilling), 'does not answer: the upgrade is answered HTTP/1.1 503 Service Unavailable');
  t.match(await probe(caseNamed('ws-64'), leaving), /^does not answer: /, 'closed after the upgrade');
  t.match(await probe(caseNamed('tls-small'), unwilling), /^does not answer: /, 'no TLS');
  const plain = await upstream(t, 'http2', 'small');
  t.equal(await probe(caseNamed('grpc'), plain), 'answers with grpc-status none');
});

t.test('many streams share a connection beyond its first window', async (t) => {
  const session = connectHttp2(`http://127.0.0.1:${await upstream(t, 'http2', 'grpc')}`);
  t.teardown(() => session.destroy());
  const one = (): Promise<string> => new Promise((resolve, reject) => {
    const stream = session.request({ ':method': 'POST', ':path': GRPC_PATH, ...Object.fromEntries(GRPC_HEADERS) });
    const chunks: Buffer[] = [];
    let status = '';
    stream.on('trailers', (trailers) => (status = String(trailers['grpc-status'])));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => resolve(`${status} ${Buffer.concat(chunks).equals(GRPC_MESSAGE)}`));
    stream.on('error', reject);
    stream.end(GRPC_MESSAGE);
  });
  const answers: string[] = [];
  for (let i = 0; i < 50; i++) answers.push(...await Promise.all(Array.from({ length: 50 }, one)));
  t.equal(answers.filter((answer) => answer === '0 true').length, 2500, '172,500 bytes each way, 65,535 is the window');
});

t.test('frames in any cut come back', async (t) => {
  const socket = connect(await upstream(t, 'websocket'), '127.0.0.1');
  t.teardown(() => socket.destroy());
  const payloads = [0, 1, 125, 126, 4096, 65_535].map((length) => Buffer.alloc(length, 'p'));
  const expected = Buffer.concat(payloads.map((payload) => frame(payload, false)));
  const sent = Buffer.concat([
    Buffer.from('GET /echo HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'),
    ...payloads.map((payload) => frame(payload, true)),
  ]);
  let received = '';
  const whole = new Promise<void>((resolve) => socket.on('data', (chunk: Buffer) => {
    received += chunk.latin1Slice();
    if (received.length - (received.indexOf('\r\n\r\n') + 4) >= expected.length) resolve();
  }));
  socket.setNoDelay(true);
  for (let at = 0; at < sent.length; at += at < 300 ? 7 : 3001) {
    const end = at + (at < 300 ? 7 : 3001);
    await new Promise((resolve) => socket.write(sent.subarray(at, end), resolve));
  }
  await whole;
  t.match(received, 'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n', 'the example of RFC 6455 section 1.3');
  t.ok(received.endsWith(expected.latin1Slice()));
  t.throws(() => frame(Buffer.alloc(65_536), true));
});

const short = (name: string): WireCase => ({ ...caseNamed(name), connections: 2 });

t.test('our own generators count what they did, and what went wrong', async (t) => {
  const dir = t.testdir();
  const echo = await runLoad(short('ws-64'), { port: await upstream(t, 'websocket'), cpu: null, dir }, 0.2);
  t.ok(echo.requests >= 2, `${echo.requests} echoes`);
  t.same(echo.errors, {});
  t.ok(echo.p50Us > 0 && echo.p50Us <= echo.p99Us && echo.p99Us <= echo.p999Us);

  const { cert, key } = makeCertificate({ commonName: 'bench.test' });
  let resumable = 0;
  const server = createTls({ cert, key, minVersion: 'TLSv1.3' }, (socket) => {
    if (socket.isSessionReused()) resumable++;
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'));
  });
  const fresh = await runLoad(short('tls-new'), { port: await listen(t, server), cpu: null, dir }, 0.5);
  t.ok(fresh.requests >= 2, `${fresh.requests} connections`);
  t.same(fresh.errors, {});
  t.equal(resumable, 0, 'full handshakes');

  const old = createTls({ cert, key, maxVersion: 'TLSv1.2' }, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\n'));
  });
  const refused = await runLoad(short('tls-new'), { port: await listen(t, old), cpu: null, dir }, 0.2);
  t.equal(refused.requests, 0);
  t.ok((refused.errors['notFullTls13'] ?? 0) > 0);
});
