// Health checks over real sockets: each protocol, over TLS, to IPv6 and unix sockets; hosts that refuse, hang and close.

import { createServer as createHttp1, type RequestListener } from 'node:http';
import { createSecureServer, createServer as createHttp2, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Stream } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { createServer as createTcp, type AddressInfo, type Server } from 'node:net';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as grpc from '@grpc/grpc-js';
import t, { type Test } from 'tap';

import type { ClusterConfig, HealthCheckConfig } from '../../src/config/cluster-snapshot.ts';
import type { ClientTlsConfig } from '../../src/config/snapshot.ts';
import { HealthChecks } from '../../src/cluster/health-checks.ts';
import { systemTime } from '../../src/core/clock.ts';
import { Random } from '../../src/core/random.ts';
import { createLoop } from '../../src/io/engine.ts';
import { SHAPES } from '../../src/observe/shapes.ts';
import { UP_CX_TOTAL } from '../../src/observe/stat-names.ts';
import { HEALTH_AT, HEALTH_STATS } from '../../src/observe/upkeep-stats.ts';
import { HOST_DEGRADED, HOST_FAILED_ACTIVE } from '../../src/shared/host-table.ts';
import { SharedState } from '../../src/shared/registry.ts';
import { closedAddress } from '../support/tcp-peers.ts';
import { healthCheck, HTTP_PROBE } from '../support/health-scene.ts';
import { clusterConfig, snapshot } from '../support/snapshots.ts';
import { authority, serverPair } from '../support/tls-settings.ts';
import { waitFor } from '../support/deadline.ts';

t.setTimeout(60_000);

const HEALTHY = 0;
const GRPC = { kind: 'grpc', service: '', host: '', authority: 'app' } as const;
const TLS: ClientTlsConfig = { caFile: '', ca: authority.cert, serverName: 'a.test', subjectAltNames: [], certificate: null, insecureSkipVerify: false, hash: 'tls' };

/** Real sockets, real time. */
class Checker {
  readonly memory = new SharedState(SHAPES);
  readonly checks: HealthChecks;
  readonly events: string[] = [];
  stats!: number;
  row!: number;

  constructor(t: Test) {
    const { memory } = this;
    this.checks = new HealthChecks({
      loop: createLoop('node'), time: systemTime, random: new Random(), table: memory.hostTable, cells: memory.ownCells, cell: (index) => memory.cell(index),
      passed: () => undefined,
      log: (_, bytes) => this.events.push(Buffer.from(bytes).toString()),
    });
    t.teardown(() => this.checks.close());
  }

  /** The flags after the first check. */
  async first(cluster: ClusterConfig): Promise<number> {
    const next = snapshot({ clusters: [cluster] });
    const plan = this.memory.plan(next, 1);
    const places = plan.clusters['app']!;
    this.stats = places.stats;
    this.row = places.hosts[0]!.row;
    // There is traffic: the short interval counts.
    this.memory.ownCells[places.stats + UP_CX_TOTAL]!++;
    await this.checks.prepare(next, plan);
    this.memory.commit(1);
    this.checks.commit();
    return this.flags;
  }

  get flags(): number {
    return this.memory.hostTable.flags(this.row);
  }

  count(name: string): number {
    const slot = HEALTH_STATS.findIndex(([one]) => one === name);
    return this.memory.counter(this.stats, HEALTH_AT + slot);
  }

  reaches(flags: number): Promise<unknown> {
    return waitFor(`flags ${flags}`, () => this.flags === flags);
  }
}

async function listen(t: Test, server: Server, where: { port: 0; host: string } | { path: string } = { port: 0, host: '127.0.0.1' }): Promise<number> {
  server.listen(where);
  await once(server, 'listening');
  t.teardown(() => void server.close());
  return 'path' in where ? 0 : (server.address() as AddressInfo).port;
}

function app(port: number, check: Partial<HealthCheckConfig> = {}, part: Partial<ClusterConfig> = {}): ClusterConfig {
  return clusterConfig('app', [port], { healthChecks: [healthCheck({ intervalMs: 50, unhealthyIntervalMs: 50, unhealthyEdgeIntervalMs: 50, healthyEdgeIntervalMs: 50, ...check })], ...part });
}

