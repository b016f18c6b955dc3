// What an upstream's misbehaviour becomes: a malformed answer is a 502 with flag UPE and the end of that connection; an
// answer that never comes whole is a 503 or a cut; nothing of it is taken for the answer to another request.

import t, { type Test } from 'tap';

import { StreamEnded } from '../support/byte-reader.ts';
import { sleep, waitFor } from '../support/deadline.ts';
import { value } from '../support/http-message.ts';
import { request } from '../support/raw-client.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(90_000);

onEachEngine((stage) => simpleConfig(stage), {}, async (t, stage) => {
  await t.test('malformed heads', (t) => heads(t, stage));
  await t.test('malformed bodies', (t) => bodies(t, stage));
  await t.test('ends before the head', (t) => endsBeforeHead(t, stage));
  await t.test('ends inside the body', (t) => endsInBody(t, stage));
  await t.test('bytes that nobody asked for', (t) => unasked(t, stage));
  await t.test('nobody there', (t) => refused(t, stage));
});

interface Case {
  readonly name: string;
  readonly bytes: string;
  readonly notEnvoy: boolean;
}

const bad = (name: string, bytes: string): Case => ({ name, bytes, notEnvoy: false });
const own = (name: string, bytes: string): Case => ({ name, bytes, notEnvoy: true });
const field = (line: string, body = ''): string => `HTTP/1.1 200 OK\r\n${line}\r\n\r\n${body}`;

