// The byte contract: bytes, back-pressure, pausing. Real sockets, every engine.

import { connect as nodeConnect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

import t from 'tap';

import type { Conn } from '../../src/io/conn.ts';
import { LOCALHOST, onEachEngine, serve, turns } from '../support/engines.ts';
import { Recorder } from '../support/recorder.ts';

function portOf(address: { kind: string; port?: number }): number {
  return address.port ?? 0;
}

onEachEngine('an echo goes both ways, with ids and addresses', async (t, loop) => {
  const server = new Recorder({ data: (conn, buf, start, end) => void conn.write(buf, start, end) });
  const listener = await serve(loop, () => server);
  const client = new Recorder();
  const conn = loop.connect(listener.address, client);
  t.same(client.log, [], 'nothing is told before connect returns');
  await client.until('connect');
  conn.write(Buffer.from('..hello..'), 2, 7);
  await client.untilBytes(5);
  t.equal(client.text, 'hello');
  t.equal(conn.remoteAddress, '127.0.0.1');
  t.equal(conn.remotePort, portOf(listener.address));
  t.equal(server.conn?.remoteAddress, '127.0.0.1');
  t.equal(server.conn?.remotePort, conn.localPort);
  t.equal(server.conn?.localPort, portOf(listener.address));
  t.equal(conn.localAddress, '127.0.0.1');
  t.not(server.conn?.id, conn.id);
  t.equal(loop.openConns, 2);
});

onEachEngine('what is written before onConnect is sent in order', async (t, loop) => {
  const server = new Recorder();
  const listener = await serve(loop, () => server);
  const client = new Recorder({ connect: (conn) => void conn.write(Buffer.from('c'), 0, 1) });
  const conn = loop.connect(listener.address, client);
  t.equal(conn.write(Buffer.from('ab'), 0, 2), false, 'kept');
  t.equal(conn.pending, 2);
  await client.until('writable');
  await server.untilBytes(3);
  t.equal(server.text, 'abc');
  t.equal(conn.pending, 0);
});

onEachEngine('small pieces with `more` arrive complete, in order and soon', async (t, loop) => {
  const server = new Recorder();
  const listener = await serve(loop, () => server);
  const client = new Recorder();
  const conn = loop.connect(listener.address, client);
  await client.until('connect');
  for (const piece of ['a', 'b', 'c']) t.equal(conn.write(Buffer.from(piece), 0, 1, true), true);
  conn.write(Buffer.from('d'), 0, 1);
  await server.untilBytes(4);
  conn.write(Buffer.from('e'), 0, 1, true);
  conn.shutdownWrite();
  await server.until('end');
  t.equal(server.text, 'abcde');
});

onEachEngine('the caller may reuse its buffer at once, whatever the socket takes', async (t, loop) => {
  const server = new Recorder();
  const listener = await serve(loop, () => server);
  const client = new Recorder();
  const conn = loop.connect(listener.address, client);
  await client.until('connect');
  server.conn?.pauseRead();
  const scratch = Buffer.alloc(100_000);
  let sum = 0;
  let written = 0;
  let kept = false;
  for (let i = 0; i < 200; i++) {
    scratch.fill(i);
    const length = i % 2 === 0 ? 100_000 : 1000; // both sides of the node engine's string limit
    if (!conn.write(scratch, 0, length)) kept = true;
    written += length;
    sum += i * length;
  }
  scratch.fill(255);
  t.ok(kept, 'more than the socket takes');
  t.ok(conn.pending > 0);
  server.conn?.resumeRead();
  await server.untilBytes(written);
  t.equal(Buffer.concat(server.chunks).reduce((total, byte) => total + byte, 0), sum);
  await client.until('writable');
  t.equal(conn.pending, 0);
  t.equal(client.log.filter((entry) => entry === 'writable').length, 1, 'told once');
});

onEachEngine('write says false exactly when bytes are kept, and onWritable follows', async (t, loop) => {
  const peer = createServer({ pauseOnConnect: true });
  const sockets: Socket[] = [];
  peer.on('connection', (socket) => sockets.push(socket));
  await new Promise<void>((resolve) => peer.listen(0, '127.0.0.1', resolve));
  t.teardown(() => peer.close());
  const client = new Recorder();
  const conn = loop.connect({ kind: 'ip', host: '127.0.0.1', port: (peer.address() as AddressInfo).port }, client);
  await client.until('connect');
  const chunk = Buffer.alloc(64 * 1024, 'x');
  for (let i = 0; i < 1000; i++) {
    const taken = conn.write(chunk, 0, chunk.length);
    if (taken !== (conn.pending === 0)) t.fail(`write said ${taken} with ${conn.pending} kept`);
    if (!taken) break;
  }
  t.ok(conn.pending > 0);
  while (sockets.length === 0) await turns();
  sockets[0]!.resume();
  await client.until('writable');
  t.equal(conn.pending, 0);
  sockets[0]!.destroy();
  await client.until('close');
});

onEachEngine('100 MB pass a relay to a slow reader with flat memory', async (t, loop) => {
  const total = 100 * 1024 * 1024;
  const chunk = Buffer.alloc(256 * 1024, 'y');
  const source = createServer((socket) => {
    let left = total;
    const pump = (): void => {
      while (left > 0) {
        const part = Math.min(left, chunk.length);
        left -= part;
        if (!socket.write(part === chunk.length ? chunk : chunk.subarray(0, part))) break;
      }
      if (left > 0) socket.once('drain', pump);
      else socket.end();
    };
    pump();
  });
  await new Promise<void>((resolve) => source.listen(0, '127.0.0.1', resolve));
  t.teardown(() => source.close());
  let mostKept = 0;
  const listener = await serve(loop, (down) => {
    const up: Conn = loop.connect(
      { kind: 'ip', host: '127.0.0.1', port: (source.address() as AddressInfo).port },
      new Recorder({
        data: (conn, buf, start, end) => {
          if (!down.write(buf, start, end)) conn.pauseRead();
          mostKept = Math.max(mostKept, down.pending);
        },
        end: () => down.close(),
      }),
    );
    (up.owner as Recorder).keepBytes = false;
    return new Recorder({ writable: () => up.resumeRead() });
  });
  const reader = nodeConnect(portOf(listener.address), '127.0.0.1');
  let got = 0;
  let reads = 0;
  reader.on('data', (data) => {
    got += data.length;
    if (++reads % 20 !== 0) return;
    reader.pause();
    setImmediate(() => reader.resume());
  });
  await new Promise((resolve) => reader.on('close', resolve));
  t.equal(got, total);
  t.ok(mostKept <= 2 * 1024 * 1024, `at most ${mostKept} bytes kept`);
});

onEachEngine('a paused connection gives no bytes until it is resumed', async (t, loop) => {
  const server = new Recorder({ data: (conn) => conn.pauseRead() });
  const listener = await serve(loop, () => server);
  const client = new Recorder();
  const conn = loop.connect(listener.address, client);
  await client.until('connect');
  conn.write(Buffer.from('one'), 0, 3);
  await server.until('data');
  conn.write(Buffer.from('two'), 0, 3);
  await turns(10);
  t.equal(server.text, 'one');
  server.conn?.resumeRead();
  await server.untilBytes(6);
  conn.write(Buffer.from('three'), 0, 5);
  await turns(10);
  t.equal(server.text, 'onetwo');
  server.conn?.resumeRead();
  server.conn?.pauseRead();
  server.conn?.resumeRead();
  await server.untilBytes(11);
  t.equal(server.text, 'onetwothree');
});

onEachEngine('pausing at accept holds the first bytes back', async (t, loop) => {
  const server = new Recorder();
  const listener = await serve(loop, (conn) => {
    conn.pauseRead();
    return server;
  });
  const client = new Recorder();
  const conn = loop.connect(listener.address, client);
  conn.write(Buffer.from('early'), 0, 5);
  await client.until('writable');
  await turns(10);
  t.equal(server.bytes, 0);
  server.conn?.resumeRead();
  await server.untilBytes(5);
});

onEachEngine('a range outside the buffer is refused, not sent', async (t, loop) => {
  const listener = await serve(loop, () => new Recorder());
  const client = new Recorder();
  const conn = loop.connect(listener.address, client);
  await client.until('connect');
  const small = Buffer.alloc(10);
  t.throws(() => conn.write(small, 0, 11), RangeError);
  t.throws(() => conn.write(small, -1, 5), RangeError);
  t.throws(() => conn.write(small, 6, 5), RangeError);
  t.equal(conn.write(small, 5, 5), true, 'nothing is nothing');
});

onEachEngine('many connections at once keep their bytes apart', async (t, loop) => {
  const listener = await serve(
    loop,
    () => new Recorder({ data: (conn, buf, start, end) => void conn.write(buf, start, end) }),
    LOCALHOST,
  );
  const clients = Array.from({ length: 100 }, () => new Recorder({ connect: (conn) => send(conn) }));
  const send = (conn: Conn): void => {
    const text = Buffer.from(`<${conn.id}>`);
    conn.write(text, 0, text.length);
  };
  const conns = clients.map((client) => loop.connect(listener.address, client));
  await Promise.all(clients.map((client) => client.until('data')));
  for (const [i, client] of clients.entries()) t.equal(client.text, `<${conns[i]!.id}>`);
});

t.end();
