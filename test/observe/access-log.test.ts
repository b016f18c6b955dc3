import t from 'tap';
import { ENVOY_DEFAULT_LOG } from '../../src/config/snapshot.ts';
import { FLAG_DC, FLAG_DPE, FLAG_NC, FLAG_NR, FLAG_UF, FLAG_URX, FLAG_UT } from '../../src/core/flags.ts';
import { checkFormat, compileAccessLog, compileFormat, type Environment } from '../../src/observe/access-log.ts';
import { answered, fill, type LogStream, refused, repliedLocally } from './log-stream.ts';

const environment: Environment = { hostname: 'vm', variables: { FOO: 'bar', EMPTY: '', HIGH: 'é' } };

function line(format: string, stream: LogStream): string {
  return compileAccessLog({ path: '/x', format, json: null, filter: null }, environment).format(stream);
}

function json(form: Record<string, unknown>, stream: LogStream): string {
  return compileAccessLog({ path: '/x', format: null, json: form, filter: null }, environment).format(stream);
}

// The right side was written by Envoy 1.40 for the same requests.
t.test('the default format, byte for byte as Envoy writes it', async (t) => {
  const at = (wall: string, part: Partial<LogStream> = {}): Partial<LogStream> => ({ startWall: Date.parse(wall) + 0.9, ...part });
  const id = (stream: LogStream, requestId: string): LogStream => {
    stream.reqHead.set('x-request-id', requestId);
    return stream;
  };
  const time = (stream: LogStream, ms: string): LogStream => {
    stream.resHead.set('x-envoy-upstream-service-time', ms);
    return stream;
  };
  const cases: [LogStream, string][] = [
    [answered(), '[2026-11-23T18:22:15.027Z] "GET /a/one?a=1 HTTP/1.1" 200 - 0 11 11 10 "192.0.2.2" "curl/7.88.1" "ce9732ba-ad56-4151-b090-1db00bcf96d1" "127.0.0.1:19000" "127.0.0.1:19100"'],
    [
      id(repliedLocally(at('2026-11-23T18:22:15.059Z', { path: '/', status: 404, flags: FLAG_NR })), '76bc215c-99f7-48d2-95bd-865a20e1cc49'),
      '[2026-11-23T18:22:15.059Z] "GET / HTTP/1.1" 404 NR 0 0 0 - "192.0.2.2" "curl/7.88.1" "76bc215c-99f7-48d2-95bd-865a20e1cc49" "127.0.0.1:19000" "-"',
    ],
    [
      refused(at('2026-11-23T18:22:15.169Z', { status: 400, flags: FLAG_DPE, bytesSent: 11 })),
      '[2026-11-23T18:22:15.169Z] "- - HTTP/1.1" 400 DPE 0 11 0 - "-" "-" "-" "-" "-"',
    ],
    [
      id(repliedLocally(at('2026-11-23T18:22:15.316Z', { path: '/refuse', status: 503, flags: FLAG_UF, bytesSent: 98, endAt: 5001.933, upstreamHost: '127.0.0.1:1' })), '2266a40d-242a-4e17-bfdd-6a8e4ca672a8'),
      '[2026-11-23T18:22:15.316Z] "GET /refuse HTTP/1.1" 503 UF 0 98 1 - "192.0.2.2" "curl/7.88.1" "2266a40d-242a-4e17-bfdd-6a8e4ca672a8" "127.0.0.1:19000" "127.0.0.1:1"',
    ],
    [
      id(repliedLocally(at('2026-11-23T18:22:15.343Z', { path: '/nc', status: 503, flags: FLAG_NC })), '4d38bb58-7e2f-41a8-9185-2f27dca7c292'),
      '[2026-11-23T18:22:15.343Z] "GET /nc HTTP/1.1" 503 NC 0 0 0 - "192.0.2.2" "curl/7.88.1" "4d38bb58-7e2f-41a8-9185-2f27dca7c292" "127.0.0.1:19000" "-"',
    ],
    [
      id(repliedLocally(at('2026-11-23T18:22:15.380Z', { path: '/hang', status: 504, flags: FLAG_UT, bytesSent: 24, endAt: 5299.999, upstreamHost: '127.0.0.1:19100' })), '0c295cfd-894a-4cd6-8803-18eb4c8f4733'),
      '[2026-11-23T18:22:15.380Z] "GET /hang HTTP/1.1" 504 UT 0 24 299 - "192.0.2.2" "curl/7.88.1" "0c295cfd-894a-4cd6-8803-18eb4c8f4733" "127.0.0.1:19000" "127.0.0.1:19100"',
    ],
    [
      id(time(answered(at('2026-11-23T18:22:15.754Z', { method: 'POST', path: '/a?delay=20', bytesReceived: 5, endAt: 5023.275 })), '22'), '69433bc0-9819-4f7a-b59c-6376a098bfcb'),
      '[2026-11-23T18:22:15.754Z] "POST /a?delay=20 HTTP/1.1" 200 - 5 11 23 22 "192.0.2.2" "curl/7.88.1" "69433bc0-9819-4f7a-b59c-6376a098bfcb" "127.0.0.1:19000" "127.0.0.1:19100"',
    ],
    [
      id(repliedLocally(at('2026-11-23T18:22:17.880Z', { path: '/a?delay=2000', status: 0, flags: FLAG_DC, endAt: 5192.2, upstreamHost: '127.0.0.1:19100' })), '37b81079-0014-4e35-bb2d-0eb2c2effa3e'),
      '[2026-11-23T18:22:17.880Z] "GET /a?delay=2000 HTTP/1.1" 0 DC 0 0 192 - "192.0.2.2" "curl/7.88.1" "37b81079-0014-4e35-bb2d-0eb2c2effa3e" "127.0.0.1:19000" "127.0.0.1:19100"',
    ],
  ];
  for (const [stream, expected] of cases) t.equal(line(ENVOY_DEFAULT_LOG, stream), `${expected}\n`);
});

