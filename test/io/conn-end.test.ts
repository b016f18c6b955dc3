// The byte contract: how connections end. Real sockets, every engine; the peers are node's own sockets where it matters
// what exactly goes over the wire.

import { connect as nodeConnect } from 'node:net';
import type { Socket } from 'node:net';

import t from 'tap';

import { CLOSED_LOCAL, CLOSED_REMOTE, CLOSED_RESET } from '../../src/io/conn.ts';
import type { Conn, Loop } from '../../src/io/conn.ts';
import { onEachEngine, serve, turns } from '../support/engines.ts';
import { Recorder } from '../support/recorder.ts';

interface Pair {
  readonly near: Recorder;
  readonly conn: Conn;
  readonly peer: Socket;
  /** What the peer saw: text, then `end`, `error:CODE`, `close`. */
  readonly seen: string[];
  readonly peerClosed: Promise<void>;
}

/** An accepted connection of ours with a plain node socket at the other end. */
async function pair(loop: Loop, near = new Recorder()): Promise<Pair> {
  const listener = await serve(loop, () => near);
  const port = listener.address.kind === 'ip' ? listener.address.port : 0;
  const peer = nodeConnect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const seen: string[] = [];
  peer.on('data', (data) => seen.push(data.toString('latin1')));
  peer.on('end', () => {
    seen.push(hasBeenReset(peer) ? 'error:ECONNRESET' : 'end');
  });
  peer.on('error', (error: NodeJS.ErrnoException) => seen.push(`error:${error.code}`));
  const peerClosed = new Promise<void>((resolve) => peer.on('close', () => resolve()));
  await new Promise((resolve) => peer.on('connect', resolve));
  while (near.conn === null) await turns();
  return { near, conn: near.conn, peer, seen, peerClosed };
}

/** libuv tells a RST that comes together with data as an end; a socket that was reset has no peer any more. */
function hasBeenReset(peer: Socket & { _handle?: { getpeername(out: object): number } }): boolean {
  return !peer.writableEnded && peer._handle !== undefined && peer._handle.getpeername({}) !== 0;
}

onEachEngine('FIN: onEnd after all data, our side stays open', async (t, loop) => {
  const { near, conn, peer, seen } = await pair(loop);
  peer.end('last words');
  await near.until('end');
  t.equal(near.text, 'last words');
  t.same(near.log, ['data', 'end']);
  await turns(5);
  conn.write(Buffer.from('answer'), 0, 6);
  while (seen.length === 0) await turns();
  t.same(seen, ['answer']);
  conn.shutdownWrite();
  await near.until('close');
  t.same(near.log, ['data', 'end', `close:${CLOSED_REMOTE}`], 'both ends sent: it closes by itself');
  t.equal(conn.error, '');
  t.equal(loop.openConns, 0);
});

onEachEngine('half close the other way: we end first and still read', async (t, loop) => {
  const { near, conn, peer, seen, peerClosed } = await pair(loop);
  conn.write(Buffer.from('q'), 0, 1);
  conn.shutdownWrite();
  t.equal(conn.write(Buffer.from('late'), 0, 4), true, 'after the end nothing is kept');
  while (!seen.includes('end')) await turns();
  peer.end('reply');
  await near.until('close');
  await peerClosed;
  t.same(seen, ['q', 'end']);
  t.equal(near.text, 'reply');
  t.same(near.log, ['data', 'end', `close:${CLOSED_REMOTE}`]);
});

onEachEngine('data and FIN while paused: the data comes first, then the end', async (t, loop) => {
  const { near, conn, peer } = await pair(loop);
  conn.pauseRead();
  peer.end('unread');
  await turns(20);
  t.same(near.log, []);
  conn.resumeRead();
  await near.until('end');
  t.equal(near.text, 'unread');
  t.same(near.log, ['data', 'end']);
});

onEachEngine('RST is not FIN', async (t, loop) => {
  const { near, conn, peer } = await pair(loop);
  peer.write('x');
  await near.until('data');
  peer.resetAndDestroy();
  await near.until('close');
  t.same(near.log, ['data', `close:${CLOSED_RESET}`]);
  t.equal(conn.error, 'ECONNRESET');
  t.equal(loop.openConns, 0);
});

onEachEngine('RST right behind data is not taken for an end', async (t, loop) => {
  const { near, conn, peer } = await pair(loop);
  conn.pauseRead();
  peer.write('truncated');
  await turns(10);
  peer.resetAndDestroy();
  await turns(10);
  conn.resumeRead();
  await near.until('close');
  t.notOk(near.log.includes('end'));
  t.equal(near.log.at(-1), `close:${CLOSED_RESET}`);
  t.equal(conn.error, 'ECONNRESET');
});

