// The access log in Envoy's default format, byte for byte, for a range of requests; own formats, JSON, filters; files that
// are renamed away and reopened.

import { readFileSync, renameSync, existsSync } from 'node:fs';

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { echoHead } from '../support/origin.ts';
import { get, RawClient, request, exchangeOnce } from '../support/raw-client.ts';
import type { Json, ProxyConfig } from '../support/run-proxy.ts';
import { onEachEngine, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

onEachEngine(configure, { origin: { script: echoHead } }, async (t, stage) => {
  await t.test('the default format', (t) => defaults(t, stage));
  await t.test('every request has its line, in order', (t) => complete(t, stage));
  if (stage.engine === 'envoy') return;
  await t.test('operators', (t) => operators(t, stage));
  await t.test('JSON and filters', (t) => json(t, stage));
  await t.test('standard output', (t) => standardOutput(t, stage));
  await t.test('files are reopened', (t) => reopened(t, stage));
});

function configure(stage: Stage): ProxyConfig {
  const routes = [
    { match: { prefix: '/rewritten' }, forward: { cluster: 'app', rewrite: { prefix: '/new' } } },
    { match: { prefix: '/moved' }, redirect: { path: '/there' } },
    { match: { prefix: '/local' }, respond: { status: 418, body: 'short & stout' } },
    { match: { prefix: '/nobody' }, forward: { cluster: 'nobody' } },
    { match: { prefix: '/app' }, name: 'the-app', forward: { cluster: 'app' } },
  ];
  const listener = (name: string, accessLog: Json[]): Json => ({ name, address: '127.0.0.1:0', http: { accessLog, routes } });
  const path = (name: string): string => `${stage.directory}/${name}.log`;
  const own = stage.engine === 'envoy' ? [] : [
    listener('operators', [{ path: path('operators'), format: `${Object.values(OPERATORS).map(([operator]) => operator).join('|')}\n` }]),
    listener('json', [
      { path: path('json'), json: { path: '%REQ(:PATH)%', status: '%RESPONSE_CODE%', absent: '%REQ(X-NONE)%', text: 'code %RESPONSE_CODE%', inner: { flags: '%RESPONSE_FLAGS%' } } },
      { path: path('errors'), format: '%REQ(:PATH)%\n', filter: { status: '>=500' } },
      { path: path('teapots'), format: '%REQ(:PATH)%\n', filter: { status: '418' } },
      { path: path('client-errors'), format: '%REQ(:PATH)%\n', filter: { status: '400-499' } },
    ]),
    listener('stdout', [{ path: '/dev/stdout', format: 'LOGGED %REQ(:PATH)%\n' }]),
    listener('reopen', [{ path: path('reopen'), format: '%REQ(:PATH)%\n' }]),
  ];
  return {
    listeners: [listener('main', [{ path: stage.logPath }]), ...own],
    clusters: [{ name: 'app', endpoints: [stage.origin.address] }, { name: 'nobody', endpoints: ['127.0.0.1:1'] }],
  };
}

const TIME = String.raw`\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\]`;
const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}';

/** Everything but the time, the durations and the id is given exactly. */
function line(parts: { request: string; status: string; received: number; sent: number; served?: boolean; xff?: string; agent?: string; id?: string; host?: string; upstream?: string }): RegExp {
  const exact = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
  return new RegExp(
    `^${TIME} "${exact(parts.request)}" ${exact(parts.status)} ${parts.received} ${parts.sent} \\d+ ${parts.served === false ? '-' : '\\d+'} ` +
      `"${exact(parts.xff ?? '127.0.2.9')}" "${exact(parts.agent ?? '-')}" "${parts.id ?? UUID}" "${exact(parts.host ?? 'test.local')}" "${exact(parts.upstream ?? '-')}"$`,
  );
}

