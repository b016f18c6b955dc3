// A value in the document together with its JSON pointer: what the checks walk with. It answers "absent" instead of
// failing, so that checks may run over a document that the schema has already found wrong elsewhere.
// Primary thread; pure.

import { childPointer } from './pointer.ts';

export class Place {
  readonly value: unknown;
  readonly pointer: string;

  constructor(value: unknown, pointer = '') {
    this.value = value;
    this.pointer = pointer;
  }

  get exists(): boolean {
    return this.value !== undefined;
  }

  /** The value of a key; an absent one gives a place that does not exist. */
  at(key: string | number): Place {
    const pointer = childPointer(this.pointer, key);
    const { value } = this;
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return new Place(undefined, pointer);
    return new Place((value as Record<string | number, unknown>)[key], pointer);
  }

  has(key: string): boolean {
    return this.at(key).exists;
  }

  /** The entries of a list; none if this is no list. */
  items(): Place[] {
    if (!Array.isArray(this.value)) return [];
    return this.value.map((item, index) => new Place(item, childPointer(this.pointer, index)));
  }

  /** The keys and values of an object; none if this is no object. */
  entries(): [key: string, place: Place][] {
    if (!this.isObject()) return [];
    return Object.entries(this.value as object).map(([key, item]) => [key, new Place(item, childPointer(this.pointer, key))]);
  }

  isObject(): boolean {
    return typeof this.value === 'object' && this.value !== null && !Array.isArray(this.value);
  }

  /** The text, or null if this is none. */
  text(): string | null {
    return typeof this.value === 'string' ? this.value : null;
  }

  number(): number | null {
    return typeof this.value === 'number' ? this.value : null;
  }
}
