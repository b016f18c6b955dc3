// Routing tables of many routes and requests that spread over all of them: for the test and the benchmark of match cost.

import { Random } from '../../src/core/random.ts';
import type { RouteTable } from '../../src/route/match.ts';
import type { LoneStream } from './request.ts';
import { matching, route, seeded, streamOf, tableOfRoutes } from './request.ts';

const PATHS = 5000;

export class MatchCase {
  private readonly table: RouteTable;
  private readonly paths: readonly string[];
  private readonly stream: LoneStream = streamOf({});
  private readonly random: Random = seeded();

  constructor(kind: 'path' | 'prefix', size: number) {
    const routes = Array.from({ length: size }, (_, i) => route(`r${i}`, matching({ kind, value: routePath(i) })));
    const rest = kind === 'path' ? '?page=2' : '/items/17?page=2';
    const pick = new Random([5, 6, 7, 8]);
    this.table = tableOfRoutes(...routes);
    this.paths = Array.from({ length: PATHS }, () => Buffer.from(routePath(pick.below(size)) + rest).latin1Slice());
  }

  /** Matches the paths in turn, `times` in all; @returns how many met no route. */
  run(times: number): number {
    const { table, paths, stream, random } = this;
    let missed = 0;
    for (let i = 0, k = 0; i < times; i++) {
      stream.path = paths[k]!;
      if (table.match(stream, random) === null) missed++;
      if (++k === paths.length) k = 0;
    }
    return missed;
  }

  /** Nanoseconds per match, over one run of all paths. */
  measure(): number {
    const start = process.hrtime.bigint();
    this.run(PATHS);
    return Number(process.hrtime.bigint() - start) / PATHS;
  }
}

function routePath(i: number): string {
  return `/api/v1/service-${i}/resource`;
}
