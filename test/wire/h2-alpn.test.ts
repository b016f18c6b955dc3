// Origins behind TLS: `http2` asks for it by ALPN, `auto` takes what the origin chooses.

import { createSecureServer } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';

import t, { type Test } from 'tap';

import { makeCertificate } from '../support/certificates.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

async function start(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const { cert, key } = makeCertificate();
const http2 = createSecureServer({ cert, key });
http2.on('stream', (stream, headers) => {
  stream.respond({ ':status': 200 });
  stream.end(`h2 ${headers[':path']} ${headers[':scheme']}`);
});
const http1 = createHttps({ cert, key }, (request, response) => response.end(`h1 ${request.url}`));
const addresses = { http2: await start(http2), http1: await start(http1) };

onEachEngine((stage) => {
  const cluster = (name: string, protocol: string, address: string): Record<string, unknown> => ({
    name, protocol, endpoints: [address], tls: { serverName: 'localhost', insecureSkipVerify: true },
  });
  const base = simpleConfig(stage, { http: {
    accessLog: [{ path: stage.logPath, format: '%REQ(:PATH)% %RESPONSE_CODE% %UPSTREAM_PROTOCOL%\n' }],
    routes: ['auto2', 'auto1', 'fixed', 'wrong'].map((name) => ({ match: { prefix: `/${name}` }, forward: { cluster: name } })),
  } });
  return { ...base, clusters: [
    cluster('auto2', 'auto', addresses.http2), cluster('auto1', 'auto', addresses.http1),
    cluster('fixed', 'http2', addresses.http2), cluster('wrong', 'http2', addresses.http1),
  ] };
}, {}, async (t, stage) => {
  await t.test('the origin chooses', (t) => chosen(t, stage));
  await t.test('an origin without HTTP/2', (t) => without(t, stage));
});

async function chosen(t: Test, stage: Stage): Promise<void> {
  const ask = async (path: string): Promise<string> => (await stage.get(path)).text;
  const many = (path: string): Promise<string[]> => Promise.all(Array.from({ length: 20 }, (_, i) => ask(`${path}?${i}`)));
  t.same(await many('/auto2'), Array.from({ length: 20 }, (_, i) => `h2 /auto2?${i} http`));
  t.same(await many('/auto1'), Array.from({ length: 20 }, (_, i) => `h1 /auto1?${i}`));
  t.equal(await ask('/fixed'), 'h2 /fixed http');
  t.equal(await stage.logLine('/auto2?0'), '/auto2?0 200 HTTP/2');
  t.equal(await stage.logLine('/auto1?0'), '/auto1?0 200 HTTP/1.1');
  t.equal(await stage.proxy.stat('cluster.auto2.upstream_cx_http1_total'), 0);
  t.equal(await stage.proxy.stat('cluster.auto1.upstream_cx_http2_total'), 0);
  t.ok((await stage.proxy.stat('cluster.auto2.upstream_cx_http2_total')) <= 2, 'one connection per worker');
}

async function without(t: Test, stage: Stage): Promise<void> {
  const answer = await stage.get('/wrong');
  t.ok(answer.status === 502 || answer.status === 503, `${answer.status}`);
  await stage.logLine('/wrong 50');
}