onEachEngine('RST after FIN, noticed while writing', async (t, loop) => {
  const { near, conn, peer } = await pair(loop);
  peer.end();
  await near.until('end');
  peer.destroy();
  const chunk = Buffer.alloc(1000);
  while (!near.log.some((entry) => entry.startsWith('close'))) {
    conn.write(chunk, 0, chunk.length);
    await turns();
  }
  t.same(near.log, ['end', `close:${CLOSED_RESET}`]);
  t.match(conn.error, /^(EPIPE|ECONNRESET)$/);
});

onEachEngine('a reset and an end are noticed while reading is paused', async (t, loop) => {
  const reset = await pair(loop);
  reset.conn.pauseRead();
  reset.peer.write('unread');
  await turns(10);
  reset.peer.resetAndDestroy();
  await reset.near.until('close');
  t.same(reset.near.log, [`close:${CLOSED_RESET}`]);

  const ended = await pair(loop);
  ended.conn.pauseRead();
  ended.peer.end();
  await ended.near.until('end');
  ended.conn.write(Buffer.from('still open'), 0, 10);
  while (ended.seen.length === 0) await turns();
  ended.peer.destroy();
});

onEachEngine('both ends sent while paused: bytes, end and close wait in order', async (t, loop) => {
  const { near, conn, peer, seen } = await pair(loop);
  conn.shutdownWrite();
  conn.pauseRead();
  while (!seen.includes('end')) await turns();
  peer.end('unread');
  await turns(20);
  t.same(near.log, []);
  conn.resumeRead();
  t.same(near.log, [], 'never from inside');
  await near.until('close');
  t.equal(near.text, 'unread');
  t.same(near.log, ['data', 'end', `close:${CLOSED_REMOTE}`]);
});

onEachEngine('closing what waits paused behind both ends', async (t, loop) => {
  for (const how of ['close', 'reset'] as const) {
    const { near, conn, peer } = await pair(loop);
    conn.shutdownWrite();
    conn.pauseRead();
    peer.end('unread');
    await turns(20);
    conn[how]();
    await near.until('close');
    t.same(near.log, [`close:${CLOSED_LOCAL}`]);
  }
  t.equal(loop.openConns, 0);
});

onEachEngine('what the peer said before its RST is read although a write has failed', async (t, loop) => {
  const { near, conn, peer } = await pair(loop);
  peer.write('413 too large');
  peer.resetAndDestroy();
  while (!near.log.some((entry) => entry.startsWith('close'))) {
    conn.write(Buffer.from('more upload'), 0, 11);
    await turns(1);
  }
  t.equal(near.log.at(-1), `close:${CLOSED_RESET}`);
  if (loop.kind === 'epoll') t.same(near.log, ['data', `close:${CLOSED_RESET}`]); // node ends a stream whose write fails
});

onEachEngine('close sends what is kept', async (t, loop) => {
  const { near, conn, peer, seen, peerClosed } = await pair(loop);
  peer.pause();
  const chunk = Buffer.alloc(1024 * 1024, 'k');
  let written = 0;
  while (conn.write(chunk, 0, chunk.length)) written += chunk.length;
  written += chunk.length;
  conn.close();
  t.equal(conn.write(chunk, 0, 1), true, 'ignored');
  conn.close();
  await turns(5);
  t.same(near.log, [], 'not yet');
  peer.resume();
  await near.until('close');
  peer.end();
  await peerClosed;
  t.equal(seen.at(-1), 'end');
  t.equal(seen.slice(0, -1).join('').length, written);
  t.same(near.log, [`close:${CLOSED_LOCAL}`]);
});

onEachEngine('reset throws kept bytes away and sends a RST', async (t, loop) => {
  const { near, conn, peer, seen, peerClosed } = await pair(loop);
  peer.pause();
  const chunk = Buffer.alloc(1024 * 1024);
  while (conn.write(chunk, 0, chunk.length));
  conn.reset();
  t.same(near.log, [], 'never from inside');
  t.equal(conn.pending, 0);
  await near.until('close');
  peer.resume();
  while (!seen.includes('error:ECONNRESET') && !seen.includes('end')) await turns();
  peer.destroy();
  await peerClosed;
  t.equal(seen.at(-1), 'error:ECONNRESET');
  t.same(near.log, [`close:${CLOSED_LOCAL}`]);
});

onEachEngine('reset of a connection that is already closing', async (t, loop) => {
  const { near, conn, peer, seen, peerClosed } = await pair(loop);
  peer.pause();
  const chunk = Buffer.alloc(1024 * 1024);
  while (conn.write(chunk, 0, chunk.length));
  conn.close();
  await turns(3);
  conn.reset();
  await near.until('close');
  peer.resume();
  while (!seen.includes('error:ECONNRESET') && !seen.includes('end')) await turns();
  peer.destroy();
  await peerClosed;
  t.equal(seen.at(-1), 'error:ECONNRESET');
  t.same(near.log, [`close:${CLOSED_LOCAL}`]);
});

