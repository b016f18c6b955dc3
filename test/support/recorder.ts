// An owner of connections that writes down what it is told and lets a test wait for it. Tests only.

import type { Conn, ConnOwner } from '../../src/io/conn.ts';

export class Recorder implements ConnOwner {
  /** `connect`, `data`, `writable`, `end`, `close:<reason>`; repeated `data` is written once. */
  readonly log: string[] = [];
  readonly chunks: Buffer[] = [];
  bytes = 0;
  conn: Conn | null = null;
  /** What a test wants to happen inside a callback, by name. */
  readonly on: {
    connect?: (conn: Conn) => void;
    data?: (conn: Conn, buf: Buffer, start: number, end: number) => void;
    writable?: (conn: Conn) => void;
    end?: (conn: Conn) => void;
    close?: (conn: Conn) => void;
  };
  /** Whether received bytes are kept in `chunks`. */
  keepBytes = true;
  private readonly waiters: { name: string; resolve: () => void }[] = [];

  constructor(on: Recorder['on'] = {}) {
    this.on = on;
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }

  /** Resolves when `name` stands in the log (`close` for any reason), or has been told already. */
  until(name: string): Promise<void> {
    if (this.log.some((entry) => matches(entry, name))) return Promise.resolve();
    return new Promise((resolve) => this.waiters.push({ name, resolve }));
  }

  /** Resolves when this many bytes have come. */
  async untilBytes(count: number): Promise<void> {
    while (this.bytes < count) await new Promise<void>((resolve) => this.waiters.push({ name: 'data', resolve }));
  }

  onConnect(conn: Conn): void {
    this.conn = conn;
    this.note('connect');
    this.on.connect?.(conn);
  }

  onData(conn: Conn, buf: Buffer, start: number, end: number): void {
    this.bytes += end - start;
    if (this.keepBytes) this.chunks.push(Buffer.from(buf.subarray(start, end)));
    if (this.log.at(-1) !== 'data') this.log.push('data');
    this.wake('data');
    this.on.data?.(conn, buf, start, end);
  }

  onWritable(conn: Conn): void {
    this.note('writable');
    this.on.writable?.(conn);
  }

  onEnd(conn: Conn): void {
    this.note('end');
    this.on.end?.(conn);
  }

  onClose(conn: Conn, why: number): void {
    this.note(`close:${why}`);
    this.on.close?.(conn);
  }

  private note(entry: string): void {
    this.log.push(entry);
    this.wake(entry);
  }

  private wake(entry: string): void {
    for (let i = this.waiters.length - 1; i >= 0; i--) {
      if (matches(entry, this.waiters[i]!.name)) this.waiters.splice(i, 1)[0]!.resolve();
    }
  }
}

function matches(entry: string, name: string): boolean {
  return entry === name || entry.startsWith(`${name}:`);
}
