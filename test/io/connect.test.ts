// The byte contract: connecting and listening. Real sockets, every engine.

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import type { Address } from '../../src/core/address.ts';
import { CLOSED_CONNECT, CLOSED_LOCAL, CLOSED_RESET } from '../../src/io/conn.ts';
import type { Conn, Loop } from '../../src/io/conn.ts';
import { LOCALHOST, onEachEngine, serve, turns } from '../support/engines.ts';
import { Recorder } from '../support/recorder.ts';

const directory = mkdtempSync(join(tmpdir(), 'nuncio-io-'));
t.teardown(() => rmSync(directory, { recursive: true }));
const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some((entry) => entry.address === '::1'));

/** A port on which nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function roundTrip(loop: Loop, at: Address): Promise<{ server: Recorder; conn: Conn; address: Address }> {
  const server = new Recorder({ data: (conn, buf, start, end) => void conn.write(buf, start, end) });
  const listener = await serve(loop, () => server, at);
  const client = new Recorder({ connect: (conn) => void conn.write(Buffer.from('hi'), 0, 2) });
  const conn = loop.connect(listener.address, client);
  await client.untilBytes(2);
  conn.close();
  await client.until('close');
  await server.until('end');
  return { server, conn, address: listener.address };
}

async function failed(loop: Loop, to: Address): Promise<string> {
  const client = new Recorder();
  const conn = loop.connect(to, client);
  await client.until('close');
  return `${client.log.join()} ${conn.error} ${loop.openConns}`;
}

onEachEngine('IPv6', async (t, loop) => {
  if (!hasIpv6) return t.comment('no IPv6 here');
  const { server, conn } = await roundTrip(loop, { kind: 'ip', host: '::1', port: 0 });
  t.equal(server.conn?.remoteAddress, '::1');
  t.equal(conn.remoteAddress, '::1');
});

onEachEngine('the IPv6 wildcard takes IPv4 callers, who look like IPv4', async (t, loop) => {
  if (!hasIpv6) return t.comment('no IPv6 here');
  const server = new Recorder();
  const listener = await serve(loop, () => server, { kind: 'ip', host: '::', port: 0 });
  const port = listener.address.kind === 'ip' ? listener.address.port : 0;
  const client = new Recorder();
  const conn = loop.connect({ kind: 'ip', host: '127.0.0.1', port }, client);
  await client.until('connect');
  while (server.conn === null) await turns();
  t.equal(server.conn.remoteAddress, '127.0.0.1');
  t.equal(server.conn.remotePort, conn.localPort);
  t.equal(server.conn.localAddress, '127.0.0.1');
});

onEachEngine('unix socket', async (t, loop) => {
  const path = join(directory, `${loop.kind}.sock`);
  const { server, conn, address } = await roundTrip(loop, { kind: 'unix', path });
  t.same(address, { kind: 'unix', path });
  t.equal(server.conn?.remoteAddress, '');
  t.equal(server.conn?.remotePort, 0);
  t.equal(conn.remoteAddress, path);
});

onEachEngine('abstract unix socket', async (t, loop) => {
  if (process.platform !== 'linux') return t.comment('Linux only');
  const path = `@nuncio-test-${process.pid}-${loop.kind}`;
  const { conn, address } = await roundTrip(loop, { kind: 'unix', path });
  t.same(address, { kind: 'unix', path });
  t.equal(conn.remoteAddress, path);
});

onEachEngine('a unix peer that goes away: data, end, close', async (t, loop) => {
  const path = join(directory, `away-${loop.kind}.sock`);
  const server = new Recorder({
    data: (conn, buf, start, end) => {
      conn.write(buf, start, end);
      conn.close();
    },
  });
  await serve(loop, () => server, { kind: 'unix', path });
  const client = new Recorder({ end: (conn) => conn.close() });
  const conn = loop.connect({ kind: 'unix', path }, client);
  conn.write(Buffer.from('bye'), 0, 3);
  await client.until('close');
  t.equal(client.text, 'bye');
  t.match(client.log.join(), /connect,(writable,)?data,end,close:0/);
});

onEachEngine('refused', async (t, loop) => {
  const port = await deadPort();
  t.equal(await failed(loop, { kind: 'ip', host: '127.0.0.1', port }), `close:${CLOSED_CONNECT} ECONNREFUSED 0`);
  t.equal(await failed(loop, { kind: 'unix', path: join(directory, 'nobody') }), `close:${CLOSED_CONNECT} ENOENT 0`);
});

onEachEngine('an address that cannot be is told later, not thrown', async (t, loop) => {
  t.match(await failed(loop, { kind: 'unix', path: 'x'.repeat(200) }), /^close:3 E\w+ 0$/);
  t.match(await failed(loop, { kind: 'ip', host: '255.255.255.255', port: 9 }), /^close:3 E\w+ 0$/);
});

onEachEngine('closing right after connect', async (t, loop) => {
  const listener = await serve(loop, () => new Recorder());
  for (const how of ['close', 'reset'] as const) {
    const client = new Recorder();
    const conn = loop.connect(listener.address, client);
    conn[how]();
    t.same(client.log, []);
    await client.until('close');
    t.same(client.log, [`close:${CLOSED_LOCAL}`]);
  }
  const lingering = new Recorder();
  loop.connect(listener.address, lingering).closeLingering(1000);
  await lingering.until('close');
  t.same(lingering.log, [`close:${CLOSED_LOCAL}`]);
  await turns(10);
});

onEachEngine('an owner that connects again and again in vain holds nobody up', async (t, loop) => {
  const path = join(directory, 'nobody');
  let tries = 0;
  const stubborn = new Recorder({
    close: () => {
      if (++tries < 1000) loop.connect({ kind: 'unix', path }, stubborn);
    },
  });
  loop.connect({ kind: 'unix', path }, stubborn);
  const { conn } = await roundTrip(loop, LOCALHOST);
  t.equal(conn.error, '');
  while (tries < 1000) await turns();
});

onEachEngine('a connection that nobody wants is reset', async (t, loop) => {
  const listener = await serve(loop, () => null);
  const client = new Recorder();
  const conn = loop.connect(listener.address, client);
  await client.until('close');
  // The reset may overtake the news that the connection is up.
  t.match(client.log.join(), new RegExp(`^(connect,close:${CLOSED_RESET}|close:${CLOSED_CONNECT})$`));
  t.equal(conn.error, 'ECONNRESET');
});

onEachEngine('a listener that stops takes what is queued, then nothing', async (t, loop) => {
  const accepted: Recorder[] = [];
  const listener = await serve(loop, () => {
    accepted.push(new Recorder());
    return accepted.at(-1)!;
  });
  const clients = Array.from({ length: 150 }, () => new Recorder());
  for (const client of clients) loop.connect(listener.address, client);
  await Promise.all(clients.map((client) => client.until('connect')));
  await new Promise<void>((resolve) => listener.stop(resolve));
  t.equal(accepted.length, 150);
  t.match(await failed(loop, listener.address), /^close:3 ECONNREFUSED/);
});

onEachEngine('listening where somebody else does', async (t, loop) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as { port: number };
  await t.rejects(loop.listen({ kind: 'ip', host: '127.0.0.1', port }, -1, () => null), { code: 'EADDRINUSE' });
  await new Promise((resolve) => other.close(resolve));
});

onEachEngine('atTurnEnd runs each function once, in order, and those added meanwhile later', async (t, loop) => {
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    loop.atTurnEnd(() => {
      order.push('a');
      loop.atTurnEnd(() => {
        order.push('c');
        resolve();
      });
    });
    loop.atTurnEnd(() => order.push('b'));
    t.same(order, []);
  });
  await turns(5);
  t.same(order, ['a', 'b', 'c']);
});

t.end();
