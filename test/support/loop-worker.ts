// A worker with one loop and an echo listener, driven by messages: `new Worker(loopWorker, { workerData })`. Tests only.
// It answers every command with `{ id, value }`.

import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { createServer, get } from 'node:http';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';

import type { Address } from '../../src/core/address.ts';
import type { Conn } from '../../src/io/conn.ts';
import { createLoop } from '../../src/io/engine.ts';
import type { EngineKind } from '../../src/io/engine.ts';
import { Recorder } from './recorder.ts';

export const loopWorker: string = fileURLToPath(import.meta.url);

export interface LoopWorkerData {
  readonly kind: EngineKind;
  readonly fd: number;
  readonly address: Address;
}

export type Command = 'ping' | 'cpu' | 'fds' | 'timer' | 'promise' | 'immediates' | 'file' | 'dns' | 'http' | 'conns' | 'acceptThrows' | 'stop';

if (!isMainThread && parentPort !== null && (workerData as { kind?: unknown } | null)?.kind !== undefined) {
  await serveParent(parentPort, workerData as LoopWorkerData);
}

async function serveParent(port: NonNullable<typeof parentPort>, data: LoopWorkerData): Promise<void> {
  const open = new Set<number>();
  const loop = createLoop(data.kind, {
    ledger: { opened: (fd) => void open.add(fd), closed: (fd) => void open.delete(fd) },
  });
  const uncaught: string[] = [];
  process.on('uncaughtException', (error) => uncaught.push(error.message));
  loop.run();
  const echo = (conn: Conn, buf: Buffer, start: number, end: number): void => {
    if (buf.latin1Slice(start, end).startsWith('throw')) throw new Error('thrown by an owner');
    conn.write(buf, start, end);
  };
  let acceptThrows = false;
  const listener = await loop.listen(data.address, data.fd, () => {
    if (acceptThrows) {
      acceptThrows = false;
      throw new Error('thrown by accept');
    }
    return new Recorder({ data: echo, end: (conn) => conn.close() });
  });
  const commands: Record<Command, () => unknown> = {
    ping: () => uncaught,
    cpu: () => process.cpuUsage(),
    fds: () => [...open],
    conns: () => loop.openConns,
    acceptThrows: () => (acceptThrows = true),
    timer: () => new Promise((resolve) => setTimeout(() => resolve('timer'), 5)),
    promise: async () => {
      for (let i = 0; i < 100; i++) await Promise.resolve();
      return 'promise';
    },
    immediates: async () => {
      for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
      return 'immediates';
    },
    file: async () => (await readFile(loopWorker, 'utf8')).length > 0,
    dns: async () => (await lookup('localhost')).address.length > 0,
    http: () => httpRoundTrip(),
    stop: () => loop.stop(),
  };
  port.on('message', (message: { id: number; command: Command }) => {
    void Promise.resolve(commands[message.command]()).then((value) => {
      port.postMessage({ id: message.id, value });
      if (message.command === 'stop') port.close();
    });
  });
  port.postMessage({ id: 0, value: listener.address });
}

/** A server and a client of node's, both inside this thread. */
function httpRoundTrip(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer((_, response) => response.end('x'));
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      get({ port, host: '127.0.0.1', agent: false }, (response) => {
        response.resume();
        response.on('end', () => server.close(() => resolve(response.statusCode ?? 0)));
      }).on('error', reject);
    });
  });
}
