// Impossible health checks and what is said about them.

import t from 'tap';

import { loadConfig } from '../../src/config/load.ts';
import type { ClusterConfig } from '../../src/config/cluster-snapshot.ts';
import { CHECK_TOOLS, put, refuses, rightDocument } from './refusals.ts';

const HTTP = { http: { path: '/healthz' } };

t.test('one check', (t) => {
  refuses(t, '/clusters/0/healthChecks', [
    ['', {}, 'wrong-type: must be a list, not an object'],
    ['', [{}], 'one-of /0: a health check needs one of http, tcp, grpc'],
    ['', [{ ...HTTP, tcp: {} }], 'one-of /0/tcp: a health check takes only one of http, tcp, grpc, but has http and tcp'],
    ['', [HTTP, HTTP], 'conflict /1: a cluster has one health check'],
    ['', [{ ...HTTP, interval: '0s' }], 'out-of-range /0/interval: must be longer than 0s'],
    ['', [{ ...HTTP, timeout: '0s' }], 'out-of-range /0/timeout: must be longer than 0s'],
    ['', [{ ...HTTP, noTrafficInterval: '0s' }], 'out-of-range /0/noTrafficInterval: must be longer than 0s'],
    ['', [{ ...HTTP, unhealthyEdgeInterval: '0s' }], 'out-of-range /0/unhealthyEdgeInterval: must be longer than 0s'],
    ['', [{ ...HTTP, healthyThreshold: 0 }], 'out-of-range /0/healthyThreshold: must be from 1 to 2147483647'],
    ['', [{ ...HTTP, unhealthyThreshold: 0 }], 'out-of-range /0/unhealthyThreshold: must be from 1 to 2147483647'],
    ['', [{ ...HTTP, jitterPercent: 101 }], 'out-of-range /0/jitterPercent: must be from 0 to 100'],
    ['', [{ ...HTTP, eventLog: '' }], 'bad-name /0/eventLog: "" must not be empty'],
  ]);
  t.end();
});

t.test('HTTP', (t) => {
  refuses(t, '/clusters/0/healthChecks', [
    ['', [{ http: {} }], 'missing-key /0/http: health check http needs the key "path"'],
    ['', [{ http: { path: 'healthz' } }], 'bad-path /0/http/path: "healthz" must start with /'],
    ['', [{ http: { path: '/', host: 'a b' } }], 'bad-authority /0/http/host: "a b" must be a host, or host:port, without scheme or path'],
    ['', [{ http: { path: '/', method: 'CONNECT' } }], 'wrong-value /0/http/method: "CONNECT" is not one of "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"'],
    ['', [{ http: { path: '/', expectedStatuses: [] } }], 'too-few /0/http/expectedStatuses: must have at least 1 entry'],
    ['', [{ http: { path: '/', expectedStatuses: ['299-200'] } }], 'bad-status-filter /0/http/expectedStatuses/0: "299-200" is an empty range'],
    ['', [{ http: { path: '/', expectedStatuses: ['99'] } }], 'bad-status-filter /0/http/expectedStatuses/0: "99" must be a status, a comparison or a range: "404", ">=500", "200-299"'],
    ['', [{ http: { path: '/', retriableStatuses: ['600'] } }], 'bad-status-filter /0/http/retriableStatuses/0: "600" must stay within 100 and 599'],
    ['', [{ http: { path: '/', headers: { host: 'x' } } }], 'bad-edited-header /0/http/headers/host: "host" cannot be edited: use "rewrite": { "host": … }'],
    ['', [{ http: { path: '/', headers: { a: '1', A: '2' } } }], 'duplicate-name /0/http/headers/A: the header "A" is given twice, in different case'],
  ]);
  t.end();
});

