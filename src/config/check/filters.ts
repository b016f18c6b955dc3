// What the filters of a listener say about each other. Primary thread; pure.

import type { Place } from '../place.ts';
import { MAX_GRPC_METHODS } from '../limits.ts';
import { FILTERS } from '../schema/listener.ts';
import type { CheckScope } from './check.ts';
import { exactlyOne, Register } from './choices.ts';

export function checkFilters(filters: Place, { problems }: CheckScope): void {
  const kinds = new Register('duplicate-name', problems);
  let counting: Place | null = null;
  for (const filter of filters.items()) {
    const kind = exactlyOne(filter, 'a filter', FILTERS, problems);
    if (kind === null) continue;
    kinds.add(kind, filter.pointer, `the filter ${JSON.stringify(kind)}`);
    if (kind === 'grpcStats') counting = filter.at(kind);
    if (kind === 'grpcWeb' && counting !== null) {
      problems.push({ code: 'conflict', pointer: counting.pointer, atKey: true, message: 'would not see the calls of browsers: grpcStats stands behind grpcWeb' });
    }
    checkMethods(filter.at('grpcStats').at('methods'), { problems });
  }
}

/** Each takes room in shared memory for each cluster. */
function checkMethods(methods: Place, { problems }: Pick<CheckScope, 'problems'>): void {
  if (methods.items().length > MAX_GRPC_METHODS) {
    problems.push({ code: 'out-of-range', pointer: methods.pointer, message: `must have at most ${MAX_GRPC_METHODS} entries` });
  }
  const names = new Register('duplicate-name', problems);
  for (const method of methods.items()) {
    const name = method.text();
    if (name !== null) names.add(name, method.pointer, `the method ${JSON.stringify(name)}`);
  }
}
