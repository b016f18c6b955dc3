// Hands out ranges of numbered slots of one kind (cells, histograms, rows) and takes them back. Primary thread; owned by
// the SharedState. Ranges come back into a list per size and are given out again before new ones: objects of one kind
// have one size, so nothing is lost to fragments.

export class SlotSpace {
  private readonly what: string;
  private readonly limit: number;
  private next = 0;
  private readonly free = new Map<number, number[]>();

  constructor(what: string, limit: number) {
    this.what = what;
    this.limit = limit;
  }

  /** Slots that are in use. */
  get used(): number {
    let idle = 0;
    for (const [size, starts] of this.free) idle += size * starts.length;
    return this.next - idle;
  }

  /** @returns the first slot, and whether the range was used before (and holds old values). */
  take(size: number): { readonly start: number; readonly reused: boolean } {
    const again = this.free.get(size)?.pop();
    if (again !== undefined) return { start: again, reused: true };
    if (this.next + size > this.limit) {
      throw new Error(`no room left in shared memory: ${this.used} of ${this.limit} ${this.what} are in use. Fewer clusters, endpoints or listeners fit in one process than this configuration has`);
    }
    const start = this.next;
    this.next += size;
    return { start, reused: false };
  }

  give(start: number, size: number): void {
    const starts = this.free.get(size);
    if (starts === undefined) this.free.set(size, [start]);
    else starts.push(start);
  }
}