t.test('the default format: the original path, all of x-forwarded-for, empty and odd values', async (t) => {
  const rewritten = answered({ path: '/zz?q=1' });
  rewritten.reqHead.add('x-envoy-original-path', '/rw/zz?q=1');
  t.match(line(ENVOY_DEFAULT_LOG, rewritten), '"GET /rw/zz?q=1 HTTP/1.1" 200');

  const chain = answered({}, [['X-Forwarded-For', '1.2.3.4, 5.6.7.8']]);
  chain.reqHead.set('x-forwarded-for', '1.2.3.4, 5.6.7.8,192.0.2.2');
  t.match(line(ENVOY_DEFAULT_LOG, chain), ' "1.2.3.4, 5.6.7.8,192.0.2.2" ');

  const empty = answered();
  fill(empty.reqHead, [['User-Agent', '']]);
  t.match(line(ENVOY_DEFAULT_LOG, empty), ' 11 10 "-" "" "-" ', 'empty is not missing');

  const odd = answered();
  fill(odd.reqHead, [['User-Agent', 'q"uo\\te \xc3\xa9 \xe9']]);
  t.match(line(ENVOY_DEFAULT_LOG, odd), ' "q"uo\\te \xc3\xa9 \xe9" ', 'bytes as they came');
});

// The right side was written by Envoy 1.40.
t.test('operators of an answered request', async (t) => {
  const stream = answered();
  const cases: [string, string][] = [
    ['%START_TIME%', '2026-11-23T18:22:15.027Z'],
    ['%START_TIME(%s)%', '1795458135'],
    ['%START_TIME(%s.%3f)%', '1795458135.027'],
    ['%START_TIME(%f|%1f|%3f|%6f|%9f)%', '027311000|0|027|027311|027311000'],
    ['%START_TIME(%Y/%m/%dT%H:%M:%S%z %e %j %a %A %b %B %y %Z %T %D %F %R %I %p %% %u %w %C %t.)%', '2026/11/23T18:22:15+0000 23 327 Mon Monday Nov November 26 UTC 18:22:15 11/23/26 2026-11-23 18:22 06 PM % 1 1 20 \t.'],
    ['%EMIT_TIME%', '2026-11-23T18:22:15.038Z'],
    ['%HOSTNAME% %ENVIRONMENT(FOO)% %ENVIRONMENT(NOPE)% %ENVIRONMENT(FOO):2%', 'vm bar - ba'],
    ['%RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%', 'via_upstream - -'],
    ['%DURATION% %REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%', '11 0 10 0'],
    ['%UPSTREAM_HOST% %UPSTREAM_HOST_NAME% %UPSTREAM_HOST_NAME_WITHOUT_PORT%', '127.0.0.1:19100 127.0.0.1:19100 127.0.0.1'],
    ['%UPSTREAM_CLUSTER% %UPSTREAM_CLUSTER_RAW% %ROUTE_NAME%', 'app app -'],
    ['%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_PORT%', '127.0.0.1:43442 127.0.0.1 43442'],
    ['%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%', '127.0.0.1:43442 127.0.0.1'],
    ['%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_PORT%', '127.0.0.1:19000 127.0.0.1 19000'],
    ['%UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_LOCAL_PORT% %UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_REMOTE_PORT%', '127.0.0.1:37358 37358 127.0.0.1:19100 19100'],
    ['%CONNECTION_ID% %UPSTREAM_CONNECTION_ID% %STREAM_ID% %UPSTREAM_REQUEST_ATTEMPT_COUNT%', '1 2 ce9732ba-ad56-4151-b090-1db00bcf96d1 1'],
    ['%REQ(USER-AGENT):5% %REQ(nope):5% %RESP(Content-Type)% %RESP(:STATUS)% %TRAILER(x-t)%', 'curl/ - text/plain 200 -'],
    ['%PROTOCOL% %UPSTREAM_PROTOCOL% %REQ(:SCHEME)% %REQ(:METHOD)% %REQ(:AUTHORITY)%', 'HTTP/1.1 HTTP/1.1 http GET 127.0.0.1:19000'],
    ['%REQ(:PATH)% %PATH(NQ)% %PATH(WQ:ORIG)% %QUERY_PARAM(a)% %QUERY_PARAM(b)%', '/a/one?a=1 /a/one - 1 -'],
    ['%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)%', '/a/one'],
    ['%REQUEST_HEADER(host)% 100%%', '127.0.0.1:19000 100%'],
  ];
  for (const [format, expected] of cases) t.equal(line(format, stream), expected, format);
});

