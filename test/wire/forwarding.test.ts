// A request goes through and its answer comes back: methods, bodies in every framing both ways, trailers, HEAD, 204, 304.

import t, { type Test } from 'tap';

import { value } from '../support/http-message.ts';
import type { Exchange } from '../support/origin.ts';
import { request } from '../support/raw-client.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

onEachEngine((stage) => simpleConfig(stage), {}, async (t, stage) => {
  await t.test('methods', (t) => methods(t, stage));
  await t.test('request bodies', (t) => requestBodies(t, stage));
  await t.test('response bodies', (t) => responseBodies(t, stage));
  await t.test('answers without a body', (t) => bodiless(t, stage));
  await t.test('trailers', (t) => trailers(t, stage));
  await t.test('streaming', (t) => streaming(t, stage));
  await t.test('any split', (t) => splits(t, stage));
});

async function methods(t: Test, stage: Stage): Promise<void> {
  for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'PURGE', ...(stage.engine === 'envoy' ? [] : ['M-SEARCH'])]) {
    const answer = await stage.exchange(request(method, '/methods?a=1&b=%20'));
    t.equal(answer.status, 200, method);
    t.equal(answer.text, `${method} /methods?a=1&b=%20 0`, `${method} arrives as sent`);
    t.equal(value(answer, 'x-origin'), 'yes');
  }
}

async function requestBodies(t: Test, stage: Stage): Promise<void> {
  let body: Buffer = Buffer.alloc(0);
  let head: Exchange['head'] | null = null;
  stage.origin.on('/upload', async (exchange) => {
    body = (await exchange.body()).bytes;
    head = exchange.head;
    await exchange.reply(200, {}, String(body.length));
  });
  const seen = (name: string): string | undefined => value(head as Exchange['head'], name);

  t.equal((await stage.exchange(request('POST', '/upload', {}, 'hello'))).text, '5');
  t.equal(body.toString(), 'hello', 'by length');
  t.equal(seen('content-length'), '5');

  await stage.exchange(request('POST', '/upload', { 'Content-Length': '0' }));
  t.equal(seen('content-length'), '0', 'an empty body keeps its length of 0');

  await stage.exchange(request('GET', '/upload'));
  t.equal(seen('content-length'), undefined, 'no body, no framing field');
  t.equal(seen('transfer-encoding'), undefined);

  await stage.exchange(request('POST', '/upload', { 'Transfer-Encoding': 'chunked' }) + '5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n');
  t.equal(body.toString(), 'hello!', 'chunked');
  t.equal(seen('transfer-encoding'), 'chunked');
  t.equal(seen('content-length'), undefined);

  await stage.exchange(request('POST', '/upload', { 'Transfer-Encoding': 'Chunked' }) + '00005;name=value;q="a;\\"b"\r\nhello\r\n00;last\r\n\r\n');
  t.equal(body.toString(), 'hello', 'chunk extensions are understood, and dropped');

  const large = Buffer.alloc(3_000_000);
  for (let i = 0; i < large.length; i++) large[i] = (i * 7 + (i >> 8)) & 255;
  await stage.exchange(Buffer.concat([Buffer.from(request('PUT', '/upload', { 'Content-Length': String(large.length) })), large]), 'PUT');
  t.ok(body.equals(large), 'three megabytes of every byte value');

  await stage.exchange(request('GET', '/upload', {}, 'body of a GET'));
  t.equal(body.toString(), 'body of a GET');
}

async function responseBodies(t: Test, stage: Stage): Promise<void> {
  const answers: Record<string, string> = {
    '/by-length': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    '/empty': 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    '/chunked': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext="x"\r\nhello\r\n00001\r\n!\r\n0;last\r\n\r\n',
    '/not-found': 'HTTP/1.1 404 Nothing Here\r\nContent-Length: 2\r\n\r\nno',
    '/no-reason': 'HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n',
  };
  for (const [path, bytes] of Object.entries(answers)) stage.origin.on(path, (exchange) => exchange.send(bytes));

  const byLength = await stage.get('/by-length');
  t.equal(byLength.text, 'hello');
  t.equal(byLength.framing, 'length', 'a length stays a length');
  t.equal((await stage.get('/empty')).framing, 'length');
  const chunked = await stage.get('/chunked');
  t.equal(chunked.text, 'hello!');
  t.equal(chunked.framing, 'chunked', 'chunked stays chunked, extensions dropped (the reader refuses them)');
  const notFound = await stage.get('/not-found');
  t.equal(notFound.status, 404);
  t.equal(notFound.text, 'no');
  t.equal((await stage.get('/no-reason')).status, 299);

  for (const [path, version] of [['/until-close', 'HTTP/1.1'], ['/until-close-old', 'HTTP/1.0']] as const) {
    stage.origin.on(path, async (exchange) => {
      await exchange.send(`${version} 200 OK\r\nX-A: b\r\n\r\nfirst `);
      await exchange.send('second');
      exchange.finish();
    });
    const client = await stage.connect();
    const answer = await client.exchange(request('GET', path));
    t.equal(answer.text, 'first second', `${path}: a body that ends with its connection`);
    t.equal(answer.framing, 'chunked', 'is re-framed, so that its end is certain');
    t.equal((await client.exchange(request('GET', '/by-length'))).text, 'hello', 'and the caller keeps its connection');
    client.destroy();
  }
}

