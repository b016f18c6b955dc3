// What the filters of a listener say about each other, and what virtual hosts and routes say of them. Primary thread; pure.

import type { Place } from '../place.ts';
import { MAX_GRPC_METHODS } from '../limits.ts';
import { FILTERS } from '../schema/filters.ts';
import type { CheckScope } from './check.ts';
import { exactlyOne, Register } from './choices.ts';
import { checkLimits } from './limit-filters.ts';

/** @returns the kinds of the filters that are there */
export function checkFilters(filters: Place, { problems }: CheckScope): ReadonlySet<string> {
  const kinds = new Register('duplicate-name', problems);
  const found = new Set<string>();
  let counting: Place | null = null;
  for (const filter of filters.items()) {
    const kind = exactlyOne(filter, 'a filter', FILTERS, problems);
    if (kind === null) continue;
    found.add(kind);
    kinds.add(kind, filter.pointer, `the filter ${JSON.stringify(kind)}`);
    if (kind === 'grpcStats') counting = filter.at(kind);
    if (kind === 'grpcWeb' && counting !== null) {
      problems.push({ code: 'conflict', pointer: counting.pointer, atKey: true, message: 'would not see the calls of browsers: grpcStats stands behind grpcWeb' });
    }
    checkMethods(filter.at('grpcStats').at('methods'), { problems });
    checkLimits(filter, problems);
  }
  return found;
}

/** @param above the kinds that are there without it. @returns those that are there with it */
export function checkRouteFilters(changes: Place, above: ReadonlySet<string>, { problems }: CheckScope): ReadonlySet<string> {
  const found = new Set(above);
  for (const [kind, change] of changes.entries()) {
    if (change.value !== false) {
      found.add(kind);
    } else if (!found.delete(kind) && FILTERS.some((known) => known === kind)) {
      problems.push({ code: 'conflict', pointer: change.pointer, atKey: true, message: `turns off what is not there: neither the listener nor the virtual host has the filter ${JSON.stringify(kind)}` });
    }
  }
  checkLimits(changes, problems);
  return found;
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
