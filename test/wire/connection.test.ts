// What belongs to one hop: keep-alive and close, pipelining, HTTP/1.0, request targets, hop-by-hop fields, early answers
// and the caller's half-close.

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { value, values } from '../support/http-message.ts';
import { echoHead } from '../support/origin.ts';
import { RawClient, request } from '../support/raw-client.ts';
import { onEachEngine, SHORT_LOG, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

onEachEngine(
  (stage) => ({
    listeners: [
      { name: 'main', address: '127.0.0.1:0', http: http(stage, false) },
      { name: 'old', address: '127.0.0.1:0', http: http(stage, true) },
    ],
    clusters: [{ name: 'app', endpoints: [stage.origin.address] }],
  }),
  { origin: { script: echoHead } },
  async (t, stage) => {
    await t.test('keep-alive and close', (t) => keepAlive(t, stage));
    await t.test('pipelining', (t) => pipelining(t, stage));
    await t.test('request targets', (t) => targets(t, stage));
    await t.test('HTTP/1.0 is refused', (t) => refuseOld(t, stage));
    await t.test('HTTP/1.0 is accepted where the configuration says so', (t) => acceptOld(t, stage));
    await t.test('hop-by-hop fields', (t) => hopByHop(t, stage));
    await t.test('an answer before the end of its request', (t) => earlyAnswer(t, stage));
    await t.test('a caller that sends its end', (t) => halfClose(t, stage));
    await t.test('upgrades that no route allows', (t) => upgrades(t, stage));
  },
);

function http(stage: Stage, acceptHttp10: boolean): Record<string, unknown> {
  return {
    acceptHttp10,
    accessLog: [{ path: stage.logPath, format: SHORT_LOG }],
    routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }],
  };
}

/** The first line of the request as the origin saw it, from the echoed head. */
function firstLine(text: string): string {
  return text.slice(0, text.indexOf('\r\n'));
}

async function keepAlive(t: Test, stage: Stage): Promise<void> {
  const client = await stage.connect('main');
  for (let n = 0; n < 5; n++) {
    const answer = await client.exchange(request('GET', `/keep/${n}`));
    t.equal(firstLine(answer.text), `GET /keep/${n} HTTP/1.1`);
    t.equal(value(answer, 'connection'), undefined, 'HTTP/1.1 keeps its connection without saying so');
  }
  const last = await client.exchange(request('GET', '/keep/last', { Connection: 'close' }));
  t.equal(value(last, 'connection'), 'close');
  t.strictSame(await client.ended(), { how: 'fin', rest: '' }, 'the proxy closes after the answer');
  client.destroy();

  const listed = await stage.connect('main');
  await listed.exchange(request('GET', '/keep', { Connection: 'keep-alive, Close' }));
  t.equal((await listed.ended()).how, 'fin', 'close counts anywhere in the list, in any case');
  listed.destroy();

  stage.origin.on('/up-close', async (exchange) => {
    await exchange.send('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok');
    exchange.finish();
  });
  const kept = await stage.connect('main');
  const answer = await kept.exchange(request('GET', '/up-close'));
  t.equal(answer.text, 'ok');
  t.equal(value(answer, 'connection'), undefined, 'the upstream closing its connection is not the caller’s affair');
  t.equal((await kept.exchange(request('GET', '/after'))).status, 200);
  kept.destroy();

  const blank = await stage.connect('main');
  t.equal((await blank.exchange(`\r\n${request('GET', '/blank')}`)).status, 200, 'one empty line before a request is skipped (RFC 9112 section 2.2)');
  blank.destroy();
}

