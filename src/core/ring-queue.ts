// @hot
// A first-in first-out queue in a power-of-two ring that grows by doubling. Any thread; owned by whoever made it.

export class RingQueue<T> {
  private ring: (T | undefined)[] = new Array<T | undefined>(16).fill(undefined);
  private head = 0;
  length = 0;

  push(item: T): void {
    if (this.length === this.ring.length) this.grow();
    this.ring[(this.head + this.length) & (this.ring.length - 1)] = item;
    this.length++;
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const item = this.ring[this.head];
    this.ring[this.head] = undefined;
    this.head = (this.head + 1) & (this.ring.length - 1);
    this.length--;
    return item;
  }

  /** Takes one item out of the middle; linear in the length. False when it is not there. */
  remove(item: T): boolean {
    const mask = this.ring.length - 1;
    for (let i = 0; i < this.length; i++) {
      if (this.ring[(this.head + i) & mask] !== item) continue;
      for (let k = i; k < this.length - 1; k++) {
        this.ring[(this.head + k) & mask] = this.ring[(this.head + k + 1) & mask];
      }
      this.ring[(this.head + this.length - 1) & mask] = undefined;
      this.length--;
      return true;
    }
    return false;
  }

  private grow(): void {
    const old = this.ring;
    const mask = old.length - 1;
    const larger = new Array<T | undefined>(old.length * 2).fill(undefined);
    for (let i = 0; i < this.length; i++) larger[i] = old[(this.head + i) & mask];
    this.ring = larger;
    this.head = 0;
  }
}
