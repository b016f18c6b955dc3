// A port that neither refuses nor accepts: its listener's thread sleeps and its queue is full, so that the kernel drops
// every further SYN. Test code only; Linux (other systems answer a full queue with RST).

import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';

import { sleep } from './deadline.ts';

const SLEEPER = `
const { createServer } = require('node:net');
const { parentPort } = require('node:worker_threads');
const server = createServer();
server.listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
  parentPort.postMessage(server.address().port);
  setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
});`;

export class BlackHole {
  readonly address: string;
  private readonly worker: Worker;
  private readonly fillers: Socket[];

  private constructor(address: string, worker: Worker, fillers: Socket[]) {
    this.address = address;
    this.worker = worker;
    this.fillers = fillers;
  }

  static async open(): Promise<BlackHole> {
    const worker = new Worker(SLEEPER, { eval: true });
    const [port] = (await once(worker, 'message')) as [number];
    await sleep(50);
    // The queue takes backlog + 1 connections; a connection attempt that stays unanswered shows that it is full.
    const fillers: Socket[] = [];
    for (let connected = true; connected && fillers.length < 16; ) {
      const socket = connect({ host: '127.0.0.1', port });
      socket.on('error', () => undefined);
      fillers.push(socket);
      connected = await Promise.race([once(socket, 'connect').then(() => true), sleep(200).then(() => false)]);
    }
    return new BlackHole(`127.0.0.1:${port}`, worker, fillers);
  }

  async close(): Promise<void> {
    for (const socket of this.fillers) socket.destroy();
    await this.worker.terminate();
  }
}
