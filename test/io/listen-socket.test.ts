// The primary's listening sockets, shared by workers of every engine.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as nodeConnect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import t from 'tap';

import type { Address } from '../../src/core/address.ts';
import type { Listener } from '../../src/io/conn.ts';
import { createLoop } from '../../src/io/engine.ts';
import { closeListenSocket, openListenSockets, removeSocketFile } from '../../src/io/listen-socket.ts';
import { engines, LOCALHOST, turns } from '../support/engines.ts';
import { LoopThread } from '../support/loop-thread.ts';
import { Recorder } from '../support/recorder.ts';

const directory = mkdtempSync(join(tmpdir(), 'nuncio-listen-'));
t.teardown(() => rmSync(directory, { recursive: true }));
const options = { skip: !engines.includes('epoll') && 'needs system calls' };

function portOf(address: Address): number {
  return address.kind === 'ip' ? address.port : 0;
}

/** Connects, is echoed, and leaves. */
async function visit(to: Address): Promise<string> {
  const socket = to.kind === 'ip' ? nodeConnect(to.port, '127.0.0.1') : nodeConnect(to.path);
  socket.write('x');
  return new Promise((resolve) => {
    socket.on('data', (data) => {
      socket.destroy();
      resolve(data.toString());
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
}

for (const kind of engines) {
  t.test(`${kind}: two workers share a port, and their end leaves it open`, options, async (t) => {
    const { fds, address } = openListenSockets(LOCALHOST, 2);
    t.ok(portOf(address) > 0);
    t.not(fds[0], fds[1]);
    const counts = [0, 0];
    const threads = await Promise.all(fds.map((fd) => LoopThread.start({ kind, fd, address: LOCALHOST })));
    for (const thread of threads) t.equal(portOf(thread.address), portOf(address));
    const held = await Promise.all(Array.from({ length: 64 }, () => hold(address)));
    for (const [i, thread] of threads.entries()) counts[i] = (await thread.ask('conns')) as number;
    t.equal(counts[0]! + counts[1]!, 64);
    t.ok(counts[0]! > 5 && counts[1]! > 5, `spread by the kernel: ${counts.join(' and ')}`);
    for (const socket of held) socket.destroy();

    for (const thread of threads) await thread.worker.terminate();
    // Connections to a dead worker's socket wait for the next worker.
    const waiting = Promise.all(Array.from({ length: 8 }, () => visit(address)));
    const next = await Promise.all(fds.map((fd) => LoopThread.start({ kind, fd, address: LOCALHOST })));
    t.same(new Set(await waiting), new Set(['x']));
    for (const thread of next) await thread.worker.terminate();
    for (const fd of fds) closeListenSocket(fd);
    t.equal(await visit(address), 'ECONNREFUSED');
  });

  t.test(`${kind}: two workers share a unix socket`, options, async (t) => {
    const at: Address = { kind: 'unix', path: join(directory, `${kind}.sock`) };
    const { fds, address } = openListenSockets(at, 2);
    t.same(address, at);
    t.not(fds[0], fds[1]);
    const threads = await Promise.all(fds.map((fd) => LoopThread.start({ kind, fd, address: at })));
    for (let i = 0; i < 8; i++) t.equal(await visit(at), 'x');
    for (const thread of threads) await thread.worker.terminate();
    for (const fd of fds) closeListenSocket(fd);
    t.ok(existsSync(at.path));
    removeSocketFile(at);
    removeSocketFile(at);
    t.notOk(existsSync(at.path));
  });
}

for (const kind of engines) {
  t.test(`${kind}: stopped for good, the primary's descriptor refuses; else it keeps queueing`, options, async (t) => {
    for (const [name, at] of Object.entries({ ip: LOCALHOST, unix: { kind: 'unix', path: join(directory, `good-${kind}`) } as Address })) {
      const { fds, address } = openListenSockets(at, 1);
      const loop = createLoop(kind);
      loop.run();
      const served: Recorder[] = [];
      const open = async (): Promise<Listener> =>
        loop.listen(address, fds[0]!, () => {
          served.push(new Recorder({ data: (conn, buf, start, end) => void conn.write(buf, start, end) }));
          return served.at(-1)!;
        });
      const first = await open();
      t.equal(await visit(address), 'x', name);
      await new Promise<void>((resolve) => first.stop(resolve));
      const waiting = visit(address);
      await turns(10);
      t.equal(served.length, 1, 'nobody accepts');
      const second = await open();
      t.equal(await waiting, 'x', 'until somebody does');
      const late = Array.from({ length: 5 }, () => visit(address));
      await new Promise<void>((resolve) => second.stop(resolve, true));
      for (const one of late) t.match(await one, /^(x|ECONNREFUSED)$/, 'served, or dropped and told so, never reset');
      t.equal(await visit(address), 'ECONNREFUSED', 'although the primary has not closed yet');
      for (const fd of fds) closeListenSocket(fd);
      loop.stop();
    }
  });
}

async function hold(address: Address): Promise<ReturnType<typeof nodeConnect>> {
  const socket = nodeConnect(portOf(address), '127.0.0.1');
  socket.write('x');
  await new Promise((resolve) => socket.once('data', resolve));
  return socket;
}

t.test('a port in use is an error that names it, also against SO_REUSEPORT', options, async (t) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as { port: number };
  const taken: Address = { kind: 'ip', host: '127.0.0.1', port };
  t.throws(() => openListenSockets(taken, 2), { code: 'EADDRINUSE', message: new RegExp(`127\\.0\\.0\\.1:${port}`) });
  t.throws(() => openListenSockets({ kind: 'ip', host: '0.0.0.0', port }, 1), { code: 'EADDRINUSE' });
  await new Promise((resolve) => other.close(resolve));

  const first = openListenSockets(LOCALHOST, 2);
  t.throws(() => openListenSockets(first.address, 2), { code: 'EADDRINUSE' });
  for (const fd of first.fds) closeListenSocket(fd);
  const again = openListenSockets(first.address, 2);
  t.same(again.address, first.address);
  for (const fd of again.fds) closeListenSocket(fd);
});

t.test('an address that is not ours', options, async (t) => {
  t.throws(() => openListenSockets({ kind: 'ip', host: '192.0.2.1', port: 0 }, 1), { code: 'EADDRNOTAVAIL' });
  t.throws(() => openListenSockets({ kind: 'unix', path: join(directory, 'no', 'such') }, 1), { code: 'ENOENT' });
  t.throws(() => openListenSockets({ kind: 'unix', path: 'x'.repeat(200) }, 1), { code: 'EINVAL' });
});

t.test('unix: a stale socket file is replaced, a live one and other files are not', options, async (t) => {
  const at: Address = { kind: 'unix', path: join(directory, 'stale.sock') };
  const first = openListenSockets(at, 1);
  t.throws(() => openListenSockets(at, 1), { code: 'EADDRINUSE', message: /stale\.sock/ });
  closeListenSocket(first.fds[0]!);
  t.ok(existsSync(at.path), 'its owner is gone');
  const second = openListenSockets(at, 1);
  closeListenSocket(second.fds[0]!);

  const file: Address = { kind: 'unix', path: join(directory, 'file') };
  writeFileSync(file.path, 'precious');
  t.throws(() => openListenSockets(file, 1), { code: 'EADDRINUSE' });
  t.ok(existsSync(file.path));
});

t.test('abstract unix socket', options, async (t) => {
  const at: Address = { kind: 'unix', path: `@nuncio-listen-${process.pid}` };
  const first = openListenSockets(at, 1);
  t.same(first.address, at);
  t.throws(() => openListenSockets(at, 1), { code: 'EADDRINUSE' });
  closeListenSocket(first.fds[0]!);
  closeListenSocket(openListenSockets(at, 1).fds[0]!);
});

t.end();
