// @hot
// Earliest deadline first, as Envoy's EDF scheduler: whoever is taken is due again later, by its weight at that moment. A
// binary heap with its keys side by side. Worker thread; owned by one picker. Ties go to the lower place.

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
    for (let i = (n >> 1) - 1; i >= 0; i--) this.sink(i, due[i]!, this.places[i]!);
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

  /** The hole sinks to a leaf, always by the earlier child, and what belongs there rises to its place: no guess on the way down. */
  private sink(from: number, at: number, place: number): void {
    const { due, places } = this;
    const n = due.length;
    let i = from;
    for (let child = 2 * i + 1; child < n; child = 2 * i + 1) {
      const other = child + 1;
      // Without branches: which child is earlier cannot be foretold, and each wrong guess would cost more than all of this.
      if (other < n) child += +(due[other]! < due[child]!) | (+(due[other]! === due[child]!) & +(places[other]! < places[child]!));
      due[i] = due[child]!;
      places[i] = places[child]!;
      i = child;
    }
    while (i > from) {
      const parent = (i - 1) >> 1;
      if (due[parent]! < at || (due[parent] === at && places[parent]! < place)) break;
      due[i] = due[parent]!;
      places[i] = places[parent]!;
      i = parent;
    }
    due[i] = at;
    places[i] = place;
  }
}