async function defaults(t: Test, stage: Stage): Promise<void> {
  const upstream = stage.origin.address;
  const address = stage.proxy.listener('main');
  const from = '127.0.2.9';
  // Lines are written in batches: all requests first, then all lines.
  const expectations: (readonly [name: string, mark: string, expected: RegExp])[] = [];
  const check = (name: string, mark: string, expected: RegExp): void => void expectations.push([name, mark, expected]);

  const plain = await get(address, '/app/plain?a=b', { 'User-Agent': 'curl/8 "quoted"' }, { from });
  check('a plain request', '/app/plain', line({ request: 'GET /app/plain?a=b HTTP/1.1', status: '200 -', received: 0, sent: plain.text.length, agent: 'curl/8 "quoted"', upstream }));
  await exchangeOnce(address, request('POST', '/app/length', {}, 'twelve bytes'), { from });
  check('a body by length', '/app/length', / 200 - 12 \d+ \d+ \d+ /);
  await exchangeOnce(address, `${request('POST', '/app/chunked', { 'Transfer-Encoding': 'chunked' })}5;x=y\r\nhello\r\n0\r\nX-T: t\r\n\r\n`, { from });
  check('of a chunked body its data, not its framing', '/app/chunked', / 200 - 5 \d+ \d+ \d+ /);

  stage.origin.on('/app-head', (exchange) => exchange.send('HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n'));
  await exchangeOnce(address, request('HEAD', '/app-head'), { from });
  check('HEAD', '/app-head', line({ request: 'HEAD /app-head HTTP/1.1', status: '200 -', received: 0, sent: 0, upstream }));
  const rewritten = await get(address, '/rewritten/x', {}, { from });
  check('a rewritten path is shown as it came', '/rewritten/x', line({ request: 'GET /rewritten/x HTTP/1.1', status: '200 -', received: 0, sent: rewritten.text.length, upstream }));
  await get(address, '/moved', { Host: 'Some.Host:80' }, { from });
  check('a redirect', '/moved', line({ request: 'GET /moved HTTP/1.1', status: '301 -', received: 0, sent: 0, served: false, host: 'Some.Host:80' }));
  await get(address, '/local', {}, { from });
  check('an answer of our own', '/local', line({ request: 'GET /local HTTP/1.1', status: '418 -', received: 0, sent: 13, served: false }));
  await get(address, '/none', {}, { from });
  check('no route', '/none', line({ request: 'GET /none HTTP/1.1', status: '404 NR', received: 0, sent: 0, served: false }));
  const refused = await get(address, '/nobody', { 'X-Forwarded-For': '1.2.3.4' }, { from });
  check('nobody there', '/nobody', line({ request: 'GET /nobody HTTP/1.1', status: '503 UF', received: 0, sent: refused.text.length, served: false, xff: '1.2.3.4,127.0.2.9', upstream: '127.0.0.1:1' }));
  await get(address, '/app/high', { 'User-Agent': 'caf\xe9' }, { from });
  check('bytes above 0x7F are written as they came', '/app/high', / "caf\xe9" /);

  const bad = await RawClient.connect(address, { from });
  await bad.exchange('BAD\r\n\r\n', 'GET');
  bad.destroy();
  // There is no request to speak of: method, path and the rest are unknown.
  check('a request that is none', '"- - HTTP/1.1" 400', line({ request: '- - HTTP/1.1', status: '400 DPE', received: 0, sent: 11, served: false, xff: '-', id: '-', host: '-' }));
  for (const [name, mark, expected] of expectations) t.match(await stage.logLine(mark), expected, name);
}

