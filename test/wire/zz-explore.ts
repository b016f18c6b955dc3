import { echoHead } from '../support/origin.ts';
import { RawClient, request } from '../support/raw-client.ts';
import { onEachEngine, type Stage } from '../support/stage.ts';
import { sleep } from '../support/deadline.ts';
const LOG = '%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% rx=%BYTES_RECEIVED% tx=%BYTES_SENT% %UPSTREAM_HOST% ra=%DOWNSTREAM_REMOTE_ADDRESS%\n';
onEachEngine((s: Stage) => ({
  listeners: [false, true].map((old) => ({ name: old ? 'old' : 'main', address: '127.0.0.1:0', http: { acceptHttp10: old, accessLog: [{ path: s.logPath, format: LOG }],
    routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }] } })),
  clusters: [{ name: 'app', endpoints: [s.origin.address] }],
}), { origin: { script: echoHead } }, async (t, s) => {
  const show = async (label: string, bytes: string, listener = 'main') => {
    const c = await RawClient.connect(s.proxy.listener(listener));
    c.write(bytes);
    await sleep(120);
    console.log('#', label, JSON.stringify(c.reader.peek().toString('latin1')), c.reader.ending);
    c.destroy();
  };
  await show('plain', request('GET', '/x'));
  await show('close', request('GET', '/x', { connection: 'close' }));
  await show('absolute', request('GET', 'http://other.example/x?y', { host: 'one' }));
  await show('absolute nopath', request('GET', 'http://other.example', { host: 'one' }));
  await show('absolute ?', request('GET', 'http://other.example?a=b', { host: 'one' }));
  await show('absolute https', request('GET', 'https://other.example/x', { host: 'one' }));
  await show('options *', request('OPTIONS', '*', { host: 'one' }));
  await show('get *', request('GET', '*', { host: 'one' }));
  await show('1.0', 'GET /x HTTP/1.0\r\nHost: a\r\n\r\n');
  await show('1.0 nohost', 'GET /x HTTP/1.0\r\n\r\n');
  await show('1.0 ok', 'GET /x HTTP/1.0\r\nHost: a\r\n\r\n', 'old');
  await show('1.0 ok nohost', 'GET /x HTTP/1.0\r\n\r\n', 'old');
  await show('1.0 ok keepalive', 'GET /x HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n', 'old');
  s.origin.on('/chunky', async (e) => { await e.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'); });
  await show('1.0 chunked', 'GET /chunky HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n', 'old');
  await show('1.1 nohost', 'GET /x HTTP/1.1\r\n\r\n');
  await show('empty host', 'GET /x HTTP/1.1\r\nHost: \r\n\r\n');
  await show('connect', 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n');
  await show('hop', request('GET', '/x', { Connection: 'close, X-Named, x-other', 'X-Named': '1', 'X-Other': 2 as never, 'Keep-Alive': 'timeout=5', 'Proxy-Connection': 'keep-alive', TE: 'trailers, deflate', Upgrade: 'h2c', 'HTTP2-Settings': 'abc', 'Proxy-Authorization': 'x', Trailer: 'y' }));
  await show('te gzip', request('GET', '/x', { TE: 'gzip;q=1.0' }));
  await show('te trailers', request('GET', '/x', { TE: 'trailers', Connection: 'TE' }));
  await show('upgrade ws', request('GET', '/x', { Connection: 'Upgrade', Upgrade: 'websocket' }));
  await show('expect', request('POST', '/x', { Expect: '100-continue', 'Content-Length': '3' }));
  await show('expect other', request('POST', '/x', { Expect: 'foo', 'Content-Length': '0' }));
  await show('conn host', request('GET', '/x', { Connection: 'host' }));
  await show('high', request('GET', '/x\xe9', { 'X-High': 'caf\xe9' }));
  await show('fragment', request('GET', '/x#frag', {}));
  await show('norm', request('GET', '/a/./b/../c//d/%2e%2e/e%2Ff%41', {}));
  await show('xff', request('GET', '/x', { 'X-Forwarded-For': '1.2.3.4', 'x-forwarded-proto': 'https', 'x-request-id': 'abc', 'x-envoy-retry-on': '5xx', 'x-envoy-internal': 'true', 'x-envoy-foo': 'bar', 'x-forwarded-host': 'h', 'x-forwarded-port': '1', 'x-forwarded-client-cert': 'z', 'x-envoy-original-path':'/zz', 'x-envoy-upstream-service-time': '4', 'x-envoy-attempt-count':'3', 'x-envoy-original-dst-host': '1.2.3.4:5', 'x-envoy-expected-rq-timeout-ms': '7', 'x-envoy-upstream-rq-timeout-ms': '1234' }));
  s.origin.on('/early', async (e) => { await e.send('HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 150 Foo\r\n\r\nHTTP/1.1 200 OK\r\nDate: Tue, 01 Jan 2019 00:00:00 GMT\r\nServer: mine\r\nX-Envoy-Upstream-Service-Time: 99\r\nConnection: X-Gone, keep-alive\r\nX-Gone: 1\r\nKeep-Alive: a\r\nProxy-Connection: b\r\nUpgrade: c\r\nContent-Length: 0\r\n\r\n'); });
  await show('1xx', request('GET', '/early'));
  s.origin.on('/upclose', async (e) => { await e.send('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'); e.finish(); });
  await show('upstream close', request('GET', '/upclose'));
  await show('pipelined', request('GET', '/1') + request('GET', '/2'));
  await sleep(300);
  console.log(s.logLines().map((l) => `# ${l}`).join('\n'));
});
