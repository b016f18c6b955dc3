// Reads and sends that a turn makes together: what a pause, a close or a full socket in between must not change. With
// io_uring where this machine has it, and without.

import { connect as nodeConnect } from 'node:net';
import type { Socket } from 'node:net';

import t from 'tap';
import type { Test } from 'tap';

import type { Conn } from '../../src/io/conn.ts';
import { EpollLoop } from '../../src/io/epoll/epoll-loop.ts';
import { Ring } from '../../src/io/epoll/ring.ts';
import { BATCHED_MOST_BYTES } from '../../src/io/epoll/send-batch.ts';
import { requireSystem } from '../../src/io/epoll/system.ts';
import { engines, hasRing, serve, turns } from '../support/engines.ts';
import { Recorder } from '../support/recorder.ts';

const noEpoll = !engines.includes('epoll') && 'needs system calls';

const noRing = noEpoll || (!hasRing && 'no io_uring here');

type BatchTest = (t: Test, loop: EpollLoop) => Promise<void>;

function withAndWithoutRing(name: string, body: BatchTest): void {
  for (const ioUring of [true, false]) {
    t.test(`${ioUring ? 'ring' : 'plain calls'}: ${name}`, { skip: ioUring ? noRing : noEpoll }, async (t) => {
      const loop = new EpollLoop({ ioUring });
      loop.run();
      t.teardown(() => loop.stop());
      await body(t, loop);
    });
  }
}

interface Stage {
  readonly servers: Recorder[];
  readonly peers: Socket[];
  /** What each peer has received. */
  readonly received: string[];
  /** Lets all peers speak at once, so that the loop finds all of it in one wait. */
  say(text: string): void;
}

/** `count` connections to the loop, each with an owner of its own. */
async function stage(t: Test, loop: EpollLoop, count: number, on: Recorder['on']): Promise<Stage> {
  const servers: Recorder[] = [];
  const listener = await serve(loop, () => {
    const server = new Recorder(on);
    servers.push(server);
    return server;
  });
  const port = listener.address.kind === 'ip' ? listener.address.port : 0;
  const received = new Array<string>(count).fill('');
  const peers = Array.from({ length: count }, (_, i) => {
    const peer = nodeConnect(port, '127.0.0.1');
    peer.on('error', () => undefined);
    peer.on('data', (chunk: Buffer) => (received[i] += chunk.toString('latin1')));
    t.teardown(() => peer.destroy());
    return peer;
  });
  while (servers.length < count) await turns();
  const say = (text: string): void => peers.forEach((peer) => void peer.write(text));
  return { servers, peers, received, say };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turns(1);
}

function echo(conn: Conn, buf: Buffer, start: number, end: number): void {
  conn.write(buf, start, end);
}

withAndWithoutRing('everybody gets their own bytes, and all of them', async (t, loop) => {
  const { peers, received } = await stage(t, loop, 70, { data: echo });
  for (let round = 0; round < 20; round++) {
    peers.forEach((peer, i) => void peer.write(`<${i}:${round}>`));
    await turns(2);
  }
  const wanted = peers.map((_, i) => Array.from({ length: 20 }, (__, round) => `<${i}:${round}>`).join(''));
  await until(() => received.every((text, i) => text.length >= wanted[i]!.length));
  t.same(received, wanted);
});

withAndWithoutRing('small, large, small: in the order of the writes', async (t, loop) => {
  const large = 'L'.repeat(3 * BATCHED_MOST_BYTES);
  const pieces = ['a', 'b', large, 'c', 'd'.repeat(BATCHED_MOST_BYTES), 'e'];
  const write = (conn: Conn): void => {
    for (const piece of pieces) conn.write(Buffer.from(piece), 0, piece.length, piece === 'a');
  };
  const { received, say } = await stage(t, loop, 8, { data: write });
  say('!');
  const wanted = pieces.join('');
  await until(() => received.every((text) => text.length >= wanted.length));
  for (const text of received) t.ok(text === wanted);
});

