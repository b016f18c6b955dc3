// Interim answers (1xx) and Expect: 100-continue, end to end: the proxy promises nothing that the origin has not.

import t, { type Test } from 'tap';

import { value } from '../support/http-message.ts';
import { sleep } from '../support/deadline.ts';
import { request } from '../support/raw-client.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

onEachEngine((stage) => simpleConfig(stage), {}, async (t, stage) => {
  await t.test('interim answers pass', (t) => interim(t, stage));
  await t.test('100 comes from the origin', (t) => continued(t, stage));
  await t.test('the final answer comes instead', (t) => finalInstead(t, stage));
  await t.test('a caller that does not wait', (t) => impatient(t, stage));
});

async function interim(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/early', (exchange) =>
    exchange.send(
      'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-I: caf\xe9\r\n\r\n' +
        'HTTP/1.1 102 Processing\r\nConnection: X-Gone\r\nX-Gone: 1\r\n\r\n' +
        'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone',
    ));
  const client = await stage.connect();
  const answer = await client.exchange(request('GET', '/early'));
  t.equal(answer.status, 200);
  t.equal(answer.text, 'done');
  const [first, second] = answer.interim;
  t.equal(first?.status, 103);
  t.equal(value(first as never, 'link'), '</a.css>; rel=preload');
  if (stage.engine !== 'envoy') {
    // Envoy passes on the first only.
    t.strictSame(answer.interim.map(({ status }) => status), [103, 102], 'all, in their order');
    t.equal(value(first as never, 'x-i'), 'caf\xe9');
    t.equal(value(second as never, 'x-gone'), undefined, 'hop-by-hop fields do not pass here either');
  }
  t.equal((await client.exchange(request('GET', '/after'))).status, 200);
  client.destroy();

  // It passes when it comes, not when the final answer comes.
  let finish = (): void => undefined;
  stage.origin.on('/early-slow', async (exchange) => {
    await exchange.send('HTTP/1.1 103 Early Hints\r\nLink: <b>\r\n\r\n');
    await new Promise<void>((resolve) => (finish = resolve));
    await exchange.reply(204 + 1);
  });
  const slow = await stage.connect();
  slow.write(request('GET', '/early-slow'));
  t.equal((await slow.head()).status, 103, 'before the final answer exists');
  finish();
  t.equal((await slow.answer()).status, 205);
  slow.destroy();
}

const EXPECT = { Expect: '100-continue', 'Content-Length': '5' };

async function continued(t: Test, stage: Stage): Promise<void> {
  let allow = (): void => undefined;
  stage.origin.on('/expect', async (exchange) => {
    const expectation = value(exchange.head, 'expect');
    await new Promise<void>((resolve) => (allow = resolve));
    await exchange.send('HTTP/1.1 100 Continue\r\n\r\n');
    const { bytes } = await exchange.body();
    await exchange.reply(200, {}, `${expectation} ${bytes}`);
  });
  for (const fields of [EXPECT, { Expect: '100-Continue', 'Transfer-Encoding': 'chunked' }]) {
    const client = await stage.connect();
    const before = stage.origin.seen('/expect').length;
    client.write(request('POST', '/expect', fields as Record<string, string>));
    while (stage.origin.seen('/expect').length === before) await sleep(5);
    await sleep(30);
    t.equal(client.reader.total, 0, 'nothing is promised before the origin does');
    allow();
    const go = await client.head();
    t.equal(go.status, 100);
    t.strictSame(go.fields, [], 'the 100 carries no fields');
    client.write('Content-Length' in fields ? 'hello' : '5\r\nhello\r\n0\r\n\r\n');
    const answer = await client.answer('POST');
    t.equal(answer.text.toLowerCase(), '100-continue hello', 'the origin saw the expectation and got the body');
    t.equal((await client.exchange(request('GET', '/after'))).status, 200, 'and the connection goes on');
    client.destroy();
  }
}

async function finalInstead(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/denied', async (exchange) => {
    await exchange.send('HTTP/1.1 401 Denied\r\nContent-Length: 2\r\n\r\nno');
    // A wise origin closes: it cannot know whether the body still comes.
    exchange.finish();
  });
  const client = await stage.connect();
  client.write(request('POST', '/denied', EXPECT));
  const answer = await client.answer('POST');
  t.equal(answer.status, 401);
  t.equal(answer.text, 'no');
  t.strictSame(answer.interim, [], 'no 100 came before');
  client.destroy();
}

async function impatient(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/impatient', async (exchange) => {
    const { bytes } = await exchange.body();
    await exchange.send(`HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: ${bytes.length}\r\n\r\n${bytes}`);
  });
  const client = await stage.connect();
  const answer = await client.exchange(request('POST', '/impatient', EXPECT, 'hello'));
  t.equal(answer.status, 200);
  t.equal(answer.text, 'hello', 'the body goes on at once');
  const again = await client.exchange(request('POST', '/impatient', EXPECT, 'again'));
  t.equal(again.text, 'again');
  client.destroy();
}