/** Answers come in the order of the requests, also when the first takes longest, and bodies in between count. */
async function pipelining(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/pipe', async (exchange) => {
    const { bytes } = await exchange.body();
    if (exchange.head.target === '/pipe/0') await new Promise((resolve) => setTimeout(resolve, 100));
    await exchange.reply(200, {}, `${exchange.head.target}=${bytes}`);
  });
  const client = await stage.connect('main');
  const requests = [
    request('GET', '/pipe/0'),
    request('POST', '/pipe/1', {}, 'one'),
    request('POST', '/pipe/2', { 'Transfer-Encoding': 'chunked' }) + '3\r\ntwo\r\n0\r\n\r\n',
    request('HEAD', '/pipe/3'),
    request('GET', '/pipe/4'),
  ];
  client.write(requests.join(''));
  t.equal((await client.answer()).text, '/pipe/0=');
  t.equal((await client.answer()).text, '/pipe/1=one');
  t.equal((await client.answer()).text, '/pipe/2=two');
  t.equal((await client.answer('HEAD')).status, 200);
  t.equal((await client.answer()).text, '/pipe/4=');

  const many = 500;
  client.write(Array.from({ length: many }, (_, n) => request('GET', `/pipe/m${n}`)).join(''));
  let inOrder = 0;
  for (let n = 0; n < many; n++) if ((await client.answer()).text === `/pipe/m${n}=`) inOrder++;
  t.equal(inOrder, many, 'five hundred at once, each answered, in order');
  client.destroy();

  const closing = await stage.connect('main');
  closing.write(request('GET', '/pipe/a', { Connection: 'close' }) + request('GET', '/pipe/b'));
  t.equal((await closing.answer()).text, '/pipe/a=');
  t.strictSame(await closing.ended(), { how: 'fin', rest: '' }, 'nothing is answered after a close');
  t.equal(stage.origin.seen('/pipe/b').length, 0, 'nor sent on');
  closing.destroy();
}

async function targets(t: Test, stage: Stage): Promise<void> {
  const absolute = await stage.exchange(request('GET', 'http://other.example:81/x?y=z', { Host: 'one' }));
  t.equal(firstLine(absolute.text), 'GET /x?y=z HTTP/1.1', 'absolute-form becomes origin-form');
  t.match(absolute.text, /\r\nhost: other\.example:81\r\n/i, 'and its authority replaces Host');
  t.equal(absolute.text.match(/\r\nhost:/gi)?.length, 1, 'there is one Host');
  t.equal(firstLine((await stage.exchange(request('GET', 'http://other.example'))).text), 'GET / HTTP/1.1', 'an empty path is /');
  t.equal((await stage.exchange(request('GET', 'http://other.example/x', { Host: '' }))).status, 200, 'Host may be empty then');

  const star = await stage.exchange(request('OPTIONS', '*'));
  if (stage.engine === 'envoy') t.equal(star.status, 404);
  else t.equal(firstLine(star.text), 'OPTIONS * HTTP/1.1', 'OPTIONS * goes through as it is');
  t.equal((await stage.exchange(request('GET', '*'))).status, 400, 'any other method cannot have *');
  const long = `/${'segment/'.repeat(900)}?${'q=1&'.repeat(900)}`;
  t.equal(firstLine((await stage.exchange(request('GET', long))).text), `GET ${long} HTTP/1.1`, 'eleven thousand bytes of target');
}

async function refuseOld(t: Test, stage: Stage): Promise<void> {
  for (const bytes of ['GET /old HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n', 'GET /old HTTP/1.0\r\n\r\n']) {
    const client = await stage.connect('main');
    const answer = await client.exchange(bytes);
    t.equal(answer.status, 426);
    t.equal(answer.reason, 'Upgrade Required');
    t.equal(answer.text, 'Upgrade Required');
    t.equal(value(answer, 'content-type'), 'text/plain');
    t.equal(value(answer, 'connection'), 'close');
    t.equal((await client.ended()).how, 'fin');
    client.destroy();
  }
  t.equal(stage.origin.seen('/old').length, 0, 'the origin saw none of it');
}

async function acceptOld(t: Test, stage: Stage): Promise<void> {
  const client = await stage.connect('old');
  const first = await client.exchange('GET /ten HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n');
  t.equal(first.status, 200);
  t.equal(first.version, 'HTTP/1.0');
  t.equal(firstLine(first.text), 'GET /ten HTTP/1.1', 'upstream it is HTTP/1.1');
  t.equal(value(first, 'connection')?.toLowerCase(), 'keep-alive', 'kept when asked, and says so');
  const second = await client.exchange('GET /ten HTTP/1.0\r\nHost: a\r\n\r\n');
  t.equal(value(second, 'connection'), 'close', 'not kept when not asked');
  t.strictSame(await client.ended(), { how: 'fin', rest: '' });
  client.destroy();

  stage.origin.on('/ten-chunked', (exchange) =>
    exchange.send('HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n'));
  const chunked = await stage.connect('old');
  const answer = await chunked.exchange('GET /ten-chunked HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n');
  t.equal(answer.text, 'abcdef');
  t.equal(answer.framing, 'close', 'a body without length ends with the connection: HTTP/1.0 knows no chunks');
  if (stage.engine !== 'envoy') t.equal(answer.interim.length, 0, 'nor interim answers');
  chunked.destroy();

  const bare = await stage.connect('old');
  t.equal((await bare.exchange('GET /ten HTTP/1.0\r\n\r\n')).status, 400, 'without Host there is no virtual host');
  bare.destroy();
}