// The right side was written by Envoy 1.40.
t.test('operators where there is nothing to show', async (t) => {
  const stream = repliedLocally({ status: 503, details: 'upstream_reset_before_response_started{connection refused}', flags: FLAG_UF | FLAG_URX, upstreamHost: '127.0.0.1:1', clusterName: 'dead', routeName: 'refuse' });
  const cases: [string, string][] = [
    ['%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%', 'UF,URX UpstreamConnectionFailure,UpstreamRetryLimitExceeded'],
    ['%RESPONSE_CODE_DETAILS%', 'upstream_reset_before_response_started{connection_refused}'],
    ['%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%', 'upstream_reset_before_response_started{connection refused}'],
    ['%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_REMOTE_PORT% %UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_LOCAL_PORT%', '127.0.0.1:1 - - - -'],
    ['%UPSTREAM_CONNECTION_ID% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %ROUTE_NAME% %UPSTREAM_PROTOCOL%', '0 0 refuse -'],
    ['%RESPONSE_DURATION% %RESPONSE_TX_DURATION% %REQUEST_DURATION%', '- - 0'],
  ];
  for (const [format, expected] of cases) t.equal(line(format, stream), expected, format);
  t.equal(line('%REQ(:METHOD)% %REQ(:SCHEME)% %REQ(A?B)% %STREAM_ID% %REQUEST_DURATION% %PATH%', refused()), '- - - - - -');
  t.equal(line('%PROTOCOL% %DURATION%', answered({ down: null, endAt: 0 })), '- -');
});

t.test('headers: the first that is sent on, dropped ones not, added ones in any case', async (t) => {
  const stream = answered({}, [['X-Dup', 'a'], ['X-Dup', 'b'], ['X-Gone', 'g'], ['Expect', 'one'], ['Expect', 'two']]);
  stream.reqHead.remove('x-gone');
  stream.reqHead.dropped[stream.reqHead.find('expect')] = 1;
  stream.reqHead.add('X-Added', 'yes');
  t.equal(line('%REQ(X-DUP)% %REQ(x-gone)% %REQ(X-GONE?x-added)% %REQ(expect)%', stream), 'a - yes two');
  stream.resTrailers = answered().resHead;
  t.equal(line('%TRAILER(Content-Type)%', stream), 'text/plain');
});

t.test('addresses: IPv6, unix sockets, and a caller out of x-forwarded-for', async (t) => {
  const six = answered({ remoteAddress: '::1', trustedAddress: '::1', upstreamHost: '[2001:db8::1]:80', localAddress: '::1' });
  t.equal(line('%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%', six), '[::1]:43442 ::1 2001:db8::1 80');
  const unix = answered({ remoteAddress: '', trustedAddress: '', localAddress: '/run/a.sock', localPort: 0, upstreamHost: '@abstract' });
  t.equal(line('%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_PORT% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_PORT% %UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_REMOTE_PORT%', unix), '- - /run/a.sock - @abstract -');
  const named = answered({ upstreamHostname: 'app.test' }); // the right side by Envoy, of a STRICT_DNS cluster
  t.equal(line('%UPSTREAM_HOST% %UPSTREAM_HOST_NAME% %UPSTREAM_HOST_NAME_WITHOUT_PORT%', named), '127.0.0.1:19100 app.test app.test');
  const far = answered({ trustedAddress: '203.0.113.9' });
  t.equal(line('%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_PORT% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS%', far), '203.0.113.9:0 0 127.0.0.1:43442');
});

