// @hot
// Which file descriptors a worker has opened through system calls, so that the primary can close them when the worker
// dies: unlike Node's own handles they do not end with the thread. Bits in the worker's own stripe, written plainly.

/** What `io` is handed on a worker. */
export interface FdLedger {
  /** Called right after the call that made the descriptor. */
  opened(fd: number): void;
  /**
   * Called right before the descriptor is closed. After it would be too late: another thread may already have the
   * number, and would lose it when this worker dies at the wrong moment. A leaked descriptor is the smaller harm.
   */
  closed(fd: number): void;
}

export class DescriptorBits implements FdLedger {
  private readonly words: Int32Array;

  /** `words`: the stripe's `fds`. Numbers beyond its end are not kept; no process has a million open descriptors per worker. */
  constructor(words: Int32Array) {
    this.words = words;
  }

  opened(fd: number): void {
    this.words[fd >> 5]! |= 1 << (fd & 31);
  }

  closed(fd: number): void {
    this.words[fd >> 5]! &= ~(1 << (fd & 31));
  }

  /** Primary, after the worker's thread has ended: the descriptors it left open, which are now the caller's. */
  take(): number[] {
    const fds: number[] = [];
    for (let i = 0; i < this.words.length; i++) {
      const word = this.words[i]!;
      if (word === 0) continue;
      for (let bit = 0; bit < 32; bit++) if ((word & (1 << bit)) !== 0) fds.push(i * 32 + bit);
      this.words[i] = 0;
    }
    return fds;
  }
}
