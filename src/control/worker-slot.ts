// One place for a worker: its thread, what was sent to it and what it answered, its deaths and its return.
// Primary thread. The Supervisor owns the slots; a slot never acts on another one.

import { Worker } from 'node:worker_threads';
import type { OutlierFinding } from '../cluster/outlier-watch.ts';
import type { Address } from '../core/address.ts';
import type { CancelTimer, Timers } from '../core/host-timer.ts';
import type { Logger } from './log.ts';
import { messageOf } from './log.ts';
import type { ClusterEndpoints, FromWorker, HookAction, ListenSocket, ToWorker, WorkerStart } from './worker-messages.ts';

/** One configuration on its way to the workers. */
export interface Delivery {
  readonly epoch: number;
  readonly snapshot: unknown;
  readonly plan: unknown;
  /** Keys of session tickets as they are when a worker prepares. */
  ticketKeys(): readonly Uint8Array[];
  /** The listening sockets of the worker with this index, by listener name. */
  socketsOf(index: number): Readonly<Record<string, ListenSocket>>;
}

export interface Prepared {
  readonly errors: readonly string[];
  readonly addresses: Readonly<Record<string, Address>>;
}

export interface SlotEvents {
  /** The thread is gone and runs no more code. `ready`: it had been carrying traffic. */
  onDeath(slot: WorkerSlot, cause: string): void;
  onAccessLog(path: string, bytes: Uint8Array): void;
  onOutlier(finding: OutlierFinding): void;
}

export interface SlotOptions {
  readonly script: URL;
  readonly start: WorkerStart;
  readonly logger: Logger;
  readonly timers: Timers;
  /** How long a thread that is to end may take to do so by itself. */
  readonly graceMs: number;
  readonly events: SlotEvents;
}

type Answer = 'online' | 'prepared' | 'committed' | 'endpoints' | 'drained';

/** Why no answer came: the thread ended, and its death is reported by `onDeath`; or it said nothing in its time, and still runs. */
export type NoAnswer = 'dead' | 'silent';

interface Waiting {
  readonly answer: Answer;
  /** Of the configuration, or the number of the change of endpoints. */
  readonly epoch: number;
  readonly resolve: (message: FromWorker | NoAnswer) => void;
  readonly cancel: CancelTimer;
}

export class WorkerSlot {
  readonly index: number;
  private readonly options: SlotOptions;
  private worker: Worker | null = null;
  private waiting: Waiting[] = [];
  private lastError = '';
  private stopping = false;
  /** The thread said that it listens to messages. */
  private online = false;
  /** Epoch that the thread carries; 0 before its first commit. */
  epoch = 0;
  /** The last one that it was told to commit. */
  toldEpoch = 0;

  constructor(options: SlotOptions) {
    this.options = options;
    this.index = options.start.index;
  }

  /** A thread is there and takes messages. */
  get live(): boolean {
    return this.online;
  }

  /** Starts the thread. @returns false when it did not come online: its death is reported by `onDeath` as any other. */
  async launch(timeoutMs: number): Promise<boolean> {
    this.lastError = '';
    this.epoch = 0;
    this.toldEpoch = 0;
    this.stopping = false;
    let worker: Worker;
    try {
      worker = new Worker(this.options.script, { workerData: this.options.start, name: `nuncio-${this.index}` });
    } catch (error) {
      // The system has no thread or memory left: to the supervisor this is a death like any other.
      this.options.events.onDeath(this, messageOf(error));
      return false;
    }
    this.worker = worker;
    worker.on('message', (message: FromWorker) => this.onMessage(worker, message));
    worker.on('error', (error: unknown) => {
      this.lastError = error instanceof Error ? (error.stack ?? error.message) : String(error);
    });
    worker.on('messageerror', (error: unknown) => this.options.logger.error(`worker ${this.index} sent an unreadable message: ${messageOf(error)}`));
    worker.on('exit', (code) => this.onExit(worker, code));
    const message = await this.expect('online', 0, timeoutMs);
    if (message === 'silent') this.kill('did not come online in time');
    return typeof message === 'object';
  }

  async prepare(delivery: Delivery, timeoutMs: number): Promise<Prepared | NoAnswer> {
    const answer = this.expect('prepared', delivery.epoch, timeoutMs);
    const { epoch, snapshot, plan } = delivery;
    this.send({ type: 'prepare', epoch, snapshot, plan, sockets: delivery.socketsOf(this.index), ticketKeys: delivery.ticketKeys() });
    return (await answer) as Prepared | NoAnswer;
  }

