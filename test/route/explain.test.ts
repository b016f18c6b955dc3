// `nuncio explain`: the sentences and the data behind them; and that it agrees with the road.

import t from 'tap';
import type { ListenerConfig } from '../../src/config/snapshot.ts';
import { explainRequest, formatExplanation } from '../../src/route/explain.ts';
import type { Explanation, Question } from '../../src/route/explain.ts';
import type { RouteTable } from '../../src/route/match.ts';
import { forward, matching, redirecting, rewriting, route, tableOf, valueMatch, virtualHost } from './request.ts';

const FILTERED = { filters: [{ kind: 'grpcWeb' }, { kind: 'localRateLimit' }] };
const LISTENERS = [
  { name: 'edge', address: { kind: 'ip', host: '0.0.0.0', port: 8080 }, http: { filters: [], virtualHosts: [{ name: 'rest', routes: [{}, {}, {}, FILTERED] }] } },
  { name: 'inner', address: { kind: 'ip', host: '::1', port: 9090 }, http: { filters: [{ kind: 'grpcWeb' }], virtualHosts: [] } },
] as unknown as ListenerConfig[];

const api = virtualHost('api', ['api.example.com', '*.example.com'], [
  route('exact', matching({ kind: 'path', value: '/v1' })),
  route('folded', matching({ kind: 'prefix', value: '/V9' }, { caseSensitive: false })),
  route('separated', matching({ kind: 'pathSeparatedPrefix', value: '/v' })),
  route('regex', matching({ kind: 'regex', value: '/v[0-9]' })),
  route('template', matching({ kind: 'template', value: '/v2/{id}/x' })),
  route('post', matching({ kind: 'any' }, { methods: ['POST', 'PUT'] })),
  route(
    'conditions',
    matching(
      { kind: 'any' },
      {
        headers: [
          valueMatch('x-tier', 'exact', { value: 'gold' }),
          valueMatch('x-old', 'present', { present: false }),
          valueMatch('x-n', 'range', { start: 1, end: 5 }),
          valueMatch(':scheme', 'exact', { value: 'http', invert: true }),
        ],
        query: [valueMatch('debug', 'present'), valueMatch('q', 'prefix', { value: 'z' })],
      },
    ),
  ),
  route('canary', matching({ kind: 'prefix', value: '/v2/' }, { fraction: 0.1 }), forward({ clusters: [{ name: 'new', weight: 1 }] })),
  route('all', matching({ kind: 'prefix', value: '/v2/' }), {
    ...rewriting({ prefix: '/', host: 'internal' }),
    clusters: [
      { name: 'a', weight: 90 },
      { name: 'b', weight: 10 },
    ],
  }),
  route('behind', matching({ kind: 'any' })),
]);
const rest = virtualHost('rest', ['*'], [
  route('secure', matching({ kind: 'prefix', value: '/s' }), redirecting({ scheme: 'https' })),
  route('no', matching({ kind: 'prefix', value: '/n' }), { kind: 'respond', status: 403, headers: [], body: 'no' }),
  route('named', matching({ kind: 'prefix', value: '/c' }), forward({ clusters: [], clusterHeader: 'x-cluster', timeoutMs: 0 })),
  route('up', matching({ kind: 'prefix', value: '/u' }), rewriting({ hostFrom: 'upstream' })),
  route('never', matching({ kind: 'prefix', value: '/z' }, { fraction: 0 })),
]);

const TABLES: RouteTable[] = [tableOf([api, rest]), tableOf([api])];

function explain(url: string, changes: Partial<Question> = {}): Explanation {
  return explainRequest(LISTENERS, TABLES, { method: 'GET', url, headers: [], from: '', ...changes });
}

t.test('every earlier route says why not', (t) => {
  const headers = [['Host', 'www.example.com'], ['X-Tier', 'silver'], ['x-tier', 'tin'], ['x-old', '1'], ['x-n', '7']] as const;
  const text = formatExplanation(explain('http://localhost:8080/v2/items?q=1', { headers, from: '10.0.0.1' }));
  const wanted = `
GET /v2/items?q=1 for www.example.com (http) from 10.0.0.1
listener "edge": it listens on 0.0.0.0:8080
virtual host "api": "www.example.com" fits its domain "*.example.com"
route 0 "exact" (path "/v1") does not match:
  the path "/v2/items" is not "/v1"
route 1 "folded" (prefix "/V9") does not match:
  the path "/v2/items" does not begin with "/V9" (in any case)
route 2 "separated" (pathSeparatedPrefix "/v") does not match:
  the path "/v2/items" is not "/v" and not below "/v/"
route 3 "regex" (regex "/v[0-9]") does not match:
  the path "/v2/items" as a whole does not match the regular expression "/v[0-9]"
route 4 "template" (template "/v2/{id}/x") does not match:
  the path "/v2/items" does not fit the template "/v2/{id}/x"
route 5 "post" (any path) does not match:
  the method is GET, not POST or PUT
route 6 "conditions" (any path) does not match:
  the header x-tier must be "gold"; the request has "silver" and "tin"
  the header x-old must not be there; the request has "1"
  the header x-n must be a whole number from 1 to 4; the request has "7"
  :scheme must be there and not be "http"; the request has "http"
  the query parameter debug must be there; the request has none
  the query parameter q must begin with "z"; the request has "1"
route 7 "canary" (prefix "/v2/") may match:
  it takes 10 % of the requests that come this far
  goes to the cluster "new"
  the answer must be complete within 15000 ms
route 8 "all" (prefix "/v2/") matches:
  goes to the cluster "a" (90 %), "b" (10 %)
  the path goes up as "/items?q=1"
  the host goes up as "internal"
  the answer must be complete within 15000 ms
`;
  t.equal(text, wanted.trimStart());
  t.end();
});

