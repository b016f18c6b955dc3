// @hot
// What an attempt has sent of a request's body, as long as a host may refuse it unseen and it be made again elsewhere.
// Worker thread; owned by its attempt. Small bodies only: most gRPC calls are one message, and large ones are not worth it.

const MAX_BYTES = 16 * 1024;
/** A larger buffer is not kept for the next attempt. */
const KEEP_BYTES = 2 * 1024;
const EMPTY = Buffer.alloc(0);

export class SentBytes {
  private buf: Buffer = EMPTY;
  private length = 0;
  private begun = false;
  /** There was more than is kept: the attempt cannot be made again. */
  lost = false;

  add(buf: Buffer, start: number, end: number): void {
    this.begun = true;
    if (this.lost) return;
    const length = this.length + end - start;
    if (length > MAX_BYTES) {
      this.lose();
      return;
    }
    if (length > this.buf.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(KEEP_BYTES, length, Math.min(MAX_BYTES, this.length * 2)));
      this.buf.copy(larger, 0, 0, this.length);
      this.buf = larger;
    }
    buf.copy(this.buf, this.length, start, end);
    this.length = length;
  }

  lose(): void {
    this.lost = true;
    this.length = 0;
  }

  /** All of it, in a Buffer of its own, without bytes where it was an end without any; null: nothing was sent. */
  copy(): Buffer | null {
    return this.begun ? Buffer.from(this.buf.subarray(0, this.length)) : null;
  }

  clear(): void {
    if (this.buf.length > KEEP_BYTES) this.buf = EMPTY;
    this.length = 0;
    this.begun = false;
    this.lost = false;
  }
}