// The right side was written by Envoy 1.40, which sorts the keys.
t.test('JSON: numbers are numbers, what is missing is null, and mixed text is text', async (t) => {
  const form = {
    att: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%', code: '%RESPONSE_CODE%', dur: '%DURATION%', empty: '', en: '%ENVIRONMENT(NOPE)%', ep: '%START_TIME(%s)%',
    flags: '%RESPONSE_FLAGS%', lit: 'x', miss: '%REQ(X-NOPE)%', missmix: 'a-%REQ(X-NOPE)%-b', mixed: 'c=%RESPONSE_CODE%',
    nested: { b: '%BYTES_SENT%', list: ['%PROTOCOL%', 1] }, nul: null, num: 5, port: '%DOWNSTREAM_REMOTE_PORT%', rn: '%ROUTE_NAME%',
    trunc: '%REQ(USER-AGENT):5%', two: '%RESPONSE_CODE%%RESPONSE_FLAGS%', ucid: '%UPSTREAM_CONNECTION_ID%', yes: true,
  };
  t.equal(
    json(form, answered()),
    '{"att":1,"code":200,"dur":11,"empty":"","en":"-","ep":"1795458135","flags":"-","lit":"x","miss":null,"missmix":"a---b","mixed":"c=200",' +
      '"nested":{"b":11,"list":["HTTP/1.1",1]},"nul":null,"num":5,"port":43442,"rn":null,"trunc":"curl/","two":"200-","ucid":2,"yes":true}\n',
  );
  t.equal(
    json({ rsd: '%RESPONSE_DURATION%', up: '%UPSTREAM_HOST%', uport: '%UPSTREAM_REMOTE_PORT%', flags: '%RESPONSE_FLAGS%' }, repliedLocally({ flags: FLAG_NR })),
    '{"rsd":null,"up":null,"uport":null,"flags":"NR"}\n',
  );
});

t.test('JSON: every byte is escaped so that the line stays one JSON value', async (t) => {
  const stream = answered();
  const agent = (bytes: string): string => {
    fill(stream.reqHead, [['User-Agent', bytes]]);
    return json({ ua: '%REQ(USER-AGENT)%', m: 'x%REQ(USER-AGENT)%' }, stream);
  };
  t.equal(agent('q"uo\\te/\t\x01\x7f'), '{"ua":"q\\"uo\\\\te/\\t\\u0001\x7f","m":"xq\\"uo\\\\te/\\t\\u0001\x7f"}\n');
  t.equal(agent('caf\xc3\xa9'), '{"ua":"caf\xc3\xa9","m":"xcaf\xc3\xa9"}\n', 'UTF-8 stays');
  t.equal(agent('caf\xc3\xa9 \xe9'), '{"ua":"caf\\u00c3\\u00a9 \\u00e9","m":"xcaf\\u00c3\\u00a9 \\u00e9"}\n', 'what is not UTF-8 is written byte by byte, as Envoy does');
  for (const bad of ['\xc0\xaf', '\xed\xa0\x80', '\xf4\x90\x80\x80', '\xe2\x82', '\xff', '\xf0\x8f\xbf\xbf', '\xe0\x9f\xbf']) t.match(agent(bad), '\\u00', JSON.stringify(bad));
  for (const good of ['\xe2\x82\xac', '\xf0\x9f\x98\x80', '\xef\xbf\xbd', '\xf4\x8f\xbf\xbf']) t.notMatch(agent(good), '\\u00', JSON.stringify(good));
  for (let c = 0; c < 256; c++) {
    if (c === 10 || c === 13 || c === 0) continue;
    const parsed = JSON.parse(agent(String.fromCharCode(c))) as { ua: string };
    if (parsed.ua !== String.fromCharCode(c)) t.fail(`byte ${c}`);
  }
  t.equal(json({ 'a"k': 'lit"\u0001é' }, stream), '{"a\\"k":"lit\\"\\u0001\xc3\xa9"}\n');
});

t.test('literals and names of the configuration leave as UTF-8', async (t) => {
  t.equal(line('é %ROUTE_NAME% %ENVIRONMENT(HIGH)%', answered({ routeName: 'grün' })), '\xc3\xa9 gr\xc3\xbcn \xc3\xa9');
});

