// HTTP/2 to the origin, end to end: HTTP/1.1 and HTTP/2 callers in front of a node:http2 server.

import { connect as connectH2, createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { value } from '../support/http-message.ts';
import { request } from '../support/raw-client.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(120_000);

/** An origin that does what the path says. */
class H2Origin {
  readonly sessions = new Set<ServerHttp2Session>();
  mostStreams = 0;
  streams = 0;
  server: Http2Server;
  port = 0;
  private open = 0;
  private readonly settings: { maxConcurrentStreams?: number };

  constructor(settings: { maxConcurrentStreams?: number } = {}) {
    this.settings = settings;
    this.server = this.make();
  }

  async start(): Promise<this> {
    this.server.listen(this.port, '127.0.0.1');
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
    return this;
  }

  /** Says goodbye on all connections, finishes what runs, and is back on the same port. */
  async restart(): Promise<void> {
    const old = this.server;
    const closed = new Promise<void>((resolve) => old.close(() => resolve()));
    for (const session of this.sessions) session.close();
    await closed;
    this.server = this.make();
    await this.start();
  }

  stop(): void {
    this.server.close();
    for (const session of this.sessions) session.destroy();
  }

  private make(): Http2Server {
    const server = createServer({ settings: this.settings });
    server.on('session', (session) => {
      this.sessions.add(session);
      session.on('close', () => this.sessions.delete(session));
      session.on('error', () => undefined);
    });
    server.on('stream', (stream, headers) => {
      this.streams++;
      this.open++;
      this.mostStreams = Math.max(this.mostStreams, this.open);
      stream.on('close', () => this.open--);
      stream.on('error', () => undefined);
      this.answer(stream, headers);
    });
    return server;
  }

  private answer(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const path = headers[':path'] ?? '';
    switch (path.split('?')[0]) {
      case '/headers':
        stream.respond({ ':status': 200, 'content-type': 'application/json', 'set-cookie': ['a=1', 'b=2'] });
        stream.end(JSON.stringify(headers));
        return;
      case '/echo':
        stream.respond({ ':status': 200 });
        stream.pipe(stream);
        return;
      case '/trailers':
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-checksum': 'abc' }));
        stream.end('with trailers');
        return;
      case '/upload-trailers': {
        let got: unknown = null;
        stream.on('trailers', (trailers) => (got = trailers['x-up']));
        stream.resume().on('end', () => {
          stream.respond({ ':status': 200 });
          stream.end(String(got));
        });
        return;
      }
      case '/hints':
        stream.additionalHeaders({ ':status': 103, link: '</style.css>' });
        stream.respond({ ':status': 200 });
        stream.end('hinted');
        return;
      case '/reset':
        stream.close(2);
        return;
      case '/half':
        stream.respond({ ':status': 200 });
        stream.write('half');
        setTimeout(() => stream.destroy(new Error('half')), 20);
        return;
      case '/head-only':
        stream.respond({ ':status': 200 }, { endStream: true });
        return;
      case '/slow':
        stream.respond({ ':status': 200, 'x-path': path });
        setTimeout(() => stream.end(path), 20);
        return;
      case '/large':
        stream.respond({ ':status': 200 });
        sendLarge(stream, 40);
        return;
      default:
        if (headers[':method'] === 'HEAD') stream.respond({ ':status': 200, 'content-length': '17' }, { endStream: true });
        else {
          stream.respond({ ':status': 200 });
          stream.end(path);
        }
    }
  }
}

const MEBIBYTE = Buffer.alloc(1 << 20, 'm');

/** The end comes with the last bytes: behind a closed window, Node lets a RST_STREAM overtake an END_STREAM that stands alone. */
function sendLarge(stream: ServerHttp2Stream, left: number): void {
  if (left === 1) stream.end(MEBIBYTE);
  else stream.write(MEBIBYTE, () => sendLarge(stream, left - 1));
}

const origins = new Map<Stage, { free: H2Origin; narrow: H2Origin }>();

async function main(): Promise<void> {
  const free = await new H2Origin().start();
  const narrow = await new H2Origin({ maxConcurrentStreams: 4 }).start();
  t.teardown(() => {
    free.stop();
    narrow.stop();
  });
  onEachEngine((stage) => {
    origins.set(stage, { free, narrow });
    const base = simpleConfig(stage, { http: { protocols: ['http1', 'http2'], routes: [
      { match: { prefix: '/narrow/' }, forward: { cluster: 'narrow', rewrite: { prefix: '/' } } },
      { match: { prefix: '/' }, forward: { cluster: 'app' } },
    ] } });
    return { ...base, clusters: [
      { name: 'app', protocol: 'http2', endpoints: [`127.0.0.1:${free.port}`] },
      { name: 'narrow', protocol: 'http2', endpoints: [`127.0.0.1:${narrow.port}`] },
    ] };
  }, {}, async (t, stage) => {
    await t.test('heads', (t) => heads(t, stage));
    await t.test('bodies', (t) => bodies(t, stage));
    await t.test('trailers and interim answers', (t) => trailers(t, stage));
    await t.test('resets', (t) => resets(t, stage));
    await t.test('many at once share connections', (t) => many(t, stage));
    await t.test('a large body and a caller that does not read', (t) => slowReader(t, stage));
    await t.test('HTTP/2 callers', (t) => h2Callers(t, stage));
    await t.test('an origin that restarts under load', (t) => restarts(t, stage));
  });
}

async function heads(t: Test, stage: Stage): Promise<void> {
  const client = await stage.connect();
  const answer = await client.exchange(request('GET', '/headers?q=1', { 'X-Mixed': 'Case', Connection: 'x-hop', 'X-Hop': '1', TE: 'trailers', Cookie: 'a=b; c=d' }));
  t.equal(answer.status, 200);
  t.same(answer.fields.filter(([name]) => name.toLowerCase() === 'set-cookie').map(([, text]) => text), ['a=1', 'b=2']);
  const seen = JSON.parse(answer.text) as Record<string, string>;
  t.match(seen, { ':method': 'GET', ':scheme': 'http', ':authority': 'test.local', ':path': '/headers?q=1', 'x-mixed': 'Case', te: 'trailers', cookie: 'a=b; c=d' });
  t.notOk('x-hop' in seen || 'connection' in seen || 'host' in seen, 'nothing of the hop');
  const head = await client.exchange(request('HEAD', '/head'));
  t.equal(value(head, 'content-length'), '17');
  const empty = await client.exchange(request('GET', '/head-only'));
  t.strictSame([value(empty, 'content-length'), empty.text], ['0', ''], 'END_STREAM on the head is a length, too');
  t.equal((await client.exchange(request('GET', '/after'))).text, '/after', 'the connection goes on');
  client.destroy();
}

async function bodies(t: Test, stage: Stage): Promise<void> {
  // An answer that begins before its request has ended closes the caller's connection: a new one each time.
  const large = 'abcdefgh'.repeat(400_000);
  t.equal((await stage.exchange(request('POST', '/echo', {}, 'small'))).text, 'small');
  t.ok((await stage.exchange(request('POST', '/echo', {}, large))).text === large, 'what went there came back');
  t.equal((await stage.exchange('POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n')).text, 'abcde');
  t.equal((await stage.exchange(request('POST', '/echo', { 'Content-Length': '0' }))).text, '');
}

async function trailers(t: Test, stage: Stage): Promise<void> {
  const client = await stage.connect();
  const answer = await client.exchange(request('GET', '/trailers', { TE: 'trailers' }));
  t.equal(answer.text, 'with trailers');
  t.same(answer.trailers.map(([name, text]) => `${name}: ${text}`), ['x-checksum: abc']);
  t.equal((await client.exchange('POST /upload-trailers HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Up: there\r\n\r\n')).text, 'there');
  const hinted = await client.exchange(request('GET', '/hints'));
  t.same(hinted.interim.map(({ status }) => status), [103]);
  t.equal(hinted.text, 'hinted');
  client.destroy();
}

async function resets(t: Test, stage: Stage): Promise<void> {
  const answer = await stage.get('/reset');
  t.equal(answer.status, 503);
  t.match(answer.text, /remote reset/);
  t.match(await stage.logLine('/reset '), / 503 UR upstream_reset_before_response_started\{remote_reset\} /);
  const client = await stage.connect();
  client.write(request('GET', '/half'));
  const { how } = await client.ended();
  t.ok(how === 'reset' || how === 'fin', 'an answer that cannot be completed is cut');
  t.match(await stage.logLine('/half '), /upstream_reset_after_response_started\{remote_reset\}/);
}

async function many(t: Test, stage: Stage): Promise<void> {
  const { free, narrow } = origins.get(stage)!;
  const before = free.sessions.size;
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => stage.get(`/slow?${i}`)));
  t.same(answers.map(({ text }) => text), answers.map((_, i) => `/slow?${i}`), 'everyone gets its own answer');
  t.ok(free.sessions.size <= Math.max(before, 2) + 2, `${free.sessions.size} connections for two workers`);
  const limited = await Promise.all(Array.from({ length: 40 }, (_, i) => stage.get(`/narrow/slow?${i}`)));
  t.same(limited.map(({ text }) => text), limited.map((_, i) => `/slow?${i}`), 'and where the origin takes only four at a time');
  t.equal(await stage.proxy.stat('cluster.narrow.http2.rx_reset'), 0, 'none was sent above its limit');
  t.ok(narrow.sessions.size > 1);
}

