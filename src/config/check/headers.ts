// Checks of header edits: operators in the values. Names and plain values are the schema's. Primary thread; pure.

import type { Place } from '../place.ts';
import type { CheckScope } from './check.ts';

export function checkHeaderEdits(edits: Place, { problems, tools }: CheckScope): void {
  for (const list of [edits.at('set'), edits.at('add')]) {
    const names = new Set<string>();
    for (const [name, place] of list.entries()) {
      const text = place.text();
      const wrong = text === null ? null : tools.checkFormat(text);
      if (wrong !== null) problems.push({ code: 'bad-format', pointer: place.pointer, message: wrong });
      if (names.has(name.toLowerCase())) {
        problems.push({ code: 'duplicate-name', pointer: place.pointer, atKey: true, message: `the header ${JSON.stringify(name)} is given twice, in different case` });
      }
      names.add(name.toLowerCase());
    }
  }
}