withAndWithoutRing('two connections written in turns keep their order', async (t, loop) => {
  let acted = false;
  const { servers, received, say } = await stage(t, loop, 3, {
    data: () => {
      if (acted) return;
      acted = true;
      for (let i = 0; i < 300; i++) {
        for (const server of servers) server.conn!.write(Buffer.from(`${i},`), 0, `${i},`.length);
      }
    },
  });
  say('!');
  const wanted = Array.from({ length: 300 }, (_, i) => `${i},`).join('');
  await until(() => received.every((text) => text.length >= wanted.length));
  t.same(received, [wanted, wanted, wanted]);
});

withAndWithoutRing('bytes read ahead wait for an owner that was paused since', async (t, loop) => {
  let first: Conn | null = null;
  const { servers, say } = await stage(t, loop, 6, {
    data: (conn) => {
      if (first !== null) return;
      first = conn;
      for (const server of servers) if (server.conn !== conn) server.conn!.pauseRead();
    },
  });
  say('one');
  await until(() => first !== null);
  await turns(10);
  const others = servers.filter((server) => server.conn !== first);
  t.same(others.map((server) => server.bytes), [0, 0, 0, 0, 0]);
  say('two');
  await turns(10);
  t.same(others.map((server) => server.bytes), [0, 0, 0, 0, 0], 'still paused');
  for (const server of others) {
    server.conn!.resumeRead();
    t.equal(server.bytes, 0, 'no call from inside resumeRead');
  }
  await until(() => servers.every((server) => server.bytes >= 6));
  for (const server of servers) t.equal(server.text, 'onetwo');
});

withAndWithoutRing('an end behind bytes that were read ahead comes after them', async (t, loop) => {
  let first: Conn | null = null;
  const { servers, peers, say } = await stage(t, loop, 4, {
    data: (conn) => {
      first ??= conn;
      if (conn === first) for (const server of servers) if (server.conn !== conn) server.conn!.pauseRead();
    },
  });
  say('last words');
  await until(() => first !== null);
  for (const peer of peers) peer.end();
  await turns(20);
  const others = servers.filter((server) => server.conn !== first);
  t.same(others.map((server) => server.log), [[], [], []], 'neither the bytes nor the end');
  for (const server of others) server.conn!.resumeRead();
  await Promise.all(servers.map((server) => server.until('end')));
  for (const server of others) t.same(server.log, ['data', 'end']);
});

withAndWithoutRing('who is closed with bytes read ahead hears no more', async (t, loop) => {
  let first: Conn | null = null;
  const { servers, say } = await stage(t, loop, 6, {
    data: (conn) => {
      if (first !== null) return;
      first = conn;
      for (const [i, server] of servers.filter((one) => one.conn !== conn).entries()) {
        if (i % 3 === 0) server.conn!.close();
        else if (i % 3 === 1) server.conn!.reset();
        else server.conn!.closeLingering(50);
      }
    },
  });
  say('unheard');
  await until(() => first !== null);
  const others = servers.filter((server) => server.conn !== first);
  await Promise.all(others.map((server) => server.until('close')));
  for (const server of others) t.notOk(server.log.includes('data'));
  t.equal(loop.openConns, 1);
});

withAndWithoutRing('what was written before a close goes out before it', async (t, loop) => {
  const answer = (conn: Conn, buf: Buffer, start: number): void => {
    conn.write(Buffer.from('bye'), 0, 3);
    const how = String.fromCharCode(buf[start]!);
    if (how === 'c') conn.close();
    else if (how === 'l') conn.closeLingering(1000);
    else conn.shutdownWrite();
  };
  const { peers, received } = await stage(t, loop, 9, { data: answer });
  const ended = peers.map((peer) => new Promise((resolve) => peer.once('end', resolve)));
  peers.forEach((peer, i) => void peer.write('cls'[i % 3]!));
  await Promise.all(ended);
  t.same(received, new Array<string>(9).fill('bye'));
});