async function complete(t: Test, stage: Stage): Promise<void> {
  if (stage.engine === 'envoy') return; // it ends a connection with so many answers of its own in one go
  const client = await stage.connect('main');
  const count = 300;
  for (let n = 0; n < count; n++) client.write(request('GET', `/local/${n}.`));
  for (let n = 0; n < count; n++) await client.answer();
  client.destroy();
  const numbers = (): number[] => stage.logLines().flatMap((text) => (/"GET \/local\/(\d+)\. /.exec(text)?.[1] ?? '').split(' ').filter(Boolean).map(Number));
  await waitFor('all lines', () => numbers().length === count);
  t.strictSame(numbers(), Array.from({ length: count }, (_, n) => n), 'none lost, none twice, in order');
}

const OPERATORS: Readonly<Record<string, readonly [operator: string, value: RegExp]>> = {
  protocol: ['%PROTOCOL%', /^HTTP\/1\.1$/],
  missing: ['%REQ(X-NONE)%', /^-$/],
  second: ['%REQ(X-NONE?X-SOME)%', /^some$/],
  cut: ['%REQ(X-SOME):2%', /^so$/],
  response: ['%RESP(CONTENT-LENGTH)%', /^\d+$/],
  flagsLong: ['%RESPONSE_FLAGS_LONG%', /^-$/],
  details: ['%RESPONSE_CODE_DETAILS%', /^via_upstream$/],
  route: ['%ROUTE_NAME%', /^the-app$/],
  cluster: ['%UPSTREAM_CLUSTER%', /^app$/],
  remote: ['%DOWNSTREAM_REMOTE_ADDRESS%', /^127\.0\.2\.9:\d+$/],
  direct: ['%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%', /^127\.0\.2\.9$/],
  local: ['%DOWNSTREAM_LOCAL_ADDRESS%', /^127\.0\.0\.1:\d+$/],
  upstreamLocal: ['%UPSTREAM_LOCAL_ADDRESS%', /^127\.0\.0\.1:\d+$/],
  start: ['%START_TIME(%Y/%m/%d)%', /^\d{4}\/\d\d\/\d\d$/],
  duration: ['%REQUEST_DURATION%', /^\d+$/],
  responseDuration: ['%RESPONSE_DURATION%', /^\d+$/],
  connection: ['%CONNECTION_ID%', /^\d+$/],
  literal: ['100%%', /^100%$/],
};

async function operators(t: Test, stage: Stage): Promise<void> {
  await get(stage.proxy.listener('operators'), '/app/operators', { 'X-Some': 'some' }, { from: '127.0.2.9' });
  const path = `${stage.directory}/operators.log`;
  const text = await waitFor('a line', () => (existsSync(path) ? readFileSync(path, 'latin1') : ''));
  const values = text.trimEnd().split('|');
  for (const [index, [name, [operator, expected]]] of Object.entries(OPERATORS).entries()) t.match(values[index], expected, `${name}: ${operator}`);
}

async function json(t: Test, stage: Stage): Promise<void> {
  const address = stage.proxy.listener('json');
  for (const path of ['/app/j', '/local/j', '/nobody/j', '/none/j']) await get(address, path);
  const read = (name: string): string[] => {
    const path = `${stage.directory}/${name}.log`;
    return existsSync(path) ? readFileSync(path, 'latin1').split('\n').slice(0, -1) : [];
  };
  await waitFor('four lines', () => read('json').length === 4);
  // Each worker writes its own batches: lines of different connections have no order.
  const lines = read('json').map((text) => JSON.parse(text) as Json);
  t.strictSame(lines.find(({ path: logged }) => logged === '/app/j'), { path: '/app/j', status: 200, absent: null, text: 'code 200', inner: { flags: '-' } }, 'numbers are numbers, what is missing is null');
  await waitFor('the filtered lines', () => read('errors').length > 0 && read('teapots').length > 0 && read('client-errors').length > 1);
  t.strictSame(read('errors'), ['/nobody/j']);
  t.strictSame(read('teapots'), ['/local/j']);
  t.strictSame(read('client-errors').sort(), ['/local/j', '/none/j']);
}

async function standardOutput(t: Test, stage: Stage): Promise<void> {
  await get(stage.proxy.listener('stdout'), '/local/out');
  await waitFor('the line on standard output', () => stage.proxy.run.stdout.includes('LOGGED /local/out\n'));
  t.pass('printed');
}

async function reopened(t: Test, stage: Stage): Promise<void> {
  const path = `${stage.directory}/reopen.log`;
  const ask = (name: string): Promise<unknown> => get(stage.proxy.listener('reopen'), `/local/${name}`);
  const holds = (file: string, name: string): Promise<unknown> => waitFor(`${name} in ${file}`, () => existsSync(file) && readFileSync(file, 'latin1').includes(`/local/${name}\n`));
  await ask('one');
  await holds(path, 'one');
  renameSync(path, `${path}.1`);
  stage.proxy.signal('SIGUSR1');
  await waitFor('the new file', () => existsSync(path));
  await ask('two');
  await holds(path, 'two');
  t.notMatch(readFileSync(`${path}.1`, 'latin1'), '/local/two', 'SIGUSR1: the old file is left alone');
  renameSync(path, `${path}.2`);
  t.equal((await exchangeOnce(stage.proxy.admin, request('POST', '/reopen_logs', { Connection: 'close' }))).status, 200);
  await ask('three');
  await holds(path, 'three');
}
