// @hot
// Adds, sets and removes header fields as a route and its virtual host ask for: per level first the removals, then what
// is set, then what is added (Envoy's order). A value that comes out empty changes nothing, as in Envoy.
// Compiled at load; applied on the worker, to the request before it goes up and to the answer before it goes down.

import type { Head } from '../core/head.ts';
import type { Stream } from '../core/stream.ts';

/** Text with operators, ready to be filled in. */
export interface TextFormat {
  format(stream: Stream): string;
}

export interface EditLevel {
  /** Lower-case. */
  readonly remove: readonly string[];
  readonly edits: readonly HeaderEdit[];
}

export class HeaderEdit {
  readonly name: string;
  readonly constant: string;
  /** null: `constant` is the value. */
  readonly format: TextFormat | null;
  /** Replaces the fields of that name; false: stands beside them. */
  readonly replace: boolean;

  constructor(name: string, value: string | TextFormat, replace: boolean) {
    this.name = name;
    this.constant = typeof value === 'string' ? value : '';
    this.format = typeof value === 'string' ? null : value;
    this.replace = replace;
  }
}

export function applyEdits(levels: readonly EditLevel[], stream: Stream, head: Head): void {
  for (let k = 0; k < levels.length; k++) {
    const { remove, edits } = levels[k]!;
    for (let i = 0; i < remove.length; i++) head.remove(remove[i]!);
    for (let i = 0; i < edits.length; i++) {
      const edit = edits[i]!;
      const value = edit.format === null ? edit.constant : edit.format.format(stream);
      if (value === '') continue;
      if (edit.replace) head.set(edit.name, value);
      else head.add(edit.name, value);
    }
  }
}
