// A loop in a worker thread: node stays alive inside it, faults surface, and its end leaves nothing behind.

import { connect as nodeConnect } from 'node:net';
import type { Socket } from 'node:net';

import t from 'tap';

import type { Address } from '../../src/core/address.ts';
import { closeDescriptors } from '../../src/io/listen-socket.ts';
import { engines, hasRing, LOCALHOST, turns } from '../support/engines.ts';
import { LoopThread } from '../support/loop-thread.ts';

function portOf(address: Address): number {
  return address.kind === 'ip' ? address.port : 0;
}

async function client(address: Address): Promise<{ socket: Socket; seen: string[]; closed: Promise<void> }> {
  const socket = nodeConnect(portOf(address), '127.0.0.1');
  const seen: string[] = [];
  socket.on('data', (data) => seen.push(data.toString()));
  socket.on('error', (error: NodeJS.ErrnoException) => seen.push(error.code ?? ''));
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  await new Promise((resolve) => socket.on('connect', resolve));
  return { socket, seen, closed };
}

for (const kind of engines) {
  t.test(`${kind}: node lives in the loop's thread`, async (t) => {
    const thread = await LoopThread.start({ kind, fd: -1, address: LOCALHOST });
    t.teardown(() => thread.worker.terminate());
    const started = performance.now();
    for (let i = 0; i < 100; i++) await thread.ask('ping');
    t.equal(await thread.ask('immediates'), 'immediates');
    t.ok(performance.now() - started < 2500, 'messages and immediates wake a blocked loop: 100 of each would else take 10 s');
    t.equal(await thread.ask('promise'), 'promise');
    t.equal(await thread.ask('timer'), 'timer');
    t.equal(await thread.ask('file'), true);
    t.equal(await thread.ask('dns'), true);
    t.equal(await thread.ask('http'), 200);
  });

  t.test(`${kind}: an idle loop costs next to nothing`, async (t) => {
    const thread = await LoopThread.start({ kind, fd: -1, address: LOCALHOST });
    t.teardown(() => thread.worker.terminate());
    await thread.ask('ping');
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const used = process.cpuUsage(before);
    t.ok(used.user + used.system < 50_000, `${used.user + used.system} µs of CPU in one second`);
  });

  t.test(`${kind}: an owner's exception is uncaught in that thread, and the loop goes on`, async (t) => {
    const thread = await LoopThread.start({ kind, fd: -1, address: LOCALHOST });
    t.teardown(() => thread.worker.terminate());
    const [bad, good] = [await client(thread.address), await client(thread.address)];
    bad.socket.write('throw');
    good.socket.write('fine');
    while (good.seen.length === 0) await turns();
    good.socket.write(' again');
    while (good.seen.join('') !== 'fine again') await turns();
    t.same(await thread.ask('ping'), ['thrown by an owner']);
    bad.socket.destroy();
    good.socket.destroy();
    await thread.ask('acceptThrows');
    await refused(thread.address); // the connection that nobody took is reset
    t.same(await thread.ask('ping'), ['thrown by an owner', 'thrown by accept']);
    while ((await thread.ask('conns')) !== 0);
  });

  t.test(`${kind}: after stop the thread ends by itself`, async (t) => {
    const thread = await LoopThread.start({ kind, fd: -1, address: LOCALHOST });
    const peer = await client(thread.address);
    peer.socket.write('x');
    while (peer.seen.length === 0) await turns();
    const ended = new Promise<number>((resolve) => thread.worker.on('exit', resolve));
    await thread.ask('stop');
    t.equal(await ended, 0);
    await peer.closed;
    t.same(await Promise.race([client(thread.address).then(() => 'open'), refused(thread.address)]), 'ECONNREFUSED');
  });
}

function refused(address: Address): Promise<string> {
  return new Promise((resolve) => {
    const socket = nodeConnect(portOf(address), '127.0.0.1');
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
}

t.test('a terminated worker leaves descriptors, and the ledger closes them', { skip: !engines.includes('epoll') }, async (t) => {
  const thread = await LoopThread.start({ kind: 'epoll', fd: -1, address: LOCALHOST });
  const peers = [await client(thread.address), await client(thread.address)];
  for (const peer of peers) peer.socket.write('x');
  for (const peer of peers) while (peer.seen.length === 0) await turns();
  const fds = (await thread.ask('fds')) as number[];
  t.equal(fds.length, hasRing ? 5 : 4, 'epoll, perhaps its ring, listener, two connections');
  await thread.worker.terminate();
  await turns(20);
  t.same(peers.map((peer) => peer.socket.closed), [false, false]);
  closeDescriptors(fds);
  await Promise.all(peers.map((peer) => peer.closed));
  t.equal(await refused(thread.address), 'ECONNREFUSED');
});

t.test('the ledger forgets what is closed', { skip: !engines.includes('epoll') }, async (t) => {
  const thread = await LoopThread.start({ kind: 'epoll', fd: -1, address: LOCALHOST });
  t.teardown(() => thread.worker.terminate());
  const before = ((await thread.ask('fds')) as number[]).length;
  const peers = await Promise.all(Array.from({ length: 10 }, () => client(thread.address)));
  while ((await thread.ask('conns')) !== 10);
  t.equal(((await thread.ask('fds')) as number[]).length, before + 10);
  for (const peer of peers) peer.socket.destroy();
  while ((await thread.ask('conns')) !== 0);
  t.equal(((await thread.ask('fds')) as number[]).length, before);
});

t.end();
