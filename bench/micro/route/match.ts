// RouteTable.match: 10, 1,000 and 10,000 exact and prefix routes, requests spread over all of them; and the conditions
// that cost most.

import { MatchCase } from '../../../test/route/match-case.ts';
import { matching, route, seeded, streamOf, tableOfRoutes, valueMatch } from '../../../test/route/request.ts';
import { measure } from '../../measure.ts';

let missed = 0;

for (const kind of ['path', 'prefix'] as const) {
  for (const size of [10, 1000, 10000]) {
    const one = new MatchCase(kind, size);
    measure(`${kind}, ${size} routes`, (times) => {
      missed += one.run(times);
    });
  }
}

const SINGLE = {
  regex: matching({ kind: 'regex', value: '/api/v[0-9]+/users/[0-9]+' }),
  template: matching({ kind: 'template', value: '/api/{version}/users/{id}' }),
  header: matching({ kind: 'any' }, { headers: [valueMatch('x-tier', 'exact', { value: 'gold' })] }),
  query: matching({ kind: 'any' }, { query: [valueMatch('page', 'exact', { value: '2' })] }),
};
for (const [name, match] of Object.entries(SINGLE)) {
  const table = tableOfRoutes(route(name, match));
  const stream = streamOf({ path: '/api/v1/users/4711?sort=name&page=2', headers: ['accept: */*', 'x-tier: gold'] });
  const random = seeded();
  measure(`one route by ${name}`, (times) => {
    for (let i = 0; i < times; i++) if (table.match(stream, random) === null) missed++;
  });
}

if (missed > 0) throw new Error(`${missed} requests met no route`);
