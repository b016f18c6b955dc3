// Pulls bytes out of a socket in the portions that a test asks for, and knows how the peer ended: FIN or RST.
// Test code only. Reading stops (real TCP back-pressure) when nobody takes what has arrived.

import type { Socket } from 'node:net';

import { PATIENCE_MS } from './deadline.ts';

/** `fin`: the peer sent its end. `reset`: RST or any other error. `local`: we closed it ourselves. */
export type Ending = 'fin' | 'reset' | 'local';

export class StreamEnded extends Error {
  readonly how: Ending;
  readonly rest: Buffer;

  constructor(how: Ending, rest: Buffer, wanted: string) {
    super(`stream ended (${how}) while waiting for ${wanted}; got ${JSON.stringify(rest.toString('latin1').slice(0, 400))}`);
    this.how = how;
    this.rest = rest;
  }
}

const HIGH_WATER_BYTES = 1 << 20;

export class ByteReader {
  /** All bytes received so far. */
  total = 0;
  ending: Ending | null = null;
  private readonly socket: Socket;
  private held: Buffer[] = [];
  private heldBytes = 0;
  private paused = false;
  private wake: (() => void) | null = null;
  private readonly patienceMs: number;

  constructor(socket: Socket, patienceMs = PATIENCE_MS) {
    this.socket = socket;
    this.patienceMs = patienceMs;
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    socket.on('end', () => this.end('fin'));
    socket.on('error', () => this.end('reset'));
    socket.on('close', () => this.end('local'));
  }

  /** The next bytes up to and with `marker`. */
  async until(marker: string, limit = 1 << 20, patienceMs = this.patienceMs): Promise<Buffer> {
    const needle = Buffer.from(marker, 'latin1');
    let from = 0;
    for (;;) {
      const all = this.merge();
      const at = all.indexOf(needle, from);
      if (at >= 0) return this.cut(at + needle.length);
      if (all.length > limit) throw new Error(`no ${JSON.stringify(marker)} within ${limit} bytes`);
      from = Math.max(0, all.length - needle.length + 1);
      await this.more(JSON.stringify(marker), patienceMs);
    }
  }

  /** Exactly `count` bytes. */
  async exactly(count: number, patienceMs = this.patienceMs): Promise<Buffer> {
    while (this.heldBytes < count) await this.more(`${count} bytes (have ${this.heldBytes})`, patienceMs, count);
    this.merge();
    return this.cut(count);
  }

  /** Whatever is there, at most `limit` bytes; null at the end. */
  async some(limit = Number.MAX_SAFE_INTEGER, patienceMs = this.patienceMs): Promise<Buffer | null> {
    while (this.heldBytes === 0) {
      try {
        await this.more('any bytes', patienceMs);
      } catch (error) {
        if (error instanceof StreamEnded && error.how !== 'reset') return null;
        throw error;
      }
    }
    const first = this.held[0] as Buffer;
    if (first.length <= limit) return this.cut(first.length);
    return this.cut(limit);
  }

  /** Waits for the peer's end and returns how it came and what was sent before it. */
  async toEnd(patienceMs = this.patienceMs): Promise<{ how: Ending; rest: Buffer }> {
    const parts: Buffer[] = [];
    try {
      for (;;) {
        if (this.heldBytes > 0) parts.push(this.cut(this.merge().length));
        await this.more('the end', patienceMs);
      }
    } catch (error) {
      if (!(error instanceof StreamEnded)) throw error;
      return { how: error.how, rest: Buffer.concat([...parts, error.rest]) };
    }
  }

  /** What has arrived and was not taken. */
  peek(): Buffer {
    return this.merge();
  }

  private take(chunk: Buffer): void {
    this.total += chunk.length;
    this.held.push(chunk);
    this.heldBytes += chunk.length;
    if (this.heldBytes > HIGH_WATER_BYTES && !this.paused) {
      this.paused = true;
      this.socket.pause();
    }
    this.signal();
  }

  private end(how: Ending): void {
    // An RST may follow a FIN, and says more.
    if (this.ending === null || (how === 'reset' && this.ending !== 'local')) this.ending = how;
    this.signal();
  }

  private signal(): void {
    const wake = this.wake;
    this.wake = null;
    wake?.();
  }

  private merge(): Buffer {
    if (this.held.length === 1) return this.held[0] as Buffer;
    const all = Buffer.concat(this.held);
    this.held = [all];
    return all;
  }

  private cut(count: number): Buffer {
    const first = this.held[0] as Buffer;
    if (count === first.length) this.held.shift();
    else this.held[0] = first.subarray(count);
    this.heldBytes -= count;
    this.flow();
    return first.subarray(0, count);
  }

  private flow(): void {
    if (!this.paused) return;
    this.paused = false;
    this.socket.resume();
  }

  private async more(wanted: string, patienceMs: number, atLeast = 0): Promise<void> {
    if (this.ending !== null) throw new StreamEnded(this.ending, this.merge(), wanted);
    if (atLeast > HIGH_WATER_BYTES || this.heldBytes === 0) this.flow();
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve, reject) => {
      this.wake = resolve;
      timer = setTimeout(() => {
        this.wake = null;
        reject(new Error(`waited ${patienceMs} ms in vain for ${wanted}; have ${this.describe()}`));
      }, patienceMs).unref();
    });
    clearTimeout(timer);
  }

  private describe(): string {
    return JSON.stringify(this.merge().toString('latin1').slice(0, 400));
  }
}
