// Checks of the overload manager: actions that nothing could ever trigger. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { Problem } from '../errors.ts';
import { MIN_HEAP_BYTES } from '../limits.ts';
import type { Place } from '../place.ts';
import { explainDuration, explainSize, parseDuration, parseSize } from '../units.ts';

export function checkOverload(overload: Place, problems: Problem[]): void {
  if (!overload.isObject()) return;
  const actions = overload.at('actions');
  const bytes = sizeOf(overload.at('maxHeapSize'));
  if (bytes !== null && bytes > 0 && bytes < MIN_HEAP_BYTES) {
    problems.push({ code: 'out-of-range', pointer: overload.at('maxHeapSize').pointer, message: `less than 64MiB is taken by the process alone, before it serves anybody` });
  }
  if (bytes === 0 && (overload.has('actions') || overload.has('interval'))) {
    const key = overload.has('actions') ? 'actions' : 'interval';
    problems.push({ code: 'conflict', pointer: overload.at(key).pointer, atKey: true, message: `"${key}" needs "maxHeapSize": without it no memory is watched` });
  }
  const interval = overload.at('interval').text();
  if (interval !== null && explainDuration(interval) === null && parseDuration(interval) === 0) {
    problems.push({ code: 'out-of-range', pointer: overload.at('interval').pointer, message: 'must be longer than 0' });
  }
  if (actions.isObject()) checkReduction(actions.at('reduceTimeouts'), problems);
}

function checkReduction(reduce: Place, problems: Problem[]): void {
  if (!reduce.isObject()) return;
  const from = reduce.at('from').number() ?? DEFAULTS.reduceTimeouts.from;
  const to = reduce.at('to').number() ?? DEFAULTS.reduceTimeouts.to;
  if (from >= to) problems.push({ code: 'conflict', pointer: reduce.pointer, message: `time-outs shrink between "from" and "to": ${from} must be less than ${to}` });
}

/** 0 where none is given; null where it is malformed. */
function sizeOf(place: Place): number | null {
  if (!place.exists) return 0;
  const { value } = place;
  if (typeof value === 'number') return value;
  return typeof value === 'string' && explainSize(value) === null ? parseSize(value) : null;
}
