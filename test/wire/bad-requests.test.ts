// What malformed and ambiguous requests get: the right status at once, a closed connection, and never a byte at the
// origin. Incomplete ones get as long as their timer allows.

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { value } from '../support/http-message.ts';
import { RawClient, request } from '../support/raw-client.ts';
import { onEachEngine, SHORT_LOG, type Stage } from '../support/stage.ts';

t.setTimeout(90_000);

onEachEngine(
  (stage) => ({
    listeners: [
      { name: 'main', address: '127.0.0.1:0', http: http(stage) },
      { name: 'small', address: '127.0.0.1:0', http: { ...http(stage), maxRequestBodySize: 1000, maxRequestHeadersSize: '8KiB', maxRequestHeaders: 10, timeouts: { requestHeaders: '400ms', request: '900ms' } } },
    ],
    clusters: [{ name: 'app', endpoints: [stage.origin.address] }],
  }),
  {},
  async (t, stage) => {
    await t.test('heads', (t) => heads(t, stage));
    await t.test('limits', (t) => limits(t, stage));
    await t.test('bodies past the limit', (t) => tooLarge(t, stage));
    await t.test('bodies', (t) => bodies(t, stage));
    await t.test('after a good request', (t) => afterGood(t, stage));
    await t.test('incomplete requests', (t) => incomplete(t, stage));
    await t.test('noise', (t) => noise(t, stage));
  },
);

function http(stage: Stage): Record<string, unknown> {
  return {
    accessLog: [{ path: stage.logPath, format: SHORT_LOG }],
    routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }],
  };
}

/** A head with one line of its own, otherwise sound. */
function field(line: string): string {
  return `POST /bad HTTP/1.1\r\nHost: a\r\n${line}\r\n\r\n`;
}

const BODY = '0\r\n\r\n';

interface Case {
  readonly name: string;
  readonly bytes: string;
  readonly statuses: readonly number[];
  /** Envoy answers otherwise, or takes it. */
  readonly notEnvoy?: true;
}

function bad(name: string, bytes: string, statuses: readonly number[] = [400]): Case {
  return { name, bytes, statuses };
}

function own(name: string, bytes: string, statuses: readonly number[] = [400]): Case {
  return { name, bytes, statuses, notEnvoy: true };
}

