// One file of lines: a bounded queue in front of an O_APPEND descriptor, one write at a time, so order is kept and the
// primary never waits for a disk or for the reader of a pipe. Primary thread; AccessLogFiles owns it.

import { close, constants, open, write } from 'node:fs';
import { promisify } from 'node:util';
import type { Timers } from '../core/host-timer.ts';
import type { Logger } from './log.ts';
import { messageOf } from './log.ts';

const openFd = promisify(open);
const closeFd = promisify(close);
const writeFd = promisify(write);

/** Envoy's `filesystem.*`, and the lines that are lost, whatever the reason, which Envoy does not count. */
export interface FilesystemStats {
  write_buffered: number;
  write_completed: number;
  write_failed: number;
  write_dropped: number;
  reopen_failed: number;
  /** Gauge: bytes that wait. */
  write_total_buffered: number;
}

export function emptyFilesystemStats(): FilesystemStats {
  return { write_buffered: 0, write_completed: 0, write_failed: 0, write_dropped: 0, reopen_failed: 0, write_total_buffered: 0 };
}

const NEWLINE = 0x0a;
/** A pipe that is full is tried again after this long. */
const RETRY_MS = 20;
const MAX_WRITE_BYTES = 1 << 20;
/** For a standard stream that the system does not let us open by name (a socket, another user's terminal). */
const STANDARD_FDS: ReadonlyMap<string, number> = new Map([
  ['/dev/stdout', 1],
  ['/dev/stderr', 2],
]);

export interface LogFileOptions {
  readonly stats: FilesystemStats;
  readonly logger: Logger;
  readonly timers: Timers;
  readonly maxQueuedBytes: number;
}

export class LogFile {
  readonly path: string;
  private readonly options: LogFileOptions;
  private queue: Uint8Array[] = [];
  private queuedBytes = 0;
  private fd = -1;
  /** Open, and in use from the next write on; -1. */
  private next = -1;
  /** The running writer, or null. */
  private writer: Promise<void> | null = null;
  private complained = false;
  private closed = false;

  constructor(path: string, options: LogFileOptions) {
    this.path = path;
    this.options = options;
  }

  async openNow(): Promise<void> {
    if (this.fd < 0) this.fd = await this.open();
  }

  append(bytes: Uint8Array): void {
    const { stats, maxQueuedBytes } = this.options;
    if (this.queuedBytes + bytes.length > maxQueuedBytes) {
      stats.write_dropped += countLines(bytes);
      this.complain('is too slow: lines are dropped');
      return;
    }
    this.queue.push(bytes);
    this.queuedBytes += bytes.length;
    stats.write_buffered++;
    stats.write_total_buffered += bytes.length;
    this.writer ??= this.run();
  }

  /** Resolves when everything that was appended has been written or given up. */
  async idle(): Promise<void> {
    while (this.writer !== null) await this.writer;
  }

  /**
   * The file of this name may have become another one: what has not been written goes there. Does not wait for what is
   * being written, so that a pipe nobody reads can be got rid of.
   */
  async reopen(): Promise<void> {
    const fd = await this.open(); // the old one stays in use when this throws
    const outdated = this.closed ? fd : this.next;
    if (!this.closed) this.next = fd;
    await this.release(outdated);
    if (this.writer === null) await this.turn();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.options.stats.write_total_buffered -= this.queuedBytes;
    this.options.stats.write_dropped += this.queue.reduce((lines, bytes) => lines + countLines(bytes), 0);
    this.queue = [];
    this.queuedBytes = 0;
    await this.idle();
    await Promise.all([this.release(this.fd), this.release(this.next)]);
    this.fd = -1;
    this.next = -1;
  }

  private async run(): Promise<void> {
    try {
      while (this.queue.length > 0) {
        await this.turn();
        await this.writeBatch(this.takeBatch());
      }
    } finally {
      this.writer = null;
    }
  }

  private takeBatch(): Uint8Array {
    let bytes = 0;
    let count = 0;
    while (count < this.queue.length && (count === 0 || bytes + this.queue[count]!.length <= MAX_WRITE_BYTES)) {
      bytes += this.queue[count]!.length;
      count++;
    }
    const batch = this.queue.splice(0, count);
    return batch.length === 1 ? batch[0]! : Buffer.concat(batch, bytes);
  }

  private async writeBatch(batch: Uint8Array): Promise<void> {
    const { stats } = this.options;
    let rest = batch;
    try {
      await this.openNow();
      while (rest.length > 0) rest = rest.subarray(await this.writeSome(rest, batch));
      stats.write_completed++;
      this.complained = false;
    } catch (error) {
      stats.write_failed++;
      stats.write_dropped += countLines(rest);
      this.complain(`cannot be written: ${messageOf(error)}`);
      if (codeOf(error) === 'EPIPE') await this.forget();
    }
    if (this.closed) return; // `close` has settled the account
    this.queuedBytes -= batch.length;
    stats.write_total_buffered -= batch.length;
  }

  /** @returns how many bytes of `rest`, the end of `batch`, are done with. */
  private async writeSome(rest: Uint8Array, batch: Uint8Array): Promise<number> {
    try {
      return (await writeFd(this.fd, rest, 0, rest.length, null)).bytesWritten;
    } catch (error) {
      if (codeOf(error) !== 'EAGAIN' || this.closed) throw error;
    }
    if (!(await this.turn())) {
      await new Promise<void>((resolve) => this.options.timers.after(RETRY_MS, resolve));
      return 0;
    }
    const begun = rest.length < batch.length && batch[batch.length - rest.length - 1] !== NEWLINE;
    if (!begun) return 0;
    // Half of this line is in the old file: the new one begins with the next.
    this.options.stats.write_dropped++;
    const end = rest.indexOf(NEWLINE);
    return end < 0 ? rest.length : end + 1;
  }

  /** @returns whether another descriptor is in use from now on. */
  private async turn(): Promise<boolean> {
    if (this.next < 0) return false;
    const old = this.fd;
    this.fd = this.next;
    this.next = -1;
    await this.release(old);
    return true;
  }

  /** The reader of this pipe is gone: the next write opens it anew. */
  private async forget(): Promise<void> {
    const old = this.fd;
    this.fd = -1;
    await this.release(old);
  }

  private async open(): Promise<number> {
    const standard = STANDARD_FDS.get(this.path);
    // Not to block is for pipes alone: their own description of the pipe leaves the flag of other processes' ends as it is.
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK;
    if (standard !== undefined) return await openFd(this.path, flags).catch(() => standard);
    try {
      return await openFd(this.path, flags | constants.O_CREAT, 0o644);
    } catch (error) {
      if (codeOf(error) !== 'ENXIO') throw error;
      // A pipe that nobody reads yet: Linux lets it be opened by one who could read it himself.
      return await openFd(this.path, constants.O_RDWR | constants.O_APPEND | constants.O_NONBLOCK);
    }
  }

  private async release(fd: number): Promise<void> {
    if (fd > 2) await closeFd(fd);
  }

  private complain(what: string): void {
    if (this.complained) return;
    this.complained = true;
    this.options.logger.error(`access log ${this.path} ${what}`);
  }
}

function countLines(bytes: Uint8Array): number {
  let lines = 0;
  for (const byte of bytes) if (byte === NEWLINE) lines++;
  return lines;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
