// The instruments of the wire tests, held against each other and against bytes whose meaning is known: a reader that
// overlooks a fault, or a client that cannot tell an end from a reset, would make every other file here worthless.

import { createServer, connect, type Socket } from 'node:net';
import { once } from 'node:events';

import t, { type Test } from 'tap';

import { BlackHole } from '../support/black-hole.ts';
import { sleep, waitFor } from '../support/deadline.ts';
import { value } from '../support/http-message.ts';
import { cpuMs, openDescriptors, residentBytes } from '../support/memory.ts';
import { greet, Origin } from '../support/origin.ts';
import { RawClient, request, exchangeOnce } from '../support/raw-client.ts';

/** A server that says the same to everyone, then does as told. */
async function sayer(t: Test, bytes: string, then: (socket: Socket) => void = () => undefined): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.write(bytes, 'latin1', () => then(socket));
  }).listen(0, '127.0.0.1');
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await once(server, 'listening');
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

async function answerOf(t: Test, bytes: string, method = 'GET'): Promise<unknown> {
  const client = await RawClient.connect(await sayer(t, bytes, (socket) => socket.end()));
  const answer = await client.answer(method).catch((error: Error) => error);
  client.destroy();
  return answer;
}

t.test('the reader sees every fault of an answer', async (t) => {
  const ok = 'HTTP/1.1 200 OK\r\n';
  for (const [name, bytes] of Object.entries({
    'a bare LF in the head': `${ok}X-A: b\nContent-Length: 0\r\n\r\n`,
    'a space before the colon': `${ok}Content-Length : 0\r\n\r\n`,
    'folding': `${ok}X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n`,
    'NUL': `${ok}X-A: \0\r\nContent-Length: 0\r\n\r\n`,
    'a bad status': 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n',
    'two lengths': `${ok}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`,
    'both framings': `${ok}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'a chunk extension': `${ok}Transfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n`,
    'a short chunk': `${ok}Transfer-Encoding: chunked\r\n\r\n3\r\nx\r\n0\r\n\r\n`,
    'a body on a 204': 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n',
    'a short body': `${ok}Content-Length: 10\r\n\r\nshort`,
    'no last chunk': `${ok}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n`,
  })) t.ok((await answerOf(t, bytes)) instanceof Error, name);
});

t.test('and takes what is right', async (t) => {
  t.match(await answerOf(t, 'HTTP/1.1 103 Early\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-T: u\r\n\r\n'), {
    status: 200, text: 'abc0123456789', framing: 'chunked', chunks: [3, 10], trailers: [['X-T', 'u']], interim: [{ status: 103 }],
  });
  t.match(await answerOf(t, 'HTTP/1.1 200 \r\nX-A:  caf\xe9 \r\n\r\nto the end'), { reason: '', text: 'to the end', framing: 'close', fields: [['X-A', 'caf\xe9']] });
  t.match(await answerOf(t, 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n', 'HEAD'), { framing: 'none', text: '' });
});

t.test('an end, a reset and a half are told apart', async (t) => {
  const fin = await RawClient.connect(await sayer(t, 'last', (socket) => socket.end()));
  t.strictSame(await fin.ended(), { how: 'fin', rest: 'last' });
  const reset = await RawClient.connect(await sayer(t, '', (socket) => setTimeout(() => socket.resetAndDestroy(), 20)));
  t.equal((await reset.ended()).how, 'reset');
  const origin = await Origin.start();
  t.teardown(() => origin.stop());
  const ends: unknown[] = [];
  origin.on('/end', async (exchange) => void ends.push(await exchange.closed()));
  for (const how of ['finish', 'reset'] as const) {
    const client = await RawClient.connect(origin.address);
    client.write(request('GET', '/end'));
    await waitFor('the request', () => origin.seen('/end').length > ends.length);
    client[how]();
    await waitFor('the end', () => ends.length === (how === 'finish' ? 1 : 2));
    client.destroy();
  }
  t.strictSame(ends, ['fin', 'reset'], 'the origin knows as well');
  fin.destroy();
});

t.test('client and origin understand each other', async (t) => {
  const origin = await Origin.start({ script: greet });
  t.teardown(() => origin.stop());
  const client = await RawClient.connect(origin.address);
  t.equal((await client.exchange(request('POST', '/x', {}, 'five!'))).text, 'POST /x 5');
  await client.sendPieces([...request('GET', '/y')], 0);
  t.equal(value(await client.answer(), 'x-origin'), 'yes');
  client.write(request('GET', '/1') + request('GET', '/2'));
  t.equal((await client.answer()).text + (await client.answer()).text, 'GET /1 0GET /2 0');
  t.equal(origin.connections.length, 1);
  t.equal(origin.connections[0]?.requests, 4);
  t.match(origin.connections[0]?.bytes, /^POST \/x HTTP\/1\.1\r\nHost: test\.local\r\nContent-Length: 5\r\n\r\nfive!GET \/y /);
  t.strictSame(origin.violations, []);
  client.destroy();

  for (const bad of ['GET /z HTTP/1.1\r\n\r\n', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n']) {
    const before = origin.violations.length;
    const sender = await RawClient.connect(origin.address);
    sender.write(bad);
    await waitFor('a violation', () => origin.violations.length === before + 1);
    sender.destroy();
  }
  t.equal(origin.violations.length, 3, 'the origin tells what no proxy may send');
});

t.test('nobody reading holds the sender back', async (t) => {
  let sent = 0;
  const address = await sayer(t, '', (socket) => {
    const block = Buffer.alloc(1 << 16);
    const more = (): void => void socket.write(block, (error) => {
      if (error) return;
      sent += block.length;
      more();
    });
    more();
  });
  const client = await RawClient.connect(address);
  await waitFor('the sender to stop', async () => {
    const before = sent;
    await sleep(200);
    return sent === before && sent > 0;
  });
  t.ok(sent < 64 << 20, `the sender stopped after ${sent >> 20} MiB`);
  client.destroy();
});

t.test('a black hole neither accepts nor refuses', { skip: process.platform !== 'linux' }, async (t) => {
  const hole = await BlackHole.open();
  const socket = connect({ host: '127.0.0.1', port: Number(hole.address.split(':')[1]) });
  socket.on('error', () => undefined);
  const outcome = await Promise.race([once(socket, 'connect').then(() => 'connected', () => 'refused'), sleep(500).then(() => 'waiting')]);
  t.equal(outcome, 'waiting');
  socket.destroy();
  await hole.close();
});

t.test('what the kernel says about a process', { skip: process.platform !== 'linux' }, async (t) => {
  const descriptors = openDescriptors(process.pid);
  const socket = connect(Number((await sayer(t, '')).split(':')[1]), '127.0.0.1');
  await once(socket, 'connect');
  t.ok(openDescriptors(process.pid) > descriptors);
  socket.destroy();
  const memory = residentBytes(process.pid);
  const kept = Buffer.alloc(64 << 20, 1);
  t.ok(residentBytes(process.pid) - memory > 48 << 20, `${kept.length} bytes more are seen`);
  const cpu = cpuMs(process.pid);
  for (const start = process.cpuUsage(); process.cpuUsage(start).user < 200_000; );
  t.ok(cpuMs(process.pid) - cpu >= 150, 'work is seen');
});

t.test('a missing answer is an error that says so', async (t) => {
  const client = await RawClient.connect(await sayer(t, 'HTTP/1.1 200 OK\r\n'));
  await t.rejects(client.answer('GET', 100), /waited 100 ms in vain/);
  client.destroy();
  await t.rejects(exchangeOnce(await sayer(t, 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab', (socket) => socket.end()), request('GET', '/')), /stream ended \(fin\)/);
});