t.test('the data', (t) => {
  const explanation = explain('/v1/x', { headers: [['host', 'API.example.com']], method: 'PUT' });
  t.match(explanation, {
    request: { method: 'PUT', scheme: 'http', host: 'API.example.com', path: '/v1/x', from: '' },
    listener: { name: 'edge', why: 'the first one is taken, on 0.0.0.0:8080: the URL names no port' },
    virtualHost: { name: 'api', why: '"API.example.com" fits its domain "api.example.com"' },
    nothing: '',
  });
  t.equal(explanation.routes.length, 6);
  t.match(explanation.routes[5], {
    index: 5,
    name: 'post',
    verdict: 'yes',
    reasons: [],
    outcome: { kind: 'forward', clusters: [{ name: 'app', percent: 100 }], clusterHeader: null, path: '/v1/x', host: 'API.example.com', timeoutMs: 15000 },
  });
  t.same(JSON.parse(JSON.stringify(explanation)), explanation, 'plain data');
  t.end();
});

t.test('what the other actions do', (t) => {
  const does = (path: string, headers: Question['headers'] = []): readonly string[] => explain(`http://other:8080${path}`, { headers }).routes.at(-1)!.does;
  t.same(does('/s?q'), ['answers 301 with location https://other:8080/s?q']);
  t.same(does('/n'), ['answers 403 with a body of 2 bytes']);
  t.same(does('/c', [['x-cluster', 'blue']]), ['goes to the cluster "blue", named by the header x-cluster', 'there is no time-out']);
  t.match(does('/c')[0], 'goes nowhere: the header x-cluster, which names the cluster, is missing');
  t.equal(does('/u')[2], "the host goes up as the chosen endpoint's name");
  t.end();
});

t.test('the filters that a request goes through: the route\'s own, or the listener\'s', (t) => {
  const own = explain('http://other:8080/u').routes.at(-1)!;
  t.same(own.filters, ['grpcWeb', 'localRateLimit']);
  t.equal(own.does[0], 'goes through grpcWeb, localRateLimit');
  t.same(explain('http://other:8080/s').routes.at(-1)!.filters, []);
  t.same(explain('http://[::1]:9090/v1', { headers: [['host', 'api.example.com']] }).routes.at(-1)!.filters, ['grpcWeb']);
  t.end();
});

t.test('when nothing matches', (t) => {
  const unrouted = explain('http://x:8080/z');
  t.match(unrouted.routes.at(-1), { name: 'never', verdict: 'no', reasons: ['its fraction is 0'] });
  t.equal(unrouted.nothing, 'no route of the virtual host matches: the answer is 404');
  const unknown = explain('http://[::1]:9090/');
  t.equal(unknown.listener.why, 'it listens on [::1]:9090');
  t.equal(unknown.virtualHost, null);
  t.equal(unknown.nothing, 'no virtual host has a domain for "[::1]:9090": the answer is 404. There are "api.example.com", "*.example.com"');
  t.match(explain('/', { headers: [] }).virtualHost, { name: 'rest', why: 'the request names no host, and this one is for every domain' });
  t.end();
});

t.test('URLs', (t) => {
  const read = (url: string): string => {
    const { request, listener } = explain(url);
    return `${request.scheme} ${request.host} ${request.path} ${listener.name}`;
  };
  t.equal(read('http://a:9090'), 'http a:9090 / inner');
  t.equal(read('http://a:9090?x=1'), 'http a:9090 /?x=1 inner');
  t.equal(read('HTTPS://a/b#c'), 'https a /b edge');
  t.equal(read('/a?b=http://c'), 'http  /a?b=http://c edge');
  t.equal(read('*'), 'http  * edge');
  t.equal(read('/é'), 'http  /é edge');
  t.match(explain('https://a/').listener.why, 'none listens on port 443');
  for (const url of ['', 'ftp://a/', 'a/b']) t.throws(() => explain(url), /neither an http URL nor a path/, url);
  t.throws(() => explainRequest([], [], { method: 'GET', url: '/', headers: [], from: '' }), /no listener/);
  t.end();
});