async function bodiless(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/head', async (exchange) => {
    if (exchange.head.method === 'HEAD') await exchange.send('HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nX-Kind: head\r\n\r\n');
    else await exchange.reply(200, {}, 'x'.repeat(1234));
  });
  stage.origin.on('/head-chunked', (exchange) => exchange.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'));
  stage.origin.on('/nothing', (exchange) => exchange.send('HTTP/1.1 204 No Content\r\nX-Kind: nothing\r\n\r\n'));
  stage.origin.on('/unchanged', (exchange) => exchange.send('HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 77\r\n\r\n'));

  const client = await stage.connect();
  const head = await client.exchange(request('HEAD', '/head'));
  t.equal(head.status, 200);
  t.equal(value(head, 'content-length'), '1234', 'HEAD keeps the length of the body it does not have');
  t.equal((await client.exchange(request('HEAD', '/head-chunked'))).status, 200);
  const nothing = await client.exchange(request('GET', '/nothing'));
  t.equal(nothing.status, 204);
  t.equal(value(nothing, 'x-kind'), 'nothing');
  const unchanged = await client.exchange(request('GET', '/unchanged'));
  t.equal(unchanged.status, 304);
  t.equal(value(unchanged, 'etag'), '"x"');
  const after = await client.exchange(request('GET', '/head'));
  t.equal(after.text.length, 1234, 'one connection carried them all, none left a byte behind');
  client.destroy();
}

async function trailers(t: Test, stage: Stage): Promise<void> {
  let got: readonly (readonly [string, string])[] = [];
  stage.origin.on('/trailers', async (exchange) => {
    got = (await exchange.body()).trailers;
    await exchange.send(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 42\r\nX-Late: caf\xe9\r\n\r\n',
    );
  });
  const client = await stage.connect();
  const upload = request('POST', '/trailers', { 'Transfer-Encoding': 'chunked', TE: 'trailers' });
  const answer = await client.exchange(`${upload}3\r\nabc\r\n0\r\nX-Check: 1\r\nX-Other: two words\r\n\r\n`);
  const lower = (fields: typeof got): string[] => fields.map(([name, text]) => `${name.toLowerCase()}: ${text}`);
  t.strictSame(lower(got), ['x-check: 1', 'x-other: two words'], 'the origin gets the trailers of the request');
  t.equal(answer.text, 'abc');
  t.strictSame(lower(answer.trailers), ['x-sum: 42', 'x-late: caf\xe9'], 'the caller gets those of the answer');
  t.equal((await client.exchange(request('GET', '/after'))).status, 200, 'the connection goes on');
  client.destroy();
}

/** Nothing is held back until the end: each part arrives before the next one is made. */
async function streaming(t: Test, stage: Stage): Promise<void> {
  let more: () => void = () => undefined;
  const asked = (): Promise<void> => new Promise((resolve) => (more = resolve));
  stage.origin.on('/stream', async (exchange) => {
    await exchange.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    for (const word of ['one', 'two', 'three']) {
      const next = asked();
      await exchange.send(`${word.length}\r\n${word}\r\n`);
      await next;
    }
    await exchange.send('0\r\n\r\n');
  });
  const client = await stage.connect();
  client.write(request('GET', '/stream'));
  t.equal((await client.head()).status, 200);
  for (const word of ['one', 'two', 'three']) {
    t.match((await client.reader.until(`${word}\r\n`)).toString(), word, `"${word}" arrives by itself`);
    more();
  }
  t.equal((await client.reader.until('0\r\n\r\n')).toString(), '0\r\n\r\n');
  client.destroy();

  // The same upwards: the origin answers each part before the next one is sent.
  stage.origin.on('/stream-up', async (exchange) => {
    await exchange.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    await exchange.body((bytes) => exchange.send(`${bytes.length.toString(16)}\r\n${bytes.toString()}\r\n`));
    await exchange.send('0\r\n\r\n');
  });
  const up = await stage.connect();
  up.write(request('POST', '/stream-up', { 'Content-Length': '9' }));
  t.equal((await up.head()).status, 200, 'the head of an answer comes before the end of its request');
  for (const word of ['one', 'two', 'tri']) {
    up.write(word);
    t.match((await up.reader.until(`${word}\r\n`)).toString(), word, `"${word}" goes up and comes back by itself`);
  }
  await up.reader.until('0\r\n\r\n');
  up.destroy();
}

/** One request with everything in it, cut into single bytes, into halves at every seventh point, and with CR and LF apart. */
async function splits(t: Test, stage: Stage): Promise<void> {
  let got = '';
  stage.origin.on('/split', async (exchange) => {
    const { bytes, trailers } = await exchange.body();
    got = `${value(exchange.head, 'x-a')}|${bytes}|${trailers.map(([, text]) => text).join()}`;
    const answer = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${got.length.toString(16)}\r\n${got}\r\n0\r\nX-T: u\r\n\r\n`;
    for (const byte of answer) {
      await exchange.send(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
  const bytes = `${request('POST', '/split', { 'X-A': 'value', 'Transfer-Encoding': 'chunked', TE: 'trailers' })}5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX-T: end\r\n\r\n`;
  const client = await stage.connect();
  const check = async (pieces: readonly string[], gapMs: number): Promise<void> => {
    got = '';
    await client.sendPieces(pieces, gapMs);
    const answer = await client.answer('POST');
    if (got !== 'value|hello world|end' || answer.text !== got) t.fail(`cut into ${JSON.stringify(pieces)}: ${got}`);
  };
  await check([...bytes], 0);
  for (let at = 1; at < bytes.length; at += 7) await check([bytes.slice(0, at), bytes.slice(at)], 1);
  await check(bytes.split(/(?<=\r)/), 1);
  t.pass('every cut gave the same');
  client.destroy();
}
