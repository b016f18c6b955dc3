// gRPC-Web through the proxy: binary and text, to a host that speaks gRPC, with trailers as the last frame of the body.

import t, { type Test } from 'tap';

import { value } from '../support/http-message.ts';
import { request } from '../support/raw-client.ts';
import { subjectIsEnvoy } from '../support/run-proxy.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

const CALL = '\0\0\0\0\x05hello';
const ANSWER = '\0\0\0\0\x05world';

onEachEngine(
  (stage) => simpleConfig(stage, { http: { filters: [{ grpcWeb: {} }], routes: [{ match: { pathSeparatedPrefix: '/app.S' }, forward: { cluster: 'app' } }] } }),
  {},
  async (t, stage) => {
    stage.origin.on('/app.S', async (exchange) => {
      const body = await exchange.body();
      const kind = exchange.head.target.split('/')[2];
      const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/grpc+proto\r\n';
      if (kind === 'Only') await exchange.send(`${head}grpc-status: 5\r\ncontent-length: 0\r\n\r\n`);
      else if (kind === 'Html') await exchange.reply(502, { 'content-type': 'text/html' }, '<p>');
      else await exchange.send(`${head}transfer-encoding: chunked\r\n\r\n${chunk(body.bytes.toString('latin1') === CALL ? ANSWER : 'wrong')}0\r\ngrpc-status: 0\r\nGrpc-Message: fine\r\n\r\n`);
    });
    await t.test('binary', (t) => binary(t, stage));
    await t.test('text', (t) => text(t, stage));
    await t.test('other answers', (t) => others(t, stage));
    await t.test('not ours', (t) => untouched(t, stage));
  },
  subjectIsEnvoy ? [] : undefined,
);

function chunk(bytes: string): string {
  return `${bytes.length.toString(16)}\r\n${bytes}\r\n`;
}

function trailerFrame(lines: string): string {
  return `\x80\0\0\0${String.fromCharCode(lines.length)}${lines}`;
}

const TRAILERS = trailerFrame('grpc-status:0\r\ngrpc-message:fine\r\n');

function base64(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('base64');
}

async function binary(t: Test, stage: Stage): Promise<void> {
  const answer = await stage.exchange(request('POST', '/app.S/M', { 'Content-Type': 'application/grpc-web+proto' }, CALL));
  t.equal(answer.status, 200);
  t.equal(value(answer, 'content-type'), 'application/grpc-web+proto');
  t.equal(answer.text, ANSWER + TRAILERS);
  t.strictSame(answer.trailers, [], 'there are none besides');
  const sent = stage.origin.seen('/app.S/M')[0]!;
  t.equal(value(sent, 'content-type'), 'application/grpc+proto');
  t.equal(value(sent, 'te'), 'trailers');
}

async function text(t: Test, stage: Stage): Promise<void> {
  const fields = { 'Content-Type': 'application/grpc-web-text', Accept: 'application/grpc-web-text' };
  for (const body of [base64(CALL), base64(CALL.slice(0, 5)) + base64(CALL.slice(5))]) {
    const answer = await stage.exchange(request('POST', '/app.S/T', fields, body));
    t.equal(value(answer, 'content-type'), 'application/grpc-web-text+proto');
    t.equal(decodeAll(answer.text), ANSWER + TRAILERS);
    t.equal(value(stage.origin.seen('/app.S/T').at(-1)!, 'content-length'), undefined, 'the length was that of the text');
  }
  // Cut inside a group.
  const client = await stage.connect();
  await client.sendPieces([request('POST', '/app.S/T', { ...fields, 'Transfer-Encoding': 'chunked' }), chunk(base64(CALL).slice(0, 7)), `${chunk(base64(CALL).slice(7))}0\r\n\r\n`]);
  t.equal(decodeAll((await client.answer('POST')).text), ANSWER + TRAILERS);
  client.destroy();
}

/** Each piece is padded for itself. */
function decodeAll(encoded: string): string {
  return (encoded.match(/[A-Za-z0-9+/]+={0,2}/g) ?? []).map((part) => Buffer.from(part, 'base64').toString('latin1')).join('');
}

async function others(t: Test, stage: Stage): Promise<void> {
  const only = await stage.exchange(request('POST', '/app.S/Only', { 'Content-Type': 'application/grpc-web' }, CALL));
  t.equal(value(only, 'grpc-status'), '5', 'trailers-only stays so');
  t.equal(value(only, 'content-type'), 'application/grpc-web+proto');
  t.equal(only.text, '');
  const html = await stage.exchange(request('POST', '/app.S/Html', { 'Content-Type': 'application/grpc-web' }, CALL));
  t.strictSame([html.status, value(html, 'content-type'), html.text], [502, 'text/html', '<p>'], 'no gRPC, no translation');
  const local = await stage.exchange(request('POST', '/none.S/M', { 'Content-Type': 'application/grpc-web' }, CALL));
  t.equal(value(local, 'grpc-status'), '12');
  t.equal(value(local, 'content-type'), 'application/grpc-web');
  const bad = await stage.exchange(request('POST', '/app.S/Bad', { 'Content-Type': 'application/grpc-web-text' }, 'no base 64!'));
  t.equal(value(bad, 'grpc-status'), '13');
  t.match(await stage.logLine('/app.S/Bad'), /grpc_base_64_decode_failed/);
}

async function untouched(t: Test, stage: Stage): Promise<void> {
  for (const type of ['application/grpc+proto', 'application/grpc-website', 'text/plain']) {
    await stage.exchange(request('POST', '/app.S/U', { 'Content-Type': type }, CALL));
    t.equal(value(stage.origin.seen('/app.S/U').at(-1)!, 'content-type'), type);
  }
}
