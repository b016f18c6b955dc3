// Checks of access logs: one form, known operators. Primary thread; pure.

import type { Place } from '../place.ts';
import type { CheckScope } from './check.ts';
import { atMostOne } from './choices.ts';

export function checkAccessLog(log: Place, { problems, tools }: CheckScope): void {
  atMostOne(log, 'an access log', ['format', 'json'], problems);
  checkOperators(log.at('format'));
  if (log.has('json')) checkJson(log.at('json'));

  function checkJson(place: Place): void {
    checkOperators(place);
    for (const item of place.items()) checkJson(item);
    for (const [, item] of place.entries()) checkJson(item);
  }

  function checkOperators(place: Place): void {
    const text = place.text();
    const wrong = text === null ? null : tools.checkFormat(text);
    if (wrong !== null) problems.push({ code: 'bad-format', pointer: place.pointer, message: wrong });
  }
}