const HOP = {
  Connection: 'X-Named, keep-alive ,x-other,, Upgrade',
  'X-Named': '1',
  'x-OTHER': '2',
  'Keep-Alive': 'timeout=5',
  'Proxy-Connection': 'keep-alive',
};

async function hopByHop(t: Test, stage: Stage): Promise<void> {
  const there = (await stage.exchange(request('GET', '/hop', { ...HOP, TE: 'gzip, trailers', 'X-Kept': 'k' }))).text.toLowerCase();
  for (const name of ['connection', 'x-named', 'x-other', 'keep-alive', 'proxy-connection', 'upgrade']) {
    t.notOk(there.includes(`\r\n${name}:`), `${name} does not go on to the origin`);
  }
  t.match(there, /\r\nx-kept: k\r\n/, 'everything else does');
  t.match(there, /\r\nte: trailers\r\n/, 'of TE only trailers goes on');
  t.notMatch((await stage.exchange(request('GET', '/hop', { TE: 'deflate' }))).text, /\r\nte:/i);

  stage.origin.on('/hop-back', (exchange) =>
    exchange.send(
      `HTTP/1.1 200 OK\r\n${Object.entries(HOP).map(([name, text]) => `${name}: ${text}\r\n`).join('')}Upgrade: h2c\r\nX-Kept: k\r\nContent-Length: 0\r\n\r\n`,
    ));
  const client = await stage.connect('main');
  const back = await client.exchange(request('GET', '/hop-back'));
  // Envoy leaves the fields that an answer's Connection names.
  const gone = stage.engine === 'envoy' ? ['connection', 'keep-alive', 'proxy-connection', 'upgrade'] : ['connection', 'x-named', 'x-other', 'keep-alive', 'proxy-connection', 'upgrade'];
  for (const name of gone) t.strictSame(values(back, name), [], `${name} does not come back to the caller`);
  t.equal(value(back, 'x-kept'), 'k');
  client.destroy();

  const named = await stage.exchange(request('GET', '/hop', { Connection: 'content-length, x-forwarded-for, transfer-encoding', 'X-Kept': 'k' }, 'body'));
  if (named.status === 200) t.match(named.text, /\r\nx-forwarded-for:/i, 'naming our own fields in Connection does not remove them');
  else t.equal(named.status, 400);
  t.match(stage.origin.violations, [], 'nor does naming the length make two requests of one');
}

/** The origin answers without reading the upload: the answer arrives, and the connection is not used for what follows. */
async function earlyAnswer(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/early', async (exchange) => {
    await exchange.send('HTTP/1.1 413 Too Much\r\nContent-Length: 4\r\nConnection: close\r\n\r\nstop');
    exchange.finish();
  });
  for (const fields of [{ 'Content-Length': '1000000' }, { 'Transfer-Encoding': 'chunked' }] as Record<string, string>[]) {
    const client = await stage.connect('main');
    client.write(request('POST', '/early', fields) + '3e8\r\n' + 'x'.repeat(500));
    const answer = await client.answer('POST');
    t.equal(answer.status, 413);
    t.equal(answer.text, 'stop');
    const { how } = await client.ended();
    t.not(how, 'local', 'the connection, whose request never ended, is closed');
    client.destroy();
  }
}

/** As in Envoy, a caller that sends its end has gone away: the request under way is given up, on both sides. */
async function halfClose(t: Test, stage: Stage): Promise<void> {
  let aborted: string | null = null;
  stage.origin.on('/half', async (exchange) => {
    await exchange.body();
    aborted = await exchange.closed();
  });
  const client = await RawClient.connect(stage.proxy.listener('main'));
  client.write(request('POST', '/half', {}, 'all'));
  await waitFor('the request to arrive', () => stage.origin.seen('/half').length === 1);
  client.finish();
  t.equal((await client.ended()).rest, '', 'the connection ends without an answer');
  t.match(await stage.logLine('/half '), /^\/half 0 DC downstream_remote_disconnect /);
  await waitFor('the upstream to be let go', () => aborted);
  client.destroy();
}

async function upgrades(t: Test, stage: Stage): Promise<void> {
  const fields = { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Key': 'x', 'Sec-WebSocket-Version': '13' };
  const answer = await stage.exchange(request('GET', '/ws', fields));
  t.equal(answer.status, 403);
  t.match(await stage.logLine('/ws 403'), /^\/ws 403 - upgrade_failed -$/);
  t.equal(stage.origin.seen('/ws').length, 0);
}
