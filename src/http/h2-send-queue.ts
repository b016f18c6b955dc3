// @hot
// Bytes of one stream that wait for a window or for the socket. Worker thread; one per H2Stream, mostly empty.
// How many may stand here is the source's affair: it was told to pause when the first of them were queued.

const EMPTY = Buffer.alloc(0);
const FIRST_BYTES = 64 * 1024;
const MAX_SPARE = 64;

/** Buffers of FIRST_BYTES that no queue uses. */
const spare: Buffer[] = [];

export class SendQueue {
  buf: Buffer = EMPTY;
  start = 0;
  end = 0;

  get length(): number {
    return this.end - this.start;
  }

  append(buf: Buffer, start: number, end: number): void {
    const more = end - start;
    if (more === 0) return;
    if (this.end + more > this.buf.length) this.makeRoom(more);
    this.buf.set(buf.subarray(start, end), this.end);
    this.end += more;
  }

  /** The first `count` bytes have been sent. */
  take(count: number): void {
    this.start += count;
    if (this.start === this.end) this.clear();
  }

  clear(): void {
    this.start = 0;
    this.end = 0;
    if (this.buf.length === FIRST_BYTES && spare.length < MAX_SPARE) spare.push(this.buf);
    this.buf = EMPTY;
  }

  private makeRoom(more: number): void {
    const length = this.length;
    const need = length + more;
    let target = this.buf;
    if (need > target.length) {
      if (need <= FIRST_BYTES) target = spare.pop() ?? Buffer.allocUnsafeSlow(FIRST_BYTES);
      else target = Buffer.allocUnsafeSlow(Math.max(need, target.length * 2));
    }
    target.set(this.buf.subarray(this.start, this.end), 0);
    if (target !== this.buf && this.buf.length === FIRST_BYTES && spare.length < MAX_SPARE) spare.push(this.buf);
    this.buf = target;
    this.start = 0;
    this.end = length;
  }
}
