// The parent's side of `loop-worker`: starts one and asks it things. Tests only.

import { Worker } from 'node:worker_threads';

import type { Address } from '../../src/core/address.ts';
import { loopWorker } from './loop-worker.ts';
import type { Command, LoopWorkerData } from './loop-worker.ts';

export class LoopThread {
  readonly worker: Worker;
  address: Address = { kind: 'unix', path: '' };
  private readonly waiting = new Map<number, (value: unknown) => void>();
  private nextId = 1;

  private constructor(data: LoopWorkerData) {
    this.worker = new Worker(loopWorker, { workerData: data });
    this.worker.on('message', (message: { id: number; value: unknown }) => {
      this.waiting.get(message.id)?.(message.value);
      this.waiting.delete(message.id);
    });
  }

  static async start(data: LoopWorkerData): Promise<LoopThread> {
    const thread = new LoopThread(data);
    thread.address = await new Promise<Address>((resolve, reject) => {
      thread.waiting.set(0, (value) => resolve(value as Address));
      thread.worker.on('error', reject);
    });
    return thread;
  }

  ask(command: Command): Promise<unknown> {
    return new Promise((resolve) => {
      const id = this.nextId++;
      this.waiting.set(id, resolve);
      this.worker.postMessage({ id, command });
    });
  }
}