t.test('HTTP/1.1: up, sick, up again, on one connection', async (t) => {
  let status = 200;
  const seen: string[] = [];
  const server = createHttp1((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.host} ${request.headers['user-agent']}`);
    response.writeHead(status, { 'x-envoy-degraded': '1' }).end('body');
  });
  let connections = 0;
  server.on('connection', () => connections++);
  const checker = new Checker(t);
  t.equal(await checker.first(app(await listen(t, server))), HOST_DEGRADED);
  status = 500;
  await checker.reaches(HOST_FAILED_ACTIVE | HOST_DEGRADED);
  status = 200;
  await checker.reaches(HOST_DEGRADED);
  t.equal(connections, 1);
  t.same([...new Set(seen)], ['GET /healthz app Nuncio/HC']);
  t.match(checker.events.map((line) => JSON.parse(line) as object), [
    { health_checker_type: 'HTTP', host: { socket_address: { protocol: 'TCP', address: '127.0.0.1' } }, cluster_name: 'app', add_healthy_event: { first_check: true }, timestamp: /^\d{4}-\d\d-\d\dT.*Z$/ },
    { degraded_healthy_host: {} },
    { eject_unhealthy_event: { failure_type: 'ACTIVE', http_status_code: 500 } },
    { add_healthy_event: { first_check: false } },
  ]);
});

t.test('a host that refuses, one that hangs, one that closes at once', async (t) => {
  const refusing = new Checker(t);
  t.equal(await refusing.first(app(Number((await closedAddress()).split(':')[1]))), HOST_FAILED_ACTIVE);
  t.equal(refusing.count('network_failure'), 1);
  const hanging = new Checker(t);
  t.equal(await hanging.first(app(await listen(t, createTcp((socket) => socket.on('error', () => undefined).resume())), { timeoutMs: 100 })), HOST_FAILED_ACTIVE);
  t.match(hanging.events[0], /"NETWORK_TIMEOUT"/);
  const closing = new Checker(t);
  t.equal(await closing.first(app(await listen(t, createTcp((socket) => socket.on('error', () => undefined).destroy())))), HOST_FAILED_ACTIVE);
  t.match(closing.events[0], /"NETWORK"/);
});

t.test('a host that dies goes down by the threshold and comes back on the same port', async (t) => {
  const serve: RequestListener = (_, response) => response.end();
  let server = createHttp1(serve);
  const port = await listen(t, server);
  const checker = new Checker(t);
  t.equal(await checker.first(app(port, { unhealthyThreshold: 2 })), HEALTHY);
  server.close();
  server.closeAllConnections();
  await checker.reaches(HOST_FAILED_ACTIVE);
  t.ok(checker.count('network_failure') >= 2);
  server = createHttp1(serve);
  server.listen(port, '127.0.0.1');
  t.teardown(() => void server.close());
  await checker.reaches(HEALTHY);
});

t.test('IPv6 and unix sockets', async (t) => {
  const serve: RequestListener = (_, response) => response.end();
  const checker = new Checker(t);
  const port = await listen(t, createHttp1(serve), { port: 0, host: '::1' });
  const six = { address: { kind: 'ip', host: '::1', port }, text: `[::1]:${port}`, hostname: '', weight: 1, priority: 0, zone: '', metadata: [] } as const;
  t.equal(await checker.first(app(0, {}, { endpoints: [six] })), HEALTHY);
  const directory = mkdtempSync(join(tmpdir(), 'nuncio-health-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'socket');
  await listen(t, createHttp1(serve), { path });
  const other = new Checker(t);
  t.equal(await other.first(app(0, {}, { endpoints: [{ address: { kind: 'unix', path }, text: `unix:${path}`, hostname: '', weight: 1, priority: 0, zone: '', metadata: [] }] })), HEALTHY);
  t.match(other.events[0], `"host":{"pipe":{"path":"${path}"}}`);
});

t.test('TLS: as the cluster speaks it', async (t) => {
  const names: (string | false)[] = [];
  const server = createHttps({ cert: serverPair.cert, key: serverPair.key, ca: authority.cert, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const { socket } = request as unknown as { socket: { servername: string | false; authorized: boolean } };
    names.push(socket.servername);
    response.writeHead(socket.authorized ? 200 : 403).end();
  });
  const port = await listen(t, server);
  const certificate = { certFile: '', cert: serverPair.cert, keyFile: '', secretKey: serverPair.key, serverNames: [] };
  t.equal(await new Checker(t).first(app(port, {}, { tls: { ...TLS, certificate } })), HEALTHY, 'with our certificate');
  t.equal(names[0], 'a.test');
  t.equal(await new Checker(t).first(app(port, {}, { tls: TLS })), HOST_FAILED_ACTIVE, 'without: 403');
  const stranger = new Checker(t);
  t.equal(await stranger.first(app(port, {}, { tls: { ...TLS, certificate, serverName: 'b.test' } })), HOST_FAILED_ACTIVE, 'a certificate that names another');
  t.equal(stranger.count('network_failure'), 1);
  const named = new Checker(t);
  t.equal(await named.first(app(port, { probe: { ...HTTP_PROBE, host: 'a.test:8443', authority: 'a.test:8443' } }, { tls: { ...TLS, certificate, serverName: '' } })), HEALTHY, 'the name of the check');
  t.equal(names.at(-1), 'a.test');
});

t.test('HTTP/2, plain and by ALPN', async (t) => {
  let status = 200;
  const seen: string[] = [];
  const serve = (request: Http2ServerRequest, response: Http2ServerResponse): void => {
    seen.push(`${request.httpVersion} ${request.method} ${request.authority} ${request.url} ${request.headers['user-agent']}`);
    response.writeHead(status).end('body');
  };
  const plain = createHttp2(serve);
  let sessions = 0;
  plain.on('session', () => sessions++);
  const checker = new Checker(t);
  t.equal(await checker.first(app(await listen(t, plain), {}, { protocol: 'http2' })), HEALTHY);
  status = 500;
  await checker.reaches(HOST_FAILED_ACTIVE);
  status = 200;
  await checker.reaches(HEALTHY);
  t.equal(sessions, 1);
  t.equal(seen[0], '2.0 GET app /healthz Nuncio/HC');
  checker.checks.close();
  seen.length = 0;
  const secure = createSecureServer({ cert: serverPair.cert, key: serverPair.key, allowHTTP1: true }, serve as never);
  const port = await listen(t, secure as unknown as Server);
  t.equal(await new Checker(t).first(app(port, {}, { tls: TLS, protocol: 'http2' })), HEALTHY);
  t.equal(await new Checker(t).first(app(port, {}, { tls: TLS, protocol: 'auto' })), HEALTHY);
  t.equal(await new Checker(t).first(app(port, {}, { tls: TLS, protocol: 'http1' })), HEALTHY);
  t.same([...new Set(seen.map((line) => line.slice(0, 3)))], ['2.0', '1.1'], 'what ALPN has chosen');
});

t.test('HTTP/2: GOAWAY, resets and a host that speaks something else', async (t) => {
  let act: (stream: ServerHttp2Stream) => void = (stream) => stream.respond({ ':status': 200 }, { endStream: true });
  const server = createHttp2();
  let sessions = 0;
  server.on('session', () => sessions++);
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => undefined);
    act(stream);
  });
  const checker = new Checker(t);
  t.equal(await checker.first(app(await listen(t, server), { unhealthyThreshold: 1000 }, { protocol: 'http2' })), HEALTHY);
  act = (stream) => {
    stream.session!.goaway(0, stream.id);
    stream.respond({ ':status': 200 }, { endStream: true });
  };
  await waitFor('another connection', () => sessions >= 3);
  t.equal(checker.count('failure'), 0, 'a host that leaves in peace has answered');
  act = (stream) => stream.close(2);
  await waitFor('a failure', () => checker.count('network_failure') > 0);
  act = (stream) => stream.respond({ ':status': 204 }, { endStream: true });
  await checker.reaches(HOST_FAILED_ACTIVE);
  const http1 = createHttp1((_, response) => response.end());
  const other = new Checker(t);
  t.equal(await other.first(app(await listen(t, http1), {}, { protocol: 'http2' })), HOST_FAILED_ACTIVE);
  t.equal(other.count('network_failure'), 1);
});

/** What grpc.health.v1 says of each service, by name. */
async function grpcServer(t: Test, statuses: Map<string, number>): Promise<number> {
  const server = new grpc.Server();
  const check: grpc.MethodDefinition<{ service: string }, number> = {
    path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false,
    requestSerialize: ({ service }) => Buffer.from(service), requestDeserialize: (bytes) => ({ service: bytes.subarray(2).toString() }),
    responseSerialize: (status) => Buffer.from([8, status]), responseDeserialize: (bytes) => bytes[1]!,
  };
  server.addService({ Check: check }, {
    Check: ({ request }: { request: { service: string } }, done: grpc.sendUnaryData<number>) => {
      const status = statuses.get(request.service);
      if (status === undefined) done({ code: grpc.status.NOT_FOUND, details: 'unknown service' });
      else done(null, status);
    },
  });
  t.teardown(() => server.forceShutdown());
  return new Promise((resolve, reject) => server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => (error === null ? resolve(port) : reject(error))));
}

t.test('gRPC: serving, not serving, a service that nobody knows', async (t) => {
  const statuses = new Map([['', 1], ['pkg.Service', 1]]);
  const port = await grpcServer(t, statuses);
  const http2 = { protocol: 'http2' } as const;
  const checker = new Checker(t);
  t.equal(await checker.first(app(port, { probe: { ...GRPC, service: 'pkg.Service' } }, http2)), HEALTHY);
  statuses.set('pkg.Service', 2);
  await checker.reaches(HOST_FAILED_ACTIVE);
  t.equal(checker.count('failure') - checker.count('network_failure'), checker.count('failure'), 'it has answered');
  t.match(checker.events.at(-1), /"health_checker_type":"GRPC".*"failure_type":"ACTIVE"/);
  statuses.set('pkg.Service', 1);
  await checker.reaches(HEALTHY);
  statuses.delete('pkg.Service');
  await checker.reaches(HOST_FAILED_ACTIVE);
  t.equal(await new Checker(t).first(app(port, { probe: { ...GRPC, service: 'unknown' } }, http2)), HOST_FAILED_ACTIVE);
  t.equal(await new Checker(t).first(app(port, { probe: GRPC }, http2)), HEALTHY, 'the host as a whole');
});

t.test('gRPC: answers that are none', async (t) => {
  const frame = (...bytes: number[]): Buffer => Buffer.from([0, 0, 0, 0, bytes.length, ...bytes]);
  let answer: (stream: ServerHttp2Stream) => void = () => undefined;
  const end = (body: Buffer, status = '0', head = {}) => (stream: ServerHttp2Stream): void => {
    stream.respond({ 'content-type': 'application/grpc', ...head }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
    stream.end(body);
  };
  const server = createHttp2();
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => undefined);
    answer(stream);
  });
  const port = await listen(t, server);
  const cases: [string, (stream: ServerHttp2Stream) => void, number][] = [
    ['SERVING', end(frame(8, 1)), HEALTHY],
    ['SERVING behind fields that we do not know', end(frame(18, 1, 65, 29, 0, 0, 0, 0, 8, 1)), HEALTHY],
    ['an empty message is UNKNOWN', end(frame()), HOST_FAILED_ACTIVE],
    ['SERVICE_UNKNOWN', end(frame(8, 3)), HOST_FAILED_ACTIVE],
    ['a status that is not OK', end(frame(8, 1), '14'), HOST_FAILED_ACTIVE],
    ['no message', end(Buffer.alloc(0)), HOST_FAILED_ACTIVE],
    ['two messages', end(Buffer.concat([frame(8, 1), frame(8, 1)])), HOST_FAILED_ACTIVE],
    ['half a message', end(frame(8, 1).subarray(0, 6)), HOST_FAILED_ACTIVE],
    ['a field that ends beyond the message', end(frame(18, 9, 8, 1)), HOST_FAILED_ACTIVE],
    ['no gRPC', end(frame(8, 1), '0', { 'content-type': 'text/plain' }), HOST_FAILED_ACTIVE],
    ['no 200', end(frame(8, 1), '0', { ':status': 503 }), HOST_FAILED_ACTIVE],
    ['no trailers', (stream) => {
      stream.respond({ 'content-type': 'application/grpc' });
      stream.end(frame(8, 1));
    }, HOST_FAILED_ACTIVE],
    ['trailers alone', (stream) => stream.respond({ 'content-type': 'application/grpc', 'grpc-status': '0' }, { endStream: true }), HOST_FAILED_ACTIVE],
  ];
  for (const [name, how, flags] of cases) {
    answer = how;
    const checker = new Checker(t);
    t.equal(await checker.first(app(port, { probe: GRPC }, { protocol: 'http2' })), flags, name);
    t.equal(checker.count('network_failure'), 0, `${name}: answered`);
    checker.checks.close();
  }
});

t.test('TCP: send and expect', async (t) => {
  let reply = '+PONG\r\n';
  const heard: string[] = [];
  const server = createTcp((socket) => socket.on('error', () => undefined).on('data', (bytes) => {
    heard.push(bytes.toString('latin1'));
    socket.write(reply);
  }));
  const text = (value: string): string => Buffer.from(value).toString('hex');
  const probe = { kind: 'tcp', sendHex: text('PING\r\n'), expectHex: [text('PO'), text('\r\n')] } as const;
  const checker = new Checker(t);
  t.equal(await checker.first(app(await listen(t, server), { probe, timeoutMs: 100, unhealthyThreshold: 2 })), HEALTHY);
  reply = '-ERR\r\n';
  await checker.reaches(HOST_FAILED_ACTIVE);
  t.equal(checker.count('network_failure'), 2, 'the right answer did not come in time');
  reply = '+PONG\r\n';
  await checker.reaches(HEALTHY);
  t.same([...new Set(heard)], ['PING\r\n']);
});
