// @hot
// Earliest deadline first, as Envoy's EDF scheduler: whoever is taken is due again later, by its weight at that moment. A
// heap with four children per node, whose keys stand side by side: fewer levels, and one cache line for each.
// Worker thread; owned by one picker. Ties go to the lower place.

export class Deadlines {
  private readonly due: Float64Array;
  private readonly places: Int32Array;
  /** When the one taken last was due. */
  private now: number;

  /** @param due by place; becomes the heap */
  constructor(due: Float64Array, now = 0) {
    const n = due.length;
    this.due = due;
    this.places = new Int32Array(n);
    this.now = now;
    for (let i = 0; i < n; i++) this.places[i] = i;
    for (let i = (n - 2) >> 2; i >= 0; i--) this.sink(i, due[i]!, this.places[i]!);
  }

  /** Who is due next; `putBack` follows. */
  next(): number {
    return this.places[0]!;
  }

  /** The one that `next` gave is due again so much later. */
  putBack(later: number): void {
    this.now = this.due[0]!;
    this.sink(0, this.now + later, this.places[0]!);
  }

  /** The same, at a time of its own. */
  putBackAt(due: number): void {
    this.sink(0, due, this.places[0]!);
  }

  /** How long each has to wait yet, by place. */
  waits(): Float64Array {
    const waits = new Float64Array(this.due.length);
    for (let i = 0; i < waits.length; i++) waits[this.places[i]!] = this.due[i]! - this.now;
    return waits;
  }

  private sink(from: number, at: number, place: number): void {
    const { due, places } = this;
    const n = due.length;
    let i = from;
    for (;;) {
      let child = 4 * i + 1;
      if (child >= n) break;
      let least = due[child]!;
      let lowest = places[child]!;
      const end = child + 4 < n ? child + 4 : n;
      for (let k = child + 1; k < end; k++) {
        const other = due[k]!;
        if (other > least || (other === least && places[k]! > lowest)) continue;
        least = other;
        lowest = places[k]!;
        child = k;
      }
      if (least > at || (least === at && lowest > place)) break;
      due[i] = least;
      places[i] = lowest;
      i = child;
    }
    due[i] = at;
    places[i] = place;
  }
}