onEachEngine('a peer that resets while we close', async (t, loop) => {
  const { near, conn, peer } = await pair(loop);
  peer.pause();
  const chunk = Buffer.alloc(1024 * 1024);
  while (conn.write(chunk, 0, chunk.length));
  conn.close();
  await turns(3);
  peer.resetAndDestroy();
  await near.until('close');
  t.same(near.log, [`close:${CLOSED_RESET}`]);
});

onEachEngine('lingering close: an answer survives bytes that nobody reads', async (t, loop) => {
  const { near, conn, peer, seen, peerClosed } = await pair(loop);
  conn.pauseRead();
  peer.write(Buffer.alloc(100_000));
  await turns(5);
  conn.write(Buffer.from('413'), 0, 3);
  conn.closeLingering(10_000);
  conn.closeLingering(1);
  while (!seen.includes('end')) await turns();
  peer.write(Buffer.alloc(100_000));
  await turns(5);
  peer.end();
  await near.until('close');
  await peerClosed;
  t.same(seen, ['413', 'end']);
  t.same(near.log, [`close:${CLOSED_REMOTE}`], 'dropped bytes are not told');
});

onEachEngine('lingering close is over when its time is', async (t, loop) => {
  const { near, conn, peer, seen } = await pair(loop);
  conn.closeLingering(30);
  while (!seen.includes('end')) await turns();
  await near.until('close');
  t.same(near.log, [`close:${CLOSED_LOCAL}`]);
  t.equal(loop.timers.size, 0);
  peer.destroy();
});

onEachEngine('lingering close after the peer has ended is a plain close', async (t, loop) => {
  const { near, conn, peer, peerClosed } = await pair(loop);
  peer.end();
  await near.until('end');
  conn.closeLingering(60_000);
  await near.until('close');
  await peerClosed;
  t.same(near.log, ['end', `close:${CLOSED_LOCAL}`]);
  t.equal(loop.timers.size, 0);
});

for (const how of ['close', 'reset'] as const) {
  for (const where of ['data', 'end', 'writable', 'connect'] as const) {
    onEachEngine(`${how} inside on ${where}: onClose once, later, nothing after it`, async (t, loop) => {
      let inside = false;
      let closedInside = false;
      const act = (conn: Conn): void => {
        inside = true;
        conn[how]();
        conn.write(Buffer.from('x'), 0, 1);
        conn.pauseRead();
        conn.resumeRead();
        conn.shutdownWrite();
        conn.closeLingering(1);
        conn[how]();
        inside = false;
      };
      const client = new Recorder({ [where]: act, close: () => (closedInside = inside) });
      const server = new Recorder({ data: (conn, buf, start, end) => void conn.write(buf, start, end) });
      const listener = await serve(loop, () => server);
      const conn = loop.connect(listener.address, client);
      conn.write(Buffer.from('ping'), 0, 4);
      if (where === 'end') {
        await server.until('data');
        server.conn?.close();
      }
      await client.until('close');
      server.conn?.close();
      while (loop.openConns > 0) await turns();
      await turns(5);
      t.equal(closedInside, false);
      t.equal(client.log.filter((entry) => entry.startsWith('close')).length, 1);
      t.equal(client.log.at(-1), `close:${CLOSED_LOCAL}`);
    });
  }
}

onEachEngine('a connection may end another in the same turn', async (t, loop) => {
  const servers: Recorder[] = [];
  const killAll = (): void => servers.forEach((server) => server.conn?.reset());
  const listener = await serve(loop, () => {
    const server = new Recorder({ data: killAll });
    servers.push(server);
    return server;
  });
  const clients = Array.from({ length: 20 }, () => new Recorder());
  const conns = clients.map((client) => loop.connect(listener.address, client));
  await Promise.all(clients.map((client) => client.until('connect')));
  while (servers.length < 20) await turns();
  for (const conn of conns) conn.write(Buffer.from('boom'), 0, 4);
  await Promise.all(clients.map((client) => client.until('close')));
  await Promise.all(servers.map((server) => server.until('close')));
  for (const server of servers) t.equal(server.log.filter((entry) => entry.startsWith('close')).length, 1);
  t.equal(loop.openConns, 0);
});

onEachEngine('stop closes everything silently', async (t, loop) => {
  const { near, peerClosed, peer } = await pair(loop);
  const client = new Recorder();
  const listener = await serve(loop, () => new Recorder());
  loop.connect(listener.address, client);
  await client.until('connect');
  loop.stop();
  loop.stop();
  peer.end();
  await peerClosed;
  await turns(5);
  t.same(near.log, []);
  t.same(client.log, ['connect']);
  t.equal(loop.openConns, 0);
});

t.end();