t.test('TCP and gRPC', (t) => {
  refuses(t, '/clusters/0/healthChecks', [
    ['', [{ tcp: { send: { hex: '0' }, expect: ['x'] } }], 'bad-hex /0/tcp/send/hex: "0" must be pairs of hexadecimal digits'],
    ['', [{ tcp: { send: 'PING' } }], 'conflict /0/tcp/send: has no effect without "expect": the check is over when the connection is up'],
    ['', [{ tcp: { expect: [''] } }], 'too-few /0/tcp/expect/0: is empty: every answer holds that'],
    ['', [{ grpc: {} }], 'conflict /0/grpc: gRPC needs HTTP/2: set the protocol of the cluster to "http2"'],
    ['', [{ grpc: { authority: 'a/b' } }], 'conflict /0/grpc: gRPC needs HTTP/2: set the protocol of the cluster to "http2"', 'bad-authority /0/grpc/authority: "a/b" must be a host, or host:port, without scheme or path'],
  ]);
  t.end();
});

/** What is said about this cluster. */
function wordsAbout(cluster: object): string[] {
  const result = loadConfig({ file: 'f', format: 'object', value: put(rightDocument(), '/clusters/0', cluster) }, {}, CHECK_TOOLS);
  return result.ok ? [] : result.errors.map(({ pointer, message }) => `${pointer} ${message}`).filter((text) => text.includes('healthChecks'));
}

t.test('checks that this cluster cannot have', (t) => {
  const app = { name: 'app', endpoints: ['127.0.0.1:1'] };
  t.same(wordsAbout({ ...app, healthChecks: [HTTP] }), []);
  t.same(wordsAbout({ name: 'app', type: 'originalDst', healthChecks: [HTTP] }), ['/clusters/0/healthChecks the endpoints of a cluster of the type originalDst are not known beforehand, and cannot be checked']);
  t.same(wordsAbout({ ...app, proxyProtocol: 'v1', healthChecks: [HTTP] }), ['/clusters/0/healthChecks/0 a health check has no caller to tell of: it cannot be used together with "proxyProtocol"']);
  t.same(wordsAbout({ ...app, protocol: 'http2', healthChecks: [{ grpc: {} }] }), []);
  t.match(wordsAbout({ ...app, protocol: 'auto', healthChecks: [{ grpc: {} }] }), [/gRPC needs HTTP\/2/]);
  t.same(wordsAbout({ ...app, protocol: 'auto', tls: {}, healthChecks: [{ grpc: {} }] }), []);
  t.match(wordsAbout({ ...app, protocol: 'http2', tls: {}, healthChecks: [{ tcp: {} }] }), [/answers to nothing else/]);
  t.same(wordsAbout({ ...app, name: 'my app', healthChecks: [HTTP] }), ['/clusters/0/healthChecks/0/http/host is needed: the name of the cluster, "my app", is not the name of a host']);
  t.same(wordsAbout({ ...app, name: 'my app', healthChecks: [{ http: { path: '/', host: 'app.example' } }] }), []);
  t.end();
});

t.test('defaults follow each other', (t) => {
  const healthChecks = [{ ...HTTP, interval: '7s', noTrafficInterval: '90s', unhealthyInterval: '3s' }];
  const result = loadConfig({ file: '/d/f', format: 'object', value: put(rightDocument(), '/clusters/0/healthChecks', healthChecks) }, {}, CHECK_TOOLS);
  const [check] = (result.ok ? result.snapshot.clusters[0] : ({} as ClusterConfig))!.healthChecks;
  t.match(check, {
    intervalMs: 7000, timeoutMs: 1000, healthyThreshold: 2, unhealthyThreshold: 3, noTrafficIntervalMs: 90_000, noTrafficHealthyIntervalMs: 90_000,
    unhealthyIntervalMs: 3000, unhealthyEdgeIntervalMs: 3000, healthyEdgeIntervalMs: 7000, reuseConnection: true, eventLog: '', jitterMs: 0,
    probe: { kind: 'http', authority: 'app', method: 'GET', expectedStatuses: [{ min: 200, max: 200 }], retriableStatuses: [] },
  });
  t.end();
});