async function slowReader(t: Test, stage: Stage): Promise<void> {
  const client = await stage.connect();
  client.socket.pause();
  client.write(request('GET', '/large'));
  await waitFor('back-pressure', async () => (await stage.proxy.stat('cluster.app.upstream_flow_control_paused_reading_total')) > 0);
  const kept = await stage.proxy.stat('cluster.app.upstream_cx_rx_bytes_total');
  t.ok(kept < 30 << 20, `the origin was stopped: ${kept} bytes read`);
  t.equal((await stage.get('/other')).text, '/other', 'others on that connection go on');
  client.socket.resume();
  const answer = await client.answer();
  t.equal(answer.text.length, 40 << 20);
  client.destroy();
}

async function h2Callers(t: Test, stage: Stage): Promise<void> {
  const session = connectH2(`http://${stage.address}`);
  const ask = (path: string, body?: string): Promise<{ status: unknown; text: string; trailers: unknown }> => new Promise((resolve, reject) => {
    const stream = session.request({ ':path': path, ':method': body === undefined ? 'GET' : 'POST' });
    let status: unknown = 0;
    let text = '';
    let trailers: unknown = null;
    stream.setEncoding('latin1');
    stream.on('response', (headers) => (status = headers[':status']));
    stream.on('trailers', (found) => (trailers = found['x-checksum']));
    stream.on('data', (chunk: string) => (text += chunk));
    stream.on('end', () => resolve({ status, text, trailers }));
    stream.on('error', reject);
    stream.end(body);
  });
  t.same(await ask('/trailers'), { status: 200, text: 'with trailers', trailers: 'abc' });
  const large = 'x'.repeat(2_000_000);
  t.ok((await ask('/echo', large)).text === large);
  const all = await Promise.all(Array.from({ length: 90 }, (_, i) => ask(`/slow?h2-${i}`)));
  t.same(all.map(({ text }) => text), all.map((_, i) => `/slow?h2-${i}`));
  session.close();
  await once(session, 'close');
}

async function restarts(t: Test, stage: Stage): Promise<void> {
  const { free } = origins.get(stage)!;
  const found: string[] = [];
  let going = true;
  const caller = async (n: number): Promise<void> => {
    const client = await stage.connect();
    for (let i = 0; going; i++) {
      const answer = await client.exchange(request('GET', `/slow?r${n}-${i}`));
      found.push(answer.status === 200 && answer.text === `/slow?r${n}-${i}` ? 'whole' : `${answer.status} ${answer.text}`);
    }
    client.destroy();
  };
  const callers = Array.from({ length: 10 }, (_, n) => caller(n));
  for (let i = 0; i < 3; i++) {
    const enough = found.length + 30;
    await waitFor('some answers', () => found.length >= enough);
    await free.restart();
  }
  going = false;
  await Promise.all(callers);
  // Between the old server's end and the new one's beginning nobody listens: that, and nothing else, may be told.
  const lost = found.filter((one) => one !== 'whole' && !/connection failure|connection timeout/.test(one));
  t.same(lost, [], 'every request that was begun was answered, or made again');
  t.ok(found.filter((one) => one === 'whole').length > 60);
}

await main();