t.test('filters, and what a format needs to be kept', async (t) => {
  const log = (format: string, min: number, max: number) => compileAccessLog({ path: '/x', format, json: null, filter: { status: { min, max } } }, environment);
  const errors = log('%RESPONSE_CODE%', 500, 599);
  t.same([200, 499, 500, 599, 600].map((status) => errors.wants(answered({ status }))), [false, false, true, true, false]);
  t.ok(compileAccessLog({ path: '/x', format: '', json: null, filter: { status: null } }, environment).wants(answered()));
  const needs = (format: string): boolean[] => [log(format, 0, 999).needsRequestHead, log(format, 0, 999).needsResponseHead];
  t.same(needs('%RESPONSE_CODE% %START_TIME% %UPSTREAM_HOST%'), [false, false]);
  t.same(needs('%REQ(a)%'), [true, false]);
  t.same(needs('%STREAM_ID%'), [true, false]);
  t.same(needs('%PATH(NQ)%'), [true, false]);
  t.same(needs('%RESP(a)%'), [false, true]);
  t.same(needs(ENVOY_DEFAULT_LOG), [true, true]);
});

t.test('header values: what is missing is nothing; what is known at load is constant', async (t) => {
  const stream = answered();
  const format = (text: string): string => compileFormat(text, environment).format(stream);
  t.equal(format('h=%DOWNSTREAM_REMOTE_ADDRESS%; m=%REQ(X-NOPE)%; p=%PROTOCOL% pct=%%'), 'h=127.0.0.1:43442; m=; p=HTTP/1.1 pct=%');
  t.equal(format('%REQ(X-NOPE)%'), '');
  t.equal(compileFormat('plain 100%%', environment).constant, 'plain 100%');
  t.equal(compileFormat('%HOSTNAME%/%ENVIRONMENT(FOO)%', environment).constant, 'vm/bar');
  t.equal(compileFormat('%REQ(a)%', environment).constant, null);
  t.equal(compileFormat('é', environment).constant, '\xc3\xa9');
  for (const evil of ['a\r\nset-cookie: x', 'a\nb', 'a\0']) {
    t.throws(() => compileFormat('%ENVIRONMENT(E)% %PROTOCOL%', { hostname: 'vm', variables: { E: evil } }), /cannot hold a line break/);
  }
});

t.test('what is wrong with a format', async (t) => {
  const wrong: [string, RegExp][] = [
    ['%', /"%" at position 0 is not an operator/],
    ['a%', /"%" at position 1/],
    ['x % y', /"% y" at position 2/],
    ['%REQ(A', /"%REQ\(A" at position 0/],
    ['%REQ(A)', /at position 0/],
    ['%REQ(A)x%', /at position 0/],
    ['%REQ(A):%', /at position 0/],
    ['%REQ(A):x%', /at position 0/],
    ['%UPSTREAM_HOST%%', /"%" at position 15/],
    ['%start_time%', /at position 0/],
    ['%FOO%', /there is no operator FOO/],
    ['%CONSTRUCTOR%', /there is no operator CONSTRUCTOR/],
    ['%REQ%', /REQ requires parameters/],
    ['%REQ()%', /REQ requires parameters/],
    ['%REQ(?)%', /REQ requires parameters/],
    ['%REQ(A?B?C)%', /More than 1 alternative header specified in token: A\?B\?C/],
    ['%REQ(a b)%', /"a b" is not a header name/],
    ['%REQ(:STATUS)%', /":status" is not a header name/],
    ['%DURATION(x)%', /DURATION does not take any parameters or length/],
    ['%DURATION:3%', /DURATION does not take any parameters or length/],
    ['%ENVIRONMENT%', /ENVIRONMENT requires parameters/],
    ['%QUERY_PARAM%', /QUERY_PARAM requires parameters/],
    ['%PATH(XX)%', /PATH takes/],
    ['%START_TIME(%Q)%', /the time format "%Q" has no conversion %Q/],
    ['%START_TIME(%)%', /the time format "%" has no conversion %/],
    ['%START_TIME(a\nb)%', /cannot hold a line break/],
    ['%GRPC_STATUS(UPPER)%', /GRPC_STATUS takes CAMEL_STRING, SNAKE_STRING, NUMBER or nothing/],
    ['%DOWNSTREAM_TLS_SESSION_ID%', /the operator DOWNSTREAM_TLS_SESSION_ID does not work yet/],
  ];
  for (const [format, message] of wrong) {
    t.match(checkFormat(format), message, format);
    t.match(checkFormat({ deep: [{ x: format }] }), message, `in JSON: ${format}`);
  }
  for (const format of ['', '%%', '%REQ(A):0%', '%REQ(?A)%', '%REQ(A?)%', '%REQ(A):99999999999%', '%START_TIME()%', '%START_TIME(%%)%', '%ENVIRONMENT(UNSET)%', ENVOY_DEFAULT_LOG]) {
    t.equal(checkFormat(format), null, format);
  }
});
