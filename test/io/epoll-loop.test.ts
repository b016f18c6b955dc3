// What only the epoll engine can get wrong: descriptors that are reused, that run out, events of a closed one.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as nodeConnect } from 'node:net';
import { createInterface } from 'node:readline';

import t from 'tap';

import type { Address } from '../../src/core/address.ts';
import { Clock } from '../../src/core/clock.ts';
import type { Conn } from '../../src/io/conn.ts';
import type { EpollConn } from '../../src/io/epoll/epoll-conn.ts';
import { EpollLoop } from '../../src/io/epoll/epoll-loop.ts';
import { addressOf } from '../../src/io/epoll/listen-fd.ts';
import { writeSockaddr } from '../../src/io/epoll/sockaddr.ts';
import { AF_INET, requireSystem } from '../../src/io/epoll/system.ts';
import { engines, LOCALHOST, serve, turns } from '../support/engines.ts';
import { Recorder } from '../support/recorder.ts';

const options = { skip: !engines.includes('epoll') && 'needs system calls' };

/** A listener whose queue is full: the next connection to it stays half-way. */
function fullListener(): { address: Address; close(): void } {
  const system = requireSystem();
  const fd = system.socket(AF_INET);
  system.bind(fd, writeSockaddr(LOCALHOST, system.sockaddr));
  system.listen(fd, 0);
  const address = addressOf(system, fd);
  const fillers = Array.from({ length: 2 }, () => {
    const filler = system.socket(AF_INET);
    system.connect(filler, writeSockaddr(address, system.sockaddr));
    return filler;
  });
  return { address, close: () => [fd, ...fillers].forEach((one) => system.close(one)) };
}

t.test('an event of a descriptor closed in the same batch does not reach its next tenant', options, async (t) => {
  const loop = new EpollLoop();
  loop.run();
  const full = fullListener();
  t.teardown(() => {
    loop.stop();
    full.close();
  });
  const servers: Conn[] = [];
  const tenants: Recorder[] = [];
  const closed = new Set<number>();
  let reused = 0;
  let acted = false;
  // Whoever is first of the batch closes all others, whose events are still to come, and fills their numbers again.
  const act = (me: Conn): void => {
    if (acted) return;
    acted = true;
    for (const other of servers) {
      if (other === me) continue;
      closed.add((other as EpollConn).fd);
      other.close();
    }
    for (let i = 0; i < 8; i++) {
      const tenant = new Recorder();
      tenants.push(tenant);
      if (closed.has(loop.connect(full.address, tenant).fd)) reused++;
    }
  };
  const listener = await serve(loop, (conn) => {
    servers.push(conn);
    return new Recorder({ data: act });
  });
  const port = listener.address.kind === 'ip' ? listener.address.port : 0;
  const peers = Array.from({ length: 5 }, () => nodeConnect(port, '127.0.0.1'));
  for (const peer of peers) peer.on('error', () => undefined);
  while (servers.length < 5) await turns();
  for (const peer of peers) peer.write('x');
  while (!acted) await turns();
  await turns(10);
  t.equal(reused, 4, 'the numbers were given again');
  for (const tenant of tenants) t.same(tenant.log, [], 'still connecting, nothing to tell');
  for (const peer of peers) peer.destroy();
});

t.test('without descriptors it neither spins nor dies, and goes on when there are some', options, async (t) => {
  const worker = new URL('../support/loop-exhaust.js', import.meta.url).pathname;
  const child = spawn('sh', ['-c', 'ulimit -n 64; exec "$0" "$1"', process.execPath, worker]);
  t.teardown(() => child.kill());
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const told = async (): Promise<Record<string, number | string>> =>
    JSON.parse(((await lines.next()).value as string | undefined) ?? '{}') as Record<string, number | string>;
  const { port } = await told();
  const peers = Array.from({ length: 80 }, () => nodeConnect(Number(port), '127.0.0.1'));
  for (const peer of peers) peer.on('error', () => undefined);
  await Promise.all(peers.map((peer) => new Promise((resolve) => peer.once('connect', resolve))));
  child.stdin.write('report\n');
  const full = await told();
  t.ok(Number(full.conns) > 10 && Number(full.conns) < 64, `${full.conns} connections`);
  t.equal(full.connectError, 'EMFILE');
  child.stdin.write('report\n');
  const later = await told();
  t.ok(Number(later.cpuMs) < 200, `${later.cpuMs} ms of CPU in half a second`);
  for (const peer of peers.slice(0, 60)) peer.destroy();
  const rest = peers.slice(60);
  const answers = rest.map((peer) => new Promise((resolve) => peer.once('data', resolve)));
  for (const peer of rest) peer.write('x');
  await Promise.all(answers);
  for (const peer of rest) peer.destroy();
});

t.test('reading grows with a fast sink and shrinks with a slow one', options, async (t) => {
  const loop = new EpollLoop();
  loop.run();
  t.teardown(() => loop.stop());
  const sizes: number[] = [];
  let slow = false;
  const server = new Recorder({
    data: (conn, _, start, end) => {
      sizes.push(end - start);
      if (slow) conn.pauseRead();
    },
  });
  server.keepBytes = false;
  const listener = await serve(loop, () => server);
  const port = listener.address.kind === 'ip' ? listener.address.port : 0;
  const peer = nodeConnect(port, '127.0.0.1');
  const block = Buffer.alloc(8 * 1024 * 1024);
  const pour = async (): Promise<void> => {
    server.conn?.pauseRead();
    peer.write(block);
    await turns(20);
    server.conn?.resumeRead();
  };
  while (server.conn === null) await turns();
  await pour();
  await server.untilBytes(block.length);
  t.ok(Math.max(...sizes) > 64 * 1024, `up to ${Math.max(...sizes)} bytes at once`);
  t.ok(Math.max(...sizes) <= 1024 * 1024);
  slow = true;
  sizes.length = 0;
  await pour();
  while (server.bytes < 2 * block.length) {
    server.conn?.resumeRead();
    await turns(1);
  }
  const settled = sizes.slice(3);
  t.ok(Math.max(...settled) <= 128 * 1024, `then at most ${Math.max(...settled)}`);
  peer.destroy();
});

t.end();

t.test('a loop with nothing to do sleeps, and node can wake it', options, async (t) => {
  let turnsTaken = 0;
  const loop = new EpollLoop({ clock: new Clock({ monotonicMs: () => (turnsTaken++, performance.now()), wallMs: Date.now }) });
  loop.run();
  t.teardown(() => loop.stop());
  // A child's end, not a timer: of those we know, and look for them more often.
  const ended = async (seconds: string): Promise<void> => void (await once(spawn('sleep', [seconds]), 'exit'));
  await ended('0.3');
  turnsTaken = 0;
  await ended('1');
  t.ok(turnsTaken < 20, `${turnsTaken} turns in a second of silence`);
  await new Promise((resolve) => setTimeout(resolve, 10));
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setTimeout(resolve, 10).unref());
  t.pass('timers and immediates come');
});