const HEADS: readonly Case[] = [
  bad('not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'),
  bad('no version', '200 OK\r\n\r\n'),
  own('HTTP/1.2', 'HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n'),
  own('HTTP/2.0', 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n'),
  bad('no status', 'HTTP/1.1\r\nContent-Length: 0\r\n\r\n'),
  bad('a status of letters', 'HTTP/1.1 two OK\r\nContent-Length: 0\r\n\r\n'),
  own('a status of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n'),
  own('a status of four digits', 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n'),
  own('a status below 100', 'HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n'),
  own('a bare LF after the status line', 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n'),
  own('a bare CR in a value', field('X-A: b\rc\r\nContent-Length: 0')),
  bad('NUL in a value', field('X-A: b\0c\r\nContent-Length: 0')),
  bad('a space before the colon', field('X-A : b\r\nContent-Length: 0')),
  bad('a field without a colon', field('X-A\r\nContent-Length: 0')),
  bad('an empty name', field(': b\r\nContent-Length: 0')),
  own('obsolete folding', field('X-A: b\r\n c\r\nContent-Length: 0')),
  own('both framings', field('Content-Length: 5\r\nTransfer-Encoding: chunked', '0\r\n\r\n')),
  bad('two lengths, unequal', field('Content-Length: 5\r\nContent-Length: 6', 'hello!')),
  bad('a length with a sign', field('Content-Length: +5', 'hello')),
  bad('a length of letters', field('Content-Length: five', 'hello')),
  own('an unknown coding', field('Transfer-Encoding: cow', 'x')),
  own('gzip, chunked', field('Transfer-Encoding: gzip, chunked', '0\r\n\r\n')),
  bad('a head past the limit', field(`X-A: ${'v'.repeat(150_000)}\r\nContent-Length: 0`)),
  bad('a malformed interim answer', 'HTTP/1.1 103 Early\r\nX A: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
  own('101 that nobody asked for', 'HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
];

async function heads(t: Test, stage: Stage): Promise<void> {
  const cases = HEADS.filter(({ notEnvoy }) => stage.engine !== 'envoy' || !notEnvoy);
  for (const [number, { name, bytes }] of cases.entries()) {
    let ended: Promise<unknown> = Promise.resolve();
    stage.origin.on('/head', (exchange) => {
      ended = exchange.closed();
      return exchange.send(bytes);
    });
    const client = await stage.connect();
    const answer = await client.exchange(request('GET', `/head/${number}`));
    t.equal(answer.status, 502, `${name}: 502`);
    t.match(answer.text, 'upstream connect error or disconnect/reset before headers. reset reason: protocol error', name);
    await ended;
    t.equal((await client.exchange(request('GET', '/fine'))).status, 200, `${name}: the caller keeps its connection`);
    client.destroy();
  }
  for (const [number, { name }] of cases.entries()) {
    t.match(await stage.logLine(`/head/${number} `), / 502 UPE upstream_reset_before_response_started\{protocol_error/, `${name}: UPE`);
  }
}

const BODIES: readonly Case[] = [
  bad('a chunk size of letters', field('Transfer-Encoding: chunked', '5\r\nhello\r\nxyz\r\n')),
  own('data longer than its chunk', field('Transfer-Encoding: chunked', '5\r\nhelloX\r\n0\r\n\r\n')),
  own('a bare LF after a chunk size', field('Transfer-Encoding: chunked', '5\nhello\r\n0\r\n\r\n')),
  bad('a chunk size past every number', field('Transfer-Encoding: chunked', '5\r\nhello\r\nfffffffffffffffff\r\n')),
  bad('a malformed trailer', field('Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\nX A: b\r\n\r\n')),
];

/** The head has gone down already: the caller must notice that the answer is not whole. */
async function bodies(t: Test, stage: Stage): Promise<void> {
  for (const { name, bytes, notEnvoy } of BODIES) {
    if (notEnvoy && stage.engine === 'envoy') continue;
    let ended: Promise<unknown> = Promise.resolve();
    stage.origin.on('/body', async (exchange) => {
      ended = exchange.closed();
      const at = bytes.indexOf('\r\n\r\n') + 4;
      await exchange.send(bytes.slice(0, at));
      await sleep(30);
      await exchange.send(bytes.slice(at));
    });
    const client = await stage.connect();
    client.write(request('GET', '/body'));
    const answer = await client.answer().catch((error: Error) => error);
    if (answer instanceof Error) t.ok(answer instanceof StreamEnded, `${name}: the connection is cut (${answer.message})`);
    else t.equal(answer.status, 502, `${name}: seen in time for a 502`);
    await ended;
    client.destroy();
  }
}

/** What an upstream's end becomes, by the way it ended. Half a head is a malformed answer, not a missing one. */
function endOf(way: string): { status: number; reason: string; flag: string } {
  return way === 'partial' ? { status: 502, reason: 'protocol error', flag: 'UPE' } : { status: 503, reason: 'connection termination', flag: 'UC' };
}

async function endsBeforeHead(t: Test, stage: Stage): Promise<void> {
  const ways: Readonly<Record<string, string>> = { fin: '', reset: '', partial: 'HTTP/1.1 200 OK\r\nContent-Le', interim: 'HTTP/1.1 103 Early Hints\r\n\r\n' };
  for (const [name, bytes] of Object.entries(ways)) {
    stage.origin.on('/cut', async (exchange) => {
      await exchange.body();
      if (bytes !== '') await exchange.send(bytes);
      if (name === 'reset') exchange.reset();
      else exchange.finish();
    });
    const client = await stage.connect();
    const answer = await client.exchange(request('POST', `/cut/${name}`, {}, 'body'));
    const { status, reason } = endOf(name);
    t.equal(answer.status, status, name);
    t.match(answer.text, `upstream connect error or disconnect/reset before headers. reset reason: ${reason}`, name);
    t.equal(value(answer, 'content-type'), 'text/plain');
    t.equal((await client.exchange(request('GET', '/fine'))).status, 200, `${name}: the caller keeps its connection`);
    client.destroy();
  }
  for (const name of Object.keys(ways)) {
    const { status, reason, flag } = endOf(name);
    // After an interim answer Envoy says `after_response_started`.
    const when = name === 'interim' && stage.engine === 'envoy' ? 'after' : 'before';
    t.match(await stage.logLine(`/cut/${name} `), ` ${status} ${flag} upstream_reset_${when}_response_started{${reason.replace(' ', '_')}`, `${name}: ${flag}`);
  }
}

async function endsInBody(t: Test, stage: Stage): Promise<void> {
  const ways: Readonly<Record<string, string>> = {
    length: 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this',
    chunked: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n',
    inChunk: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nonly this',
    inTrailers: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n0\r\nX-A: b\r\n',
  };
  for (const [name, bytes] of Object.entries(ways)) {
    for (const how of ['fin', 'reset'] as const) {
      stage.origin.on('/inside', async (exchange) => {
        await exchange.send(bytes);
        await sleep(30);
        if (how === 'fin') exchange.finish();
        else exchange.reset();
      });
      const client = await stage.connect();
      client.write(request('GET', `/inside/${name}-${how}`));
      t.equal((await client.head()).status, 200);
      const { how: ending, rest } = await client.ended();
      t.not(ending, 'local', `${name}, ${how}: the connection is cut`);
      t.notMatch(rest, /0\r\n\r\n$/, `${name}, ${how}: and the body does not look whole`);
      client.destroy();
    }
  }
  for (const name of Object.keys(ways)) {
    for (const how of ['fin', 'reset']) {
      t.match(await stage.logLine(`/inside/${name}-${how} `), / 200 (UC|UPE) upstream_reset_after_response_started\{/, `${name}, ${how}: logged`);
    }
  }
}

/** Bytes on an idle connection, or behind an answer: that connection is not used again, and no answer is made of them. */
async function unasked(t: Test, stage: Stage): Promise<void> {
  const poison = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison';
  stage.origin.on('/idle', async (exchange) => {
    await exchange.reply(200, {}, 'fine');
    await sleep(50);
    await exchange.send(poison);
  });
  stage.origin.on('/behind', (exchange) => exchange.send(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine${poison}`));
  stage.origin.on('/bodiless', (exchange) => exchange.send('HTTP/1.1 204 No Content\r\n\r\njunk'));
  stage.origin.on('/headed', (exchange) => exchange.send('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\njunk'));
  for (const [method, path] of [['GET', '/idle'], ['GET', '/behind'], ['GET', '/bodiless'], ['HEAD', '/headed']] as const) {
    const client = await stage.connect();
    t.equal((await client.exchange(request(method, path))).status < 300, true, path);
    await sleep(150);
    for (let n = 0; n < 5; n++) t.equal((await client.exchange(request('GET', `/clean${n}`))).text, `GET /clean${n} 0`, `${path}: what follows is answered by its own answer`);
    client.destroy();
  }
  await waitFor('the poisoned connections to be closed', () => stage.origin.connections.every(({ ended, reader }) => ended !== null || reader.total > 0));
  const poisoned = stage.origin.connections.filter(({ bytes }) => /\/(idle|behind|bodiless|headed) /.test(bytes));
  t.ok(poisoned.length >= 4);
  t.strictSame(poisoned.filter(({ ended }) => ended === null).map(({ number }) => number), [], 'each such connection has been closed');
}

async function refused(t: Test, stage: Stage): Promise<void> {
  await stage.origin.stop();
  const answer = await stage.get('/refused');
  t.equal(answer.status, 503);
  t.match(answer.text, /^upstream connect error or disconnect\/reset before headers\. reset reason: (remote )?connection failure/);
  t.match(await stage.logLine('/refused '), / 503 UF upstream_reset_before_response_started\{(remote_)?connection_failure/);
}
