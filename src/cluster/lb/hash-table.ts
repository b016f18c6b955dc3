// @hot
// What ring and maglev have in common: a table from hashes to places in a list of hosts, that is built in slices. It knows
// hosts by their names and weights alone, so that it can go on serving when Host objects are made anew. Worker thread.

export abstract class HashTable {
  /** Names and weights: two tables with the same key are the same. */
  readonly key: string;
  readonly names: readonly string[];
  isReady = false;

  constructor(key: string, names: readonly string[]) {
    this.key = key;
    this.names = names;
  }

  /** Goes on building for about so many steps of a few nanoseconds each. @returns whether the table is ready */
  abstract build(steps: number): boolean;

  /** Place of the host for this hash; a higher `attempt` gives another entry, that of a neighbour or any other one. */
  abstract find(high: number, low: number, attempt: number): number;
}