const HEADS: readonly Case[] = [
  // framing
  bad('both framings', field('Content-Length: 5\r\nTransfer-Encoding: chunked') + BODY),
  bad('both framings, the other way round', field('Transfer-Encoding: chunked\r\nContent-Length: 5') + BODY),
  bad('two lengths, unequal', field('Content-Length: 5\r\nContent-Length: 6') + 'hello!'),
  own('two lengths, equal', field('Content-Length: 5\r\nContent-Length: 5') + 'hello'),
  own('a list of lengths', field('Content-Length: 5, 5') + 'hello'),
  bad('a length with a sign', field('Content-Length: +5') + 'hello'),
  bad('a negative length', field('Content-Length: -5') + 'hello'),
  bad('a hexadecimal length', field('Content-Length: 0x5') + 'hello'),
  bad('a length with a fraction', field('Content-Length: 5.0') + 'hello'),
  bad('a length with a space inside', field('Content-Length: 5 5') + 'hello'),
  own('an empty length', field('Content-Length:') + 'hello'),
  bad('a length past every number', field('Content-Length: 99999999999999999999999') + 'hello'),
  own('a length past what is exact', field('Content-Length: 18014398509481985') + 'hello'),
  bad('an unknown coding', field('Transfer-Encoding: cow') + BODY, [501, 400]),
  bad('gzip before chunked', field('Transfer-Encoding: gzip, chunked') + BODY, [501, 400]),
  bad('chunked before gzip', field('Transfer-Encoding: chunked, gzip') + BODY, [501, 400]),
  bad('chunked twice in a list', field('Transfer-Encoding: chunked, chunked') + BODY, [501, 400]),
  bad('identity', field('Transfer-Encoding: identity\r\nContent-Length: 0'), [501, 400]),
  bad('chunked in two fields', field('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked') + BODY, [501, 400]),
  bad('chunked, then a cow', field('Transfer-Encoding: chunked\r\nTransfer-encoding: cow') + BODY, [501, 400]),
  bad('chunked in quotes', field('Transfer-Encoding: "chunked"') + BODY, [501, 400]),
  bad('chunked with a parameter', field('Transfer-Encoding: chunked;x=y') + BODY, [501, 400]),
  own('an empty coding', field('Transfer-Encoding:\r\nContent-Length: 0'), [501, 400]),
  bad('chunked after a vertical tab', field('Transfer-Encoding: \x0bchunked') + BODY, [501, 400]),
  bad('chunked after a byte above 0x7F', field('Transfer-Encoding: \xa0chunked') + BODY, [501, 400]),
  bad('chunked in HTTP/1.0', 'POST /bad HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', [400, 426]),
  // fields
  bad('a space before the colon', field('X-A : b')),
  bad('a tab before the colon', field('X-A\t: b')),
  bad('a space before the colon of the coding', field('Transfer-Encoding : chunked') + BODY),
  bad('a field without a colon', field('X-A')),
  bad('an empty name', field(': b')),
  bad('a space inside a name', field('X A: b')),
  bad('a parenthesis in a name', field('X(A): b')),
  bad('a byte above 0x7F in a name', field('X-\xe9: b')),
  bad('NUL in a name', field('X\0A: b')),
  bad('NUL in a value', field('X-A: b\0c')),
  own('a control character in a value', field('X-A: b\x01c')),
  own('DEL in a value', field('X-A: b\x7fc')),
  own('a bare CR in a value', field('X-A: b\rc')),
  own('a bare CR at the end of a value', field('X-A: b\r\r\nX-B: c')),
  own('a bare LF at the end of a field', field('X-A: b\nX-B: c')),
  own('a bare LF at the end of the head', 'GET /bad HTTP/1.1\r\nHost: a\r\n\n'),
  own('bare LFs throughout', 'GET /bad HTTP/1.1\nHost: a\n\n'),
  own('obsolete folding', field('X-A: b\r\n c')),
  own('obsolete folding with a tab', field('X-A: b\r\n\tc')),
  own('folding of the coding', field('Transfer-Encoding:\r\n chunked') + BODY, [400, 501]),
  bad('white space before the first field', 'GET /bad HTTP/1.1\r\n X-A: b\r\nHost: a\r\n\r\n'),
  // host
  bad('no host', 'GET /bad HTTP/1.1\r\nX-A: b\r\n\r\n'),
  own('two hosts', field('Host: b')),
  own('two equal hosts', field('Host: a')),
  // method
  bad('an empty method', ' /bad HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('parentheses in the method', 'G(E)T /bad HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('a byte above 0x7F in the method', '\xe9GET /bad HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('NUL in the method', 'G\0T /bad HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('a colon in the method', 'GET: /bad HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x52\x34\x0d\x0a\x0d\x0a'),
  // target
  bad('no target', 'GET HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('an empty target', 'GET  HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('a relative target', 'GET bad HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('a space in the target', 'GET /ba d HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('a tab in the target', 'GET /ba\td HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('NUL in the target', 'GET /ba\0d HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('a byte above 0x7F in the target', 'GET /b\xe9d HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('a fragment', 'GET /bad#there HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('another scheme', 'GET ftp://a/bad HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('no authority in absolute-form', 'GET http:///bad HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('a star for a GET', 'GET * HTTP/1.1\r\nHost: a\r\n\r\n'),
  bad('https on a connection without TLS', 'GET https://a/bad HTTP/1.1\r\nHost: a\r\n\r\n', [403, 400]),
  bad('CONNECT with a path', 'CONNECT /bad HTTP/1.1\r\nHost: a\r\n\r\n'),
  // version
  own('no version', 'GET /bad\r\nHost: a\r\n\r\n'),
  own('two spaces before the version', 'GET /bad  HTTP/1.1\r\nHost: a\r\n\r\n'),
  own('a space after the version', 'GET /bad HTTP/1.1 \r\nHost: a\r\n\r\n'),
  bad('a lower-case version', 'GET /bad http/1.1\r\nHost: a\r\n\r\n'),
  bad('a version without its minor part', 'GET /bad HTTP/1\r\nHost: a\r\n\r\n'),
  bad('a version with two digits', 'GET /bad HTTP/1.10\r\nHost: a\r\n\r\n'),
  own('HTTP/1.2', 'GET /bad HTTP/1.2\r\nHost: a\r\n\r\n', [505, 400]),
  bad('HTTP/2.0', 'GET /bad HTTP/2.0\r\nHost: a\r\n\r\n', [505, 400, 426]),
  bad('the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [505, 400, 426]),
  bad('another protocol', 'GET /bad SIP/2.0\r\nHost: a\r\n\r\n'),
];

async function heads(t: Test, stage: Stage): Promise<void> {
  const before = stage.origin.requests.length;
  const cases = HEADS.filter(({ notEnvoy }) => stage.engine !== 'envoy' || notEnvoy !== true);
  await Promise.all(cases.map((one) => refused(t, stage, one)));
  await Promise.all(cases.map((one) => refused(t, stage, { ...one, name: `${one.name}, byte by byte` }, true)));
  t.equal(stage.origin.requests.length, before, 'none of them reached the origin');
}

/** Sends the bytes and a sound request behind them: the answer must be a refusal, and the last one. */
async function refused(t: Test, stage: Stage, one: Case, byteByByte = false): Promise<void> {
  const client = await RawClient.connect(stage.proxy.listener('main'));
  try {
    if (byteByByte) await client.sendPieces([...one.bytes], 0);
    else client.write(one.bytes + request('GET', '/smuggled'));
    const answer = await client.answer();
    t.ok(one.statuses.includes(answer.status), `${one.name}: ${answer.status}`);
    t.equal(value(answer, 'connection'), 'close', `${one.name}: says close`);
    t.equal((await client.ended()).rest, '', `${one.name}: nothing follows`);
  } catch (error) {
    t.fail(`${one.name}: ${(error as Error).message}`);
  } finally {
    client.destroy();
  }
}

async function limits(t: Test, stage: Stage): Promise<void> {
  const before = stage.origin.requests.length;
  const ask = async (name: string, listener: string, bytes: string, statuses: readonly number[]): Promise<void> => {
    const client = await RawClient.connect(stage.proxy.listener(listener));
    client.write(bytes);
    const answer = await client.answer();
    t.ok(statuses.includes(answer.status), `${name}: ${answer.status}`);
    if (answer.status !== 200) {
      t.equal(value(answer, 'connection'), 'close');
      t.not((await client.ended()).how, 'local');
    }
    client.destroy();
  };
  await ask('sixty-one thousand bytes', 'main', field(`X-A: ${'v'.repeat(62_000)}`), [431]);
  await ask('in many fields', 'main', field(Array.from({ length: 90 }, (_, n) => `X-${n}: ${'v'.repeat(700)}`).join('\r\n')), [431]);
  await ask('in the target', 'main', `GET /${'t'.repeat(62_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, [431, 414]);
  await ask('a head without end', 'main', `GET /bad HTTP/1.1\r\nHost: a\r\nX-A: ${'v'.repeat(200_000)}`, [431]);
  await ask('a hundred and one fields', 'main', request('GET', '/bad', Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`X-${n}`, 'v']))), [431]);
  await ask('a smaller limit of bytes', 'small', field(`X-A: ${'v'.repeat(9_000)}`), [431]);
  await ask('a smaller limit of fields', 'small', request('GET', '/bad', Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`X-${n}`, 'v']))), [431]);
  t.equal(stage.origin.requests.length, before, 'none of them reached the origin');
  await ask('as many as allowed', 'small', request('GET', '/good', Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`X-${n}`, 'v']))), [200]);
}

async function tooLarge(t: Test, stage: Stage): Promise<void> {
  if (stage.engine === 'envoy') return; // its limit is a filter's
  const before = stage.origin.seen('/large').length;
  const ask = async (fields: Record<string, string>, body: string): Promise<number> => {
    const client = await RawClient.connect(stage.proxy.listener('small'));
    client.write(request('POST', '/large', fields) + body);
    const { status } = await client.answer('POST');
    client.destroy();
    return status;
  };
  t.equal(await ask({ 'Content-Length': '1001' }, 'x'.repeat(1001)), 413, 'said before');
  t.equal(await ask({ 'Content-Length': '1001' }, ''), 413, 'without waiting for it');
  t.equal(stage.origin.seen('/large').length, before, 'never reaches the origin');
  t.equal(await ask({ 'Transfer-Encoding': 'chunked' }, `3e9\r\n${'x'.repeat(1001)}\r\n0\r\n\r\n`), 413, 'found out on the way');
  t.equal(await ask({ 'Content-Length': '1000' }, 'x'.repeat(1000)), 200, 'the limit itself is allowed');
  t.equal(await ask({ 'Transfer-Encoding': 'chunked' }, `3e8\r\n${'x'.repeat(1000)}\r\n0\r\n\r\n`), 200);
}

const CHUNKS: readonly (readonly [name: string, body: string, notEnvoy?: true])[] = [
  ['a size that is no number', 'g\r\nhello\r\n0\r\n\r\n'],
  ['an empty size', '\r\nhello\r\n0\r\n\r\n'],
  ['a size with a sign', '+5\r\nhello\r\n0\r\n\r\n'],
  ['a negative size', '-5\r\nhello\r\n0\r\n\r\n'],
  ['a size with 0x', '0x5\r\nhello\r\n0\r\n\r\n'],
  ['a space before the size', ' 5\r\nhello\r\n0\r\n\r\n'],
  ['an underscore in the size', '1_0\r\n0123456789abcdef\r\n0\r\n\r\n'],
  ['a size past every number', 'fffffffffffffffff\r\nhello\r\n0\r\n\r\n'],
  ['a bare LF after the size', '5\nhello\r\n0\r\n\r\n', true],
  ['a bare CR after the size', '5\rhello\r\n0\r\n\r\n'],
  ['a bare LF after the data', '5\r\nhello\n0\r\n\r\n', true],
  ['data longer than the size', '5\r\nhelloX\r\n0\r\n\r\n', true],
  ['data without its line end', '5\r\nhello0\r\n\r\n'],
  ['a control character in an extension', '5;a=\0b\r\nhello\r\n0\r\n\r\n', true],
  ['a bare LF in an extension', '5;a=b\n\r\nhello\r\n0\r\n\r\n', true],
  ['an extension without end', `5;${'x'.repeat(100_000)}`, true],
  ['a space before the colon of a trailer', '5\r\nhello\r\n0\r\nX-A : b\r\n\r\n'],
  ['folding in the trailers', '5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n', true],
  ['a bare LF in the trailers', '5\r\nhello\r\n0\r\nX-A: b\n\r\n', true],
  ['NUL in the trailers', '5\r\nhello\r\n0\r\nX-A: \0\r\n\r\n'],
  ['trailers without end', `5\r\nhello\r\n0\r\nX-A: ${'x'.repeat(200_000)}`],
];

/** The head may have gone up before the fault is seen; a complete request must never arrive. */
async function bodies(t: Test, stage: Stage): Promise<void> {
  const complete: string[] = [];
  stage.origin.on('/chunks', async (exchange) => {
    const name = value(exchange.head, 'x-name') as string;
    await exchange.body();
    complete.push(name);
    await exchange.reply(200);
  });
  const cases = CHUNKS.filter(([, , notEnvoy]) => stage.engine !== 'envoy' || notEnvoy !== true);
  await Promise.all(cases.flatMap(([name, body]) => [false, true].map(async (apart) => {
    const label = `${name}${apart ? ', after its head' : ''}`;
    const client = await RawClient.connect(stage.proxy.listener('main'));
    const head = request('POST', '/chunks', { 'X-Name': label, 'Transfer-Encoding': 'chunked' });
    if (apart) await client.sendPieces([head, body.slice(0, 1), body.slice(1)], 20);
    else client.write(head + body + request('GET', '/smuggled'));
    const answer = await client.answer('POST').catch((error: Error) => error);
    if (answer instanceof Error) t.fail(`${label}: ${answer.message}`);
    else t.ok(answer.status === 400 || answer.status === 431, `${label}: ${answer.status}`);
    t.equal((await client.ended()).rest, '', `${label}: nothing follows`);
    client.destroy();
  })));
  t.strictSame(complete, [], 'no such request arrived complete');
  t.equal(stage.origin.seen('/smuggled').length, 0, 'nor anything behind one');
  // Connections that were still on their way when their request was refused may stay, idle.
  if (stage.engine !== 'envoy') await waitFor('the cut requests to be over', async () => (await stage.proxy.stat('cluster.app.upstream_rq_active')) === 0);
}

async function afterGood(t: Test, stage: Stage): Promise<void> {
  const client = await RawClient.connect(stage.proxy.listener('main'));
  client.write(request('GET', '/good/1') + request('POST', '/good/2', {}, 'x') + 'BAD\r\n\r\n');
  t.equal((await client.answer()).status, 200, 'what came before is answered');
  t.equal((await client.answer('POST')).status, 200);
  t.equal((await client.answer()).status, 400, 'then the refusal, in its place');
  t.equal((await client.ended()).rest, '');
  client.destroy();

  const long = await RawClient.connect(stage.proxy.listener('main'));
  long.write(request('POST', '/good/3', { 'Content-Length': '3' }) + 'xyzJUNK\r\n\r\n');
  t.equal((await long.answer('POST')).status, 200, 'a body longer than its length is a body and junk');
  t.equal((await long.answer()).status, 400);
  long.destroy();
}

async function incomplete(t: Test, stage: Stage): Promise<void> {
  const before = stage.origin.requests.length;
  for (const start of ['G', 'GET /bad HTTP/1.1\r\n', 'GET /bad HTTP/1.1\r\nHost: a\r\nX-A: b']) {
    const client = await RawClient.connect(stage.proxy.listener('small'));
    client.write(start);
    const answer = await client.answer();
    t.equal(answer.status, 408, `${JSON.stringify(start)} waits as long as its timer`);
    t.equal(value(answer, 'connection'), 'close');
    t.not((await client.ended()).how, 'local');
    client.destroy();
  }
  t.equal(stage.origin.requests.length, before, 'none of them reached the origin');

  // A drip of bytes does not buy more time.
  const drip = await RawClient.connect(stage.proxy.listener('small'));
  const timer = setInterval(() => drip.write('x'), 50);
  drip.write('GET /');
  t.equal((await drip.answer()).status, 408, 'not even byte by byte');
  clearInterval(timer);
  drip.destroy();

  const slow = await RawClient.connect(stage.proxy.listener('small'));
  slow.write(request('POST', '/slow-body', { 'Content-Length': '10' }) + 'abc');
  const answer = await slow.answer('POST');
  t.equal(answer.status, 408, 'a request whose body does not come waits for the request timer');
  slow.destroy();

  const nothing = await RawClient.connect(stage.proxy.listener('small'));
  const gone = await stage.proxy.stat('http.small.downstream_rq_total');
  nothing.destroy();
  t.equal(await stage.proxy.stat('http.small.downstream_rq_total'), gone, 'a connection without a byte is no request');
}

/** Many kinds of rubbish: whatever they get, the proxy lives and the origin sees nothing. */
async function noise(t: Test, stage: Stage): Promise<void> {
  const before = stage.origin.requests.length;
  let seed = 12345;
  const next = (limit: number): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % limit;
  const rubbish = Array.from({ length: 200 }, () => Buffer.from(Array.from({ length: 1 + next(300) }, () => next(256))));
  await Promise.all(rubbish.map(async (bytes) => {
    const client = await RawClient.connect(stage.proxy.listener('main'));
    await client.send(bytes);
    await client.send('\r\n\r\n');
    const { rest } = await client.ended();
    if (!/^HTTP\/1\.1 (400|431|501|505|426) /.test(rest)) t.fail(`${bytes.toString('hex')}: ${rest.slice(0, 60)}`);
    client.destroy();
  }));
  t.equal(stage.origin.requests.length, before);
  t.equal((await stage.get('/alive')).status, 200);
}
