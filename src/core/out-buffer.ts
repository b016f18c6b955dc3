// @hot
// The one buffer of a worker in which outgoing heads and small frames are put together before a write. Worker thread.
// A writer may leave bytes here for the moment, so that a head and the body that follows in the same callback leave in
// one segment. `claim` makes it impossible that two writers' bytes meet: whoever holds is flushed first.

export interface OutHolder {
  /** Write what you left in the buffer now. */
  flushHeld(): void;
}

const FIRST_BYTES = 128 * 1024;

export class OutBuffer {
  buf: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  private holder: OutHolder | null = null;

  /** Called before every use: the buffer is `who`'s afterwards, with at least `bytes` of room. */
  claim(who: OutHolder, bytes: number): void {
    if (this.holder !== null && this.holder !== who) this.flush();
    if (this.buf.length < bytes) this.grow(bytes);
  }

  /** `who` leaves bytes behind, to be followed by `release` or flushed at the end of the callback. */
  hold(who: OutHolder): void {
    this.holder = who;
  }

  release(): void {
    this.holder = null;
  }

  /** Called at the end of every callback of the loop: nothing is held from one to the next. */
  flush(): void {
    const holder = this.holder;
    if (holder === null) return;
    this.holder = null;
    holder.flushHeld();
  }

  private grow(bytes: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(bytes, this.buf.length * 2));
    larger.set(this.buf, 0); // a claimant that holds keeps what it left
    this.buf = larger;
  }
}
