// @hot
// Bytes that a socket would not take, in order, until it does. Worker thread; a connection has one only while it needs
// it, and the loop keeps a few empty ones for the next.

const CHUNK_BYTES = 64 * 1024;
const POOL_MAX = 32;

export class KeptBytes {
  buf: Buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  start = 0;
  end = 0;

  get length(): number {
    return this.end - this.start;
  }

  append(from: Buffer, start: number, end: number): void {
    const more = end - start;
    if (this.end + more > this.buf.length) this.makeRoom(more);
    from.copy(this.buf, this.end, start, end);
    this.end += more;
  }

  private makeRoom(more: number): void {
    const length = this.end - this.start;
    const old = this.buf;
    if (length + more > old.length) this.buf = Buffer.allocUnsafeSlow(Math.max(old.length * 2, length + more));
    old.copy(this.buf, 0, this.start, this.end);
    this.start = 0;
    this.end = length;
  }
}

/** The empty ones of one loop. */
export class KeptPool {
  private readonly free: KeptBytes[] = [];

  take(): KeptBytes {
    return this.free.pop() ?? new KeptBytes();
  }

  give(kept: KeptBytes): void {
    if (kept.buf.length !== CHUNK_BYTES || this.free.length >= POOL_MAX) return;
    kept.start = 0;
    kept.end = 0;
    this.free.push(kept);
  }
}