withAndWithoutRing('a full socket keeps the rest, in order, and says when it takes more', async (t, loop) => {
  const block = Buffer.alloc(BATCHED_MOST_BYTES);
  let sent = 0;
  const fill = (conn: Conn): void => {
    while (sent < 64 * 1024 * 1024) {
      block.fill(97 + ((sent / block.length) % 26));
      sent += block.length;
      if (!conn.write(block, 0, block.length)) return;
    }
  };
  let writable = 0;
  const { servers, peers, say } = await stage(t, loop, 2, {
    data: (conn) => {
      if (conn === servers[0]!.conn) fill(conn);
      else conn.write(Buffer.from('x'), 0, 1);
    },
    writable: () => writable++,
  });
  const got = { bytes: 0, wrong: 0 };
  peers[0]!.removeAllListeners('data');
  peers[0]!.pause();
  say('!');
  await until(() => servers[0]!.conn!.pending > 0);
  t.ok(sent < 64 * 1024 * 1024, `held after ${sent} bytes`);
  peers[0]!.on('data', (chunk: Buffer) => {
    for (const byte of chunk) if (byte !== 97 + (Math.floor(got.bytes++ / block.length) % 26)) got.wrong++;
  });
  peers[0]!.resume();
  await until(() => got.bytes === sent);
  t.equal(got.wrong, 0);
  await until(() => writable > 0);
  t.equal(servers[0]!.conn!.pending, 0);
});

withAndWithoutRing('an exception of one owner loses nobody else a byte', async (t, loop) => {
  const uncaught: unknown[] = [];
  const threw = new Set<Conn>();
  const before = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => uncaught.push(error));
  t.teardown(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of before) process.on('uncaughtException', listener);
  });
  const { received, say, servers } = await stage(t, loop, 40, {
    data: (conn, buf, start, end) => {
      echo(conn, buf, start, end);
      if (servers.findIndex((one) => one.conn === conn) % 4 !== 0) return;
      threw.add(conn);
      throw new Error('a bug of an owner');
    },
  });
  say('hello');
  await until(() => received.every((text) => text.length >= 5));
  t.same(received, new Array<string>(40).fill('hello'));
  t.equal(threw.size, 10);
  t.equal(uncaught.length, 10);
});

t.test('a ring that the kernel refuses makes no call twice, and is not asked again', { skip: noRing }, async (t) => {
  const system = requireSystem();
  const ring = Ring.open(system)!;
  const pair = system.socketPair()!;
  const { libc } = system;
  const refusing = Object.assign(Object.create(system) as typeof system, { libc: { ...libc, syscall: () => -1, errno: () => 1 } });
  const broken = Ring.open(system)!;
  Object.assign(broken, { libc: refusing.libc });
  const bytes = Buffer.from('once');
  broken.send(3, pair[0], bytes, 0, 4, 0);
  broken.submit();
  t.equal(broken.results[3], -11, 'EAGAIN: to be made by other means');
  t.equal(broken.works, false);
  t.equal(system.recv(pair[1], Buffer.alloc(8), 0, 8, 0), -1, 'nothing was sent');
  ring.send(3, pair[0], bytes, 0, 4, 0);
  ring.submit();
  t.equal(ring.results[3], 4);
  const got = Buffer.alloc(8);
  ring.recv(0, pair[1], got, 2, 8);
  ring.recv(1, pair[0], got, 0, 2);
  ring.recv(2, 9999, got, 0, 2);
  ring.submit();
  t.same([...ring.results.subarray(0, 3)], [4, -11, -9], 'bytes, EAGAIN, EBADF, each in its slot');
  t.equal(got.toString('latin1', 2, 6), 'once');
  ring.close();
  broken.close();
  pair.forEach((fd) => system.close(fd));
});

t.test('a loop that ends closes its ring', { skip: noRing }, async (t) => {
  const open = new Set<number>();
  const ledger = { opened: (fd: number) => void open.add(fd), closed: (fd: number) => void open.delete(fd) };
  const loop = new EpollLoop({ ledger });
  t.equal(open.size, 2, 'the poller and the ring');
  loop.run();
  loop.stop();
  t.equal(open.size, 0);
});
