// A real browser through the proxy, over TLS with ALPN: fetches in both directions, an event stream, WebSocket (RFC 6455
// over HTTP/1.1, RFC 8441 over HTTP/2) and gRPC-Web. The page reports what it saw as a request of its own.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import t, { type Test } from 'tap';

import { makeCertificate } from '../support/certificates.ts';
import { waitFor } from '../support/deadline.ts';
import { value } from '../support/http-message.ts';
import type { Exchange } from '../support/origin.ts';
import { scratchDirectory, subjectIsEnvoy } from '../support/run-proxy.ts';
import { onEachEngine, SHORT_LOG, type Stage } from '../support/stage.ts';

t.setTimeout(180_000);

const PATIENCE_MS = 60_000; // a browser's start on a busy machine
const PROGRAM = ['chromium', 'chromium-browser', 'google-chrome'].find((name) => spawnSync(name, ['--version']).error === undefined);
const UP_BYTES = 1_000_000;
const DOWN_BYTES = 3_000_000;
const MESSAGE_BYTES = [5, 300, 70_000];
const GRPC_CALL = '\0\0\0\0\x05hello';
const GRPC_ANSWER = '\0\0\0\0\x05world';
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const server = makeCertificate({ names: ['app.test'] });
const SPKI_HASH = createHash('sha256').update(server.publicKey.export({ type: 'spki', format: 'der' })).digest('base64');

interface Report {
  readonly error?: string;
  readonly protocol: string;
  readonly uploaded: string;
  readonly downloaded: number;
  readonly events: readonly string[];
  readonly echoes: readonly number[];
  readonly closed: { readonly code: number; readonly wasClean: boolean };
  readonly grpc: string;
  readonly many: readonly string[];
}

if (PROGRAM === undefined) {
  t.test('a browser', { skip: 'no chromium on this machine' }, () => undefined);
} else {
  onEachEngine(
    (stage) => {
      const certificates = [{ cert: join(stage.directory, 'server.crt'), key: join(stage.directory, 'server.key') }];
      writeFileSync(certificates[0]!.cert, server.cert);
      writeFileSync(certificates[0]!.key, server.key);
      const http = {
        upgrades: ['websocket'],
        filters: [{ grpcWeb: {} }],
        accessLog: [{ path: stage.logPath, format: SHORT_LOG }],
        routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }],
      };
      return {
        listeners: [
          { name: 'h2', address: '127.0.0.1:0', tls: { certificates }, http: { ...http, protocols: ['http2', 'http1'] } },
          { name: 'h1', address: '127.0.0.1:0', tls: { certificates }, http: { ...http, protocols: ['http1'] } },
        ],
        clusters: [{ name: 'app', endpoints: [stage.origin.address] }],
      };
    },
    {},
    async (t, stage) => {
      answerBrowser(stage);
      await t.test('HTTP/2', (t) => visit(t, stage, 'h2', 'h2'));
      await t.test('HTTP/1.1', (t) => visit(t, stage, 'h1', 'http/1.1'));
    },
    subjectIsEnvoy ? [] : undefined,
  );
}

/** Runs in the browser: everything the page does, told to `/report/NAME` at its end. */
const PAGE = `<!doctype html><title>page</title><link rel="icon" href="data:,"><script>
const bytes = async (answer) => (await answer.arrayBuffer()).byteLength;
const report = { echoes: [], events: [] };
async function play() {
  await (await fetch('/small')).text();
  report.protocol = performance.getEntriesByType('resource').find(({ name }) => name.endsWith('/small')).nextHopProtocol;
  report.uploaded = await (await fetch('/upload', { method: 'POST', body: new Uint8Array(${UP_BYTES}) })).text();
  report.downloaded = await bytes(await fetch('/download'));
  report.many = await Promise.all(Array.from({ length: 40 }, async (_, n) => (await fetch('/many?' + n)).text()));
  await new Promise((resolve, reject) => {
    const source = new EventSource('/events');
    source.onmessage = ({ data }) => { report.events.push(data); if (data === 'last') { source.close(); resolve(); } };
    source.onerror = () => reject(new Error('the event stream broke'));
  });
  await new Promise((resolve, reject) => {
    const socket = new WebSocket('wss://' + location.host + '/chat');
    socket.binaryType = 'arraybuffer';
    const sizes = ${JSON.stringify(MESSAGE_BYTES)};
    const next = () => report.echoes.length < sizes.length ? socket.send(new Uint8Array(sizes[report.echoes.length])) : socket.close(1000, 'done');
    socket.onopen = next;
    socket.onmessage = ({ data }) => { report.echoes.push(data.byteLength); next(); };
    socket.onclose = ({ code, wasClean }) => { report.closed = { code, wasClean }; resolve(); };
    socket.onerror = () => reject(new Error('the WebSocket broke'));
  });
  const call = await fetch('/app.S/M', { method: 'POST', headers: { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' }, body: ${JSON.stringify(GRPC_CALL)} });
  report.grpc = String.fromCharCode(...new Uint8Array(await call.arrayBuffer()));
}
play().catch((error) => { report.error = String(error); }).then(() => fetch('/report' + location.pathname, { method: 'POST', body: JSON.stringify(report) }));
</script>`;

