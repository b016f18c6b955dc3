// Header edits of a route and its virtual host.

import t from 'tap';
import type { HeaderEdits } from '../../src/config/snapshot.ts';
import { applyEdits } from '../../src/route/header-edits.ts';
import { NO_EDITS, forward, matching, route, seeded, streamOf, tableOf, virtualHost } from './request.ts';

/** The fields of a request after the edits, in the order they would be sent: received ones, then added ones. */
function edited(routeEdits: Partial<HeaderEdits>, hostEdits: Partial<HeaderEdits>, headers: readonly string[]): string[] {
  const only = route('', matching({ kind: 'any' }), forward({ requestHeaders: { ...NO_EDITS, ...routeEdits } }));
  const table = tableOf([{ ...virtualHost('v', ['*'], [only]), requestHeaders: { ...NO_EDITS, ...hostEdits } }]);
  const stream = streamOf({ headers, path: '/p' });
  applyEdits(table.match(stream, seeded())!.requestEdits, stream, stream.reqHead);
  const { reqHead } = stream;
  const lines: string[] = [];
  for (let i = 0; i < reqHead.count; i++) if (reqHead.dropped[i] === 0) lines.push(`${reqHead.name(i)}: ${reqHead.value(i)}`);
  for (let k = 0; k < reqHead.added.length; k += 2) lines.push(`${reqHead.added[k]}: ${reqHead.added[k + 1]}`);
  return lines;
}

t.test('set replaces, add stands beside, remove takes all', (t) => {
  const headers = ['X-A: 1', 'x-b: 1', 'x-a: 2', 'x-c: 1'];
  t.same(edited({ set: [['x-a', 'new']] }, {}, headers), ['x-b: 1', 'x-c: 1', 'x-a: new']);
  t.same(edited({ add: [['x-a', 'new']] }, {}, headers), [...headers, 'x-a: new']);
  t.same(edited({ remove: ['X-A'] }, {}, headers), ['x-b: 1', 'x-c: 1']);
  t.same(edited({}, {}, headers), headers);
  t.end();
});

t.test('within a level removals come first, then what is set, then what is added', (t) => {
  const all = { add: [['x', 'added']], set: [['x', 'set']], remove: ['x'] } as const;
  t.same(edited(all, {}, ['x: old']), ['x: set', 'x: added']);
  t.end();
});

t.test('the virtual host comes after the route', (t) => {
  t.same(edited({ set: [['x', 'route']] }, { set: [['x', 'host']] }, []), ['x: host']);
  t.same(edited({ set: [['x', 'route']] }, { remove: ['x'] }, []), []);
  t.same(edited({ add: [['x', 'route']] }, { add: [['x', 'host']] }, []), ['x: route', 'x: host']);
  t.end();
});

t.test('values with operators are filled in; an empty value changes nothing', (t) => {
  t.same(edited({ set: [['x', 'at %PATH%']] }, {}, []), ['x: at /p']);
  t.same(edited({ set: [['x', '%NONE%']], add: [['y', '%NONE%'], ['z', '']] }, {}, ['x: old']), ['x: old']);
  t.end();
});

t.test('constants go out as UTF-8', (t) => {
  t.same(edited({ set: [['x', 'é']] }, {}, []), ['x: \xc3\xa9']);
  t.end();
});
