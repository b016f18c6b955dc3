// @hot
// What has come of a request's body, as long as it may have to be sent (again): before there is a connection for it, and
// while another attempt may follow the one under way. Worker thread; owned by its Journey, which sets the limits.

/** A larger buffer is not kept for the next request. */
const KEEP_BYTES = 2 * 1024;
const EMPTY = Buffer.alloc(0);

export class KeptBody {
  /** The first `length` bytes are the body's. */
  bytes: Buffer = EMPTY;
  length = 0;
  /** Something has come, if only an end without bytes. */
  begun = false;

  add(buf: Buffer, start: number, end: number): void {
    const length = this.length + end - start;
    this.begun = true;
    if (length > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(KEEP_BYTES, length, this.length * 2));
      this.bytes.copy(larger, 0, 0, this.length);
      this.bytes = larger;
    }
    buf.copy(this.bytes, this.length, start, end);
    this.length = length;
  }

  clear(): void {
    if (this.bytes.length > KEEP_BYTES) this.bytes = EMPTY;
    this.length = 0;
    this.begun = false;
  }
}