const reports = new Map<string, Report>();

function answerBrowser(stage: Stage): void {
  const { origin } = stage;
  origin.on('/page', (exchange) => exchange.reply(200, { 'content-type': 'text/html' }, PAGE));
  origin.on('/small', (exchange) => exchange.reply(200, {}, 'small'));
  origin.on('/many', (exchange) => exchange.reply(200, {}, exchange.head.target));
  origin.on('/upload', async (exchange) => exchange.reply(200, {}, String((await exchange.body()).bytes.length)));
  origin.on('/download', (exchange) => exchange.reply(200, {}, 'x'.repeat(DOWN_BYTES)));
  origin.on('/events', (exchange) => exchange.reply(200, { 'content-type': 'text/event-stream' }, 'data: first\n\ndata: last\n\n'));
  origin.on('/chat', echo);
  origin.on('/app.S', async (exchange) => {
    const { bytes } = await exchange.body();
    await exchange.send('HTTP/1.1 200 OK\r\ncontent-type: application/grpc+proto\r\ntransfer-encoding: chunked\r\n\r\n');
    const answer = bytes.toString('latin1') === GRPC_CALL ? GRPC_ANSWER : 'wrong';
    await exchange.send(`${answer.length.toString(16)}\r\n${answer}\r\n0\r\ngrpc-status: 0\r\n\r\n`);
  });
  origin.on('/report', async (exchange) => {
    reports.set(exchange.head.target, JSON.parse((await exchange.body()).bytes.toString()) as Report);
    await exchange.reply(200);
  });
}

/** A WebSocket server (RFC 6455): sends every message back, answers Close by Close. */
async function echo(exchange: Exchange): Promise<void> {
  const { reader } = exchange.connection;
  const accept = createHash('sha1').update(`${value(exchange.head, 'sec-websocket-key')}${WEBSOCKET_GUID}`).digest('base64');
  await exchange.send(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  for (let open = true; open;) {
    const [first, second] = await reader.exactly(2);
    const length = await frameLength(exchange, second! & 127);
    const mask = await reader.exactly(4);
    const payload = Buffer.from(await reader.exactly(length)).map((byte, at) => byte ^ mask[at & 3]!);
    await exchange.send(Buffer.concat([frameHead(first!, length), payload]));
    open = (first! & 15) !== 8;
  }
  exchange.finish();
}

async function frameLength(exchange: Exchange, short: number): Promise<number> {
  if (short < 126) return short;
  const wide = Buffer.from(await exchange.connection.reader.exactly(short === 126 ? 2 : 8));
  return wide.readUIntBE(Math.max(0, wide.length - 6), Math.min(6, wide.length));
}

function frameHead(first: number, length: number): Buffer {
  if (length < 126) return Buffer.from([first, length]);
  const head = Buffer.alloc(length < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = length < 65_536 ? 126 : 127;
  head.writeUIntBE(length, length < 65_536 ? 2 : 4, length < 65_536 ? 2 : 6);
  return head;
}

function browse(url: string, port: string, profile: string): ChildProcess {
  return spawn(PROGRAM!, [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    `--user-data-dir=${profile}`, `--host-resolver-rules=MAP app.test:${port} 127.0.0.1:${port}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
    `--ignore-certificate-errors-spki-list=${SPKI_HASH}`, url,
  ], { stdio: 'ignore', detached: true });
}

async function visit(t: Test, stage: Stage, listener: string, protocol: string): Promise<void> {
  const port = stage.proxy.listener(listener).split(':')[1]!;
  const path = `/page/${stage.engine}/${listener}`;
  const browser = browse(`https://app.test:${port}${path}`, port, scratchDirectory(t));
  const gone = once(browser, 'exit');
  t.teardown(async () => {
    process.kill(-browser.pid!, 'SIGKILL'); // with the processes it has started
    await gone;
  });
  const report = await waitFor('the page to report', () => reports.get(`/report${path}`), PATIENCE_MS);
  t.strictSame(report, {
    echoes: MESSAGE_BYTES,
    events: ['first', 'last'],
    protocol,
    uploaded: String(UP_BYTES),
    downloaded: DOWN_BYTES,
    many: Array.from({ length: 40 }, (_, n) => `/many?${n}`),
    closed: { code: 1000, wasClean: true },
    grpc: `${GRPC_ANSWER}\x80\0\0\0\x0fgrpc-status:0\r\n`,
  });
  t.equal(await stage.proxy.stat(`http.${listener}.downstream_rq_5xx`), 0);
  t.equal(await stage.proxy.stat(`http.${listener}.downstream_cx_upgrades_total`), 1, 'one upgrade');
  if (protocol === 'h2') t.equal(await stage.proxy.stat(`http.${listener}.downstream_cx_http1_total`), 0, 'the WebSocket shares the HTTP/2 connection');
}