  /** A thread that keeps silent is ended: it has to follow. @returns whether it carries this configuration now. */
  async commit(epoch: number, timeoutMs: number): Promise<boolean> {
    const answer = this.expect('committed', epoch, timeoutMs);
    this.toldEpoch = epoch;
    this.send({ type: 'commit', epoch });
    const message = await answer;
    if (message === 'silent') this.kill('did not take up the configuration in time');
    if (typeof message === 'string') return false;
    this.epoch = epoch;
    return true;
  }

  /** Other endpoints for clusters of the configuration that it was last told to commit. A thread that keeps silent is ended. */
  async tellEndpoints(change: number, clusters: readonly ClusterEndpoints[], timeoutMs: number): Promise<void> {
    const answer = this.expect('endpoints', change, timeoutMs);
    this.send({ type: 'endpoints', change, clusters });
    if ((await answer) === 'silent') this.kill('did not take up changed endpoints in time');
  }

  abandon(epoch: number): void {
    this.send({ type: 'abandon', epoch });
  }

  /** Resolves when the worker has drained or died. @returns false when it kept silent past its time. */
  async drain(timeoutMs: number, graceMs: number): Promise<boolean> {
    if (!this.online) return true;
    const answer = this.expect('drained', 0, timeoutMs + graceMs);
    this.send({ type: 'drain', timeoutMs });
    return (await answer) !== 'silent';
  }

  /** Ends the thread: first by asking it to. Resolves when it is gone, whatever it does. */
  async stop(graceMs: number): Promise<void> {
    const worker = this.worker;
    if (worker === null) return;
    this.stopping = true;
    const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    const cancel = this.options.timers.after(graceMs, () => void worker.terminate());
    this.send({ type: 'stop' });
    await gone;
    cancel();
  }

  /**
   * Ends a thread that misbehaves; its death is then reported like any other. It is asked first: one that carries
   * uWebSockets.js takes the whole process with it when it is ended from outside.
   */
  kill(cause: string): void {
    const { worker } = this;
    if (worker === null) return;
    this.lastError ||= cause;
    if (!this.online) {
      void worker.terminate();
      return;
    }
    const cancel = this.options.timers.after(this.options.graceMs, () => void worker.terminate());
    worker.once('exit', cancel);
    this.send({ type: 'stop' });
  }

  tellTicketKeys(keys: readonly Uint8Array[]): void {
    if (this.online) this.send({ type: 'ticketKeys', keys });
  }

  hook(action: HookAction): void {
    this.send({ type: 'hook', action });
  }

  private send(message: ToWorker): void {
    this.worker?.postMessage(message);
  }

  private expect(answer: Answer, epoch: number, timeoutMs: number): Promise<FromWorker | NoAnswer> {
    if (this.worker === null) return Promise.resolve('dead');
    return new Promise((resolve) => {
      const cancel = this.options.timers.after(timeoutMs, () => {
        this.waiting = this.waiting.filter((other) => other !== waiting);
        resolve('silent');
      });
      const waiting: Waiting = { answer, epoch, resolve, cancel };
      this.waiting.push(waiting);
    });
  }

  private onMessage(from: Worker, message: FromWorker): void {
    if (from !== this.worker) return;
    switch (message.type) {
      case 'log':
        this.options.logger.line(message.level, `worker ${this.index}: ${message.text}`);
        return;
      case 'accessLog':
        this.options.events.onAccessLog(message.path, message.bytes);
        return;
      case 'outlier':
        this.options.events.onOutlier(message);
        return;
      case 'online':
        this.online = true;
        this.settle('online', 0, message);
        return;
      case 'drained':
        this.settle('drained', 0, message);
        return;
      case 'endpoints':
        this.settle('endpoints', message.change, message);
        return;
      case 'prepared':
      case 'committed':
        this.settle(message.type, message.epoch, message);
    }
  }

  private settle(answer: Answer, epoch: number, message: FromWorker): void {
    const waiting = this.waiting.find((other) => other.answer === answer && other.epoch === epoch);
    if (waiting === undefined) return; // too late: its caller has given up
    this.waiting = this.waiting.filter((other) => other !== waiting);
    waiting.cancel();
    waiting.resolve(message);
  }

  private onExit(worker: Worker, code: number): void {
    if (this.worker !== worker) return;
    this.worker = null;
    this.online = false;
    this.epoch = 0;
    this.toldEpoch = 0;
    const waiting = this.waiting;
    this.waiting = [];
    for (const each of waiting) {
      each.cancel();
      each.resolve('dead');
    }
    if (this.stopping) return;
    this.options.events.onDeath(this, this.lastError === '' ? `exit code ${code}` : this.lastError);
  }
}
