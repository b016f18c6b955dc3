// Requests and what the parser must say to them. `←` stands behind the byte at which the answer is due.
// A text as answer is an error's name; an object lists what must be found in the Head.

export interface Expected {
  readonly method?: string;
  readonly target?: string;
  readonly authority?: string;
  readonly minor?: number;
  readonly status?: number;
  readonly reason?: string;
  /** `name: value` lines, as received. */
  readonly fields?: readonly string[];
  /** Names of the fields that are not passed on. */
  readonly dropped?: readonly string[];
  readonly contentLength?: number;
  readonly chunked?: boolean;
  readonly close?: boolean;
  readonly keepAlive?: boolean;
  readonly expectContinue?: boolean;
  /** What follows the head. */
  readonly rest?: string;
}

export type Vector = readonly [title: string, text: string, answer: string | Expected];

const get = (fields: string): string => `GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
const post = (fields: string): string => `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;

const LINE: readonly Vector[] = [
  ['the smallest request', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n←', { method: 'GET', target: '/', minor: 1, fields: ['Host: a'], dropped: [], contentLength: -1, chunked: false, close: false, rest: '' }],
  ['bytes behind the head are left alone', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n←GET /\0', { rest: 'GET /\0' }],
  ['an unknown method', 'PURGE-ALL! /x HTTP/1.1\r\nHost: a\r\n\r\n', { method: 'PURGE-ALL!' }],
  ['a lower-case method is another method', 'get / HTTP/1.1\r\nHost: a\r\n\r\n', { method: 'get' }],
  ['a method of 64 bytes', `${'M'.repeat(64)} / HTTP/1.1\r\nHost: a\r\n\r\n`, { method: 'M'.repeat(64) }],
  ['a method of 65 bytes', `${'M'.repeat(65)}← / HTTP/1.1\r\nHost: a\r\n\r\n`, 'method-too-long'],
  ['no method', ' ←/ HTTP/1.1\r\nHost: a\r\n\r\n', 'method'],
  ['a tab after the method', 'GET\t←/ HTTP/1.1\r\n\r\n', 'method'],
  ['a parenthesis in the method', 'G(←E)T / HTTP/1.1\r\n\r\n', 'method'],
  ['a high byte in the method', 'G\xc9←T / HTTP/1.1\r\n\r\n', 'method'],
  ['NUL in the method', 'GE\0←T / HTTP/1.1\r\n\r\n', 'method'],
  ['a TLS greeting', '\x16←\x03\x01\x02\0\x01', 'method'],
  ['a line of nothing but a method', 'GET\r←\n\r\n', 'method'],
  ['LF after the method', 'GET\n←', 'line-end'],
  ['two spaces before the target', 'GET  ←/ HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
  ['two spaces before the version', 'GET /  ←HTTP/1.1\r\nHost: a\r\n\r\n', 'version'],
  ['a tab before the version', 'GET /\t←HTTP/1.1\r\nHost: a\r\n\r\n', 'target-byte'],
  ['a space behind the version', 'GET / HTTP/1.1 ←\r\nHost: a\r\n\r\n', 'version'],
  ['a fragment', 'GET /a#←b HTTP/1.1\r\nHost: a\r\n\r\n', 'target-byte'],
  ['NUL in the target', 'GET /a\0← HTTP/1.1\r\nHost: a\r\n\r\n', 'target-byte'],
  ['DEL in the target', 'GET /a\x7f← HTTP/1.1\r\nHost: a\r\n\r\n', 'target-byte'],
  ['high bytes in the target', 'GET /\xc3←\xa9\xff HTTP/1.1\r\nHost: a\r\n\r\n', 'target-byte'],
  ['what browsers leave unescaped passes', 'GET /a|b"{c}\\<>^`?x=[1] HTTP/1.1\r\nHost: a\r\n\r\n', { target: '/a|b"{c}\\<>^`?x=[1]' }],
  ['a path of two slashes', 'GET //evil/x HTTP/1.1\r\nHost: a\r\n\r\n', { target: '//evil/x', authority: '' }],
  ['HTTP/0.9', 'GET /\r←\n', 'http09'],
  ['LF in place of the version', 'GET /\n←\n', 'line-end'],
  ['HTTP/1.0 without a host', 'GET / HTTP/1.0\r\n\r\n', { minor: 0, fields: [] }],
  ['HTTP/0.9 written out', 'GET / HTTP/0←.9\r\n\r\n', 'http09'],
  ['HTTP/1.2', 'GET / HTTP/1.2←\r\n\r\n', 'version-unsupported'],
  ['HTTP/2.0', 'GET / HTTP/2←.0\r\n\r\n', 'version-unsupported'],
  ['HTTP/2', 'GET / HTTP/2←\r\n\r\n', 'version-unsupported'],
  ['HTTP/3', 'GET / HTTP/3←\r\n\r\n', 'version-unsupported'],
  ['HTTP/11', 'GET / HTTP/11←\r\n\r\n', 'version'],
  ['HTTP/1.10', 'GET / HTTP/1.10←\r\n\r\n', 'version'],
  ['HTTP/01.1', 'GET / HTTP/0←1.1\r\n\r\n', 'http09'],
  ['HTTP/x.1', 'GET / HTTP/x←.1\r\n\r\n', 'version'],
  ['http/1.1', 'GET / h←ttp/1.1\r\n\r\n', 'version'],
  ['HTTPS/1.1', 'GET / HTTPS←/1.1\r\n\r\n', 'version'],
  ['HTTP/1.', 'GET / HTTP/1.\r←\n\r\n', 'version'],
  ['HTTP/+1.1', 'GET / HTTP/+←1.1\r\n\r\n', 'version'],
  ['bare LF behind the request line', 'GET / HTTP/1.1\n←Host: a\r\n\r\n', 'line-end'],
  ['bare CR behind the request line', 'GET / HTTP/1.1\rH←ost: a\r\n\r\n', 'line-end'],
  ['CR CR LF behind the request line', 'GET / HTTP/1.1\r\r←\nHost: a\r\n\r\n', 'line-end'],
  ['one empty line first', '\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', { method: 'GET', fields: ['Host: a'] }],
  ['four empty lines first', '\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', { method: 'GET', target: '/' }],
  ['five empty lines first', '\r\n\r\n\r\n\r\n\r←\nGET / HTTP/1.1\r\n', 'empty-lines'],
  ['LF first', '\n←GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'line-end'],
  ['CR first', '\rG←ET / HTTP/1.1\r\nHost: a\r\n\r\n', 'line-end'],
  ['nothing', '', 'more'],
  ['empty lines and nothing else', '\r\n\r\n', 'more'],
  ['the preface of HTTP/2', 'PRI * ←HTTP/2.0\r\n\r\nSM\r\n\r\n', 'target'],
  ['a head without its end', 'GET / HTTP/1.1\r\nHost: a\r\n\r', 'more'],
];

const FORMS: readonly Vector[] = [
  ['absolute form', 'GET http://b.example/x?y HTTP/1.1\r\nHost: a\r\n\r\n', { target: 'http://b.example/x?y', authority: 'b.example' }],
  ['absolute form, any case of scheme', 'GET HtTpS://b.example:8443/ HTTP/1.1\r\nHost: a\r\n\r\n', { authority: 'b.example:8443' }],
  ['absolute form without a path', 'GET http://b.example HTTP/1.1\r\nHost: a\r\n\r\n', { authority: 'b.example' }],
  ['absolute form with a query only', 'GET http://b.example?x HTTP/1.1\r\nHost: a\r\n\r\n', { authority: 'b.example' }],
  ['absolute form with an IPv6 address', 'GET http://[::1]:80/ HTTP/1.1\r\nHost: a\r\n\r\n', { authority: '[::1]:80' }],
  ['absolute form without a host', 'GET http:///x ←HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
  ['absolute form with a user', 'GET http://u:p@b/ ←HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
  ['absolute form with a backslash in the host', 'GET http://b\\@c/ ←HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
  ['absolute form, one slash', 'GET http:/b/ ←HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
  ['absolute form, no host at all', 'GET http:// ←HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
  ['another scheme', 'GET ftp://b/x ←HTTP/1.1\r\nHost: a\r\n\r\n', 'scheme'],
  ['a scheme with a digit', 'GET h2c://b/x ←HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
  ['absolute form keeps the need for Host', 'GET http://b/ HTTP/1.1\r\n\r\n←', 'host-missing'],
  ['absolute form in HTTP/1.0', 'GET http://b/ HTTP/1.0\r\n\r\n', { authority: 'b', minor: 0 }],
  ['a relative path', 'GET x/y ←HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
  ['a query without a path', 'GET ?x ←HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
  ['authority form for GET', 'GET a:80 ←HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
  ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', { target: '*' }],
  ['GET *', 'GET * ←HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
  ['OPTIONS */x', 'OPTIONS */x ←HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
  ['OPTIONS **', 'OPTIONS ** ←HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
  ['OPTIONS /x', 'OPTIONS /x HTTP/1.1\r\nHost: a\r\n\r\n', { target: '/x' }],
  ['CONNECT', 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n\x16\x03', { target: 'a:443', authority: 'a:443', rest: '\x16\x03' }],
  ['CONNECT with a path', 'CONNECT /x ←HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
  ['CONNECT with an absolute target', 'CONNECT http://a/ ←HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
  ['CONNECT *', 'CONNECT @ ←HTTP/1.1\r\nHost: a\r\n\r\n', 'target'],
  ['CONNECT with a length', 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n←abc', 'connect-body'],
  ['CONNECT with chunks', 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n←0\r\n\r\n', 'connect-body'],
  ['CONNECT with a length of nothing', 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n', { contentLength: 0 }],
];

const FIELDS: readonly Vector[] = [
  ['order and letter case are kept', get('B: 1\r\na: 2\r\nB: 3\r\n'), { fields: ['Host: a', 'B: 1', 'a: 2', 'B: 3'], dropped: [] }],
  ['white space around a value', get('X: \t  a b \t \r\n'), { fields: ['Host: a', 'X: a b'] }],
  ['no white space before a value', get('X:a\r\n'), { fields: ['Host: a', 'X: a'] }],
  ['an empty value', get('X:\r\nY: \t\r\n'), { fields: ['Host: a', 'X: ', 'Y: '] }],
  ['a tab inside a value', get('X: a\tb\r\n'), { fields: ['Host: a', 'X: a\tb'] }],
  ['high bytes in a value', get('X: \xffcaf\xe9\x80\r\n'), { fields: ['Host: a', 'X: \xffcaf\xe9\x80'] }],
  ['colons in a value', get('X: a:b::c\r\n'), { fields: ['Host: a', 'X: a:b::c'] }],
  ['every token character in a name', get("!#$%&'*+-.^_`|~09azAZ: v\r\n"), { fields: ['Host: a', "!#$%&'*+-.^_`|~09azAZ: v"] }],
  ['a name of one letter', get('x: v\r\n'), { fields: ['Host: a', 'x: v'] }],
  ['a space before the colon', 'GET / HTTP/1.1\r\nHost: a\r\nX ←: b\r\n\r\n', 'space-before-colon'],
  ['a tab before the colon', 'GET / HTTP/1.1\r\nHost: a\r\nX\t←: b\r\n\r\n', 'space-before-colon'],
  ['an empty name', 'GET / HTTP/1.1\r\nHost: a\r\n:← b\r\n\r\n', 'name'],
  ['no colon', 'GET / HTTP/1.1\r\nHost: a\r\nabc\r←\n\r\n', 'name'],
  ['no colon and a bare LF', 'GET / HTTP/1.1\r\nHost: a\r\nabc\n←\r\n', 'line-end'],
  ['a parenthesis in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX(←: b\r\n\r\n', 'name'],
  ['a quote in a name', 'GET / HTTP/1.1\r\nHost: a\r\n"←X": b\r\n\r\n', 'name'],
  ['a slash in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX/←Y: b\r\n\r\n', 'name'],
  ['a high byte in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX\xe9←: b\r\n\r\n', 'name'],
  ['NUL in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX\0←: b\r\n\r\n', 'name'],
  ['DEL in a name', 'GET / HTTP/1.1\r\nHost: a\r\nX\x7f←: b\r\n\r\n', 'name'],
  ['NUL in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\0←c\r\n\r\n', 'value'],
  ['DEL in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\x7f←c\r\n\r\n', 'value'],
  ['VT in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\x0b←c\r\n\r\n', 'value'],
  ['ESC as a value', 'GET / HTTP/1.1\r\nHost: a\r\nX: \x1b←c\r\n\r\n', 'value'],
  ['bare CR in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\rc←: d\r\n\r\n', 'line-end'],
  ['bare LF in a value', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\n←Y: d\r\n\r\n', 'line-end'],
  ['CR CR LF at the end of a line', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\r\r←\n\r\n', 'line-end'],
  ['a folded line', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n ←c\r\n\r\n', 'fold'],
  ['a line folded with a tab', 'GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\t←c\r\n\r\n', 'fold'],
  ['a first line that is folded', 'GET / HTTP/1.1\r\n ←Host: a\r\n\r\n', 'fold'],
  ['a head ended by a bare LF', 'GET / HTTP/1.1\r\nHost: a\r\n\n←', 'line-end'],
  ['a head ended by a bare CR', 'GET / HTTP/1.1\r\nHost: a\r\n\rG←ET', 'line-end'],
  ['an empty line of white space', 'GET / HTTP/1.1\r\nHost: a\r\n ←\r\n\r\n', 'fold'],
  ['a hundred fields', `GET / HTTP/1.1\r\nHost: a\r\n${'x: y\r\n'.repeat(99)}\r\n`, { contentLength: -1 }],
  ['a hundred and one fields', `GET / HTTP/1.1\r\nHost: a\r\n${'x: y\r\n'.repeat(99)}z: y\r\n←\r\n`, 'too-many-fields'],
];

const HOSTS: readonly Vector[] = [
  ['no host', 'GET / HTTP/1.1\r\nX: y\r\n\r\n←', 'host-missing'],
  ['two hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n←\r\n', 'host-repeated'],
  ['two equal hosts', 'GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n←\r\n', 'host-repeated'],
  ...['a.b-c_d~1', 'a:80', 'a:', 'A.B', '1.2.3.4:65535', '[::1]', '[fe80::1]:8080', '[::ffff:1.2.3.4]', "a!$&'()*+;=b", 'a%20b', 'x'.repeat(300)].map(
    (host): Vector => [`host ${host}`, `GET / HTTP/1.1\r\nHOST:${host}\r\n\r\n`, { fields: [`HOST: ${host}`] }],
  ),
  ...[':80', 'a b', 'a,b', 'a, b', 'u@a', 'a/', 'a?b', 'a#b', 'a\\b', 'a:80:90', 'a:65536', 'a:123456', 'a:8x', 'a:-1', '[::1', '::1', '[::1]x', '[]', '[:]', '[g::1]', '[v1.a]', '[::1%25eth0]', `[${'1:'.repeat(23)}]`, 'a%2', 'a%zz', 'a%', '\xe9', 'a"b', '<a>', '{a}', '|', '^', '`'].map(
    (host): Vector => [`host "${host}"`, `GET / HTTP/1.1\r\nHost: ${host}\r\n←\r\n`, 'host'],
  ),
];

const FRAMING: readonly Vector[] = [
  ['a length', post('Content-Length: 5\r\n') + 'hello', { contentLength: 5, chunked: false, dropped: [], rest: 'hello' }],
  ['a length of nothing', post('content-length:0\r\n'), { contentLength: 0 }],
  ['a length with leading zeros', post('Content-Length: 0005\r\n'), { contentLength: 5 }],
  ['the largest length', post('Content-Length: 9007199254740991\r\n'), { contentLength: 9007199254740991 }],
  ...['9007199254740992', '99999999999999999999', '', '+5', '-5', '-0', '0x5', '5 5', '5,5', '5, 5', '5;', '5.0', '5e0', 'five', '٣', "5'", '1_000', ' \t', '5\t5'].map(
    (length): Vector => [`length "${length}"`, `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${Buffer.from(length).latin1Slice()}\r\n←\r\n`, 'content-length'],
  ),
  ['two equal lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n←\r\n', 'content-length-repeated'],
  ['two unequal lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\ncontent-length: 6\r\n←\r\n', 'content-length-repeated'],
  ['chunks', post('Transfer-Encoding: chunked\r\n') + '0\r\n\r\n', { chunked: true, contentLength: -1, dropped: ['Transfer-Encoding'], rest: '0\r\n\r\n' }],
  ['chunks, any case', post('TRANSFER-ENCODING:\tChunKed \r\n'), { chunked: true }],
  ...['', 'identity', 'gzip', 'gzip, chunked', 'chunked, chunked', 'chunked, identity', 'chunked,', ',chunked', 'chunked;q=1', '"chunked"', 'xchunked', 'chunkedx', 'chunke', 'chun ked', '\x80chunked', 'chunked\xa0', 'c\xe8unked'].map(
    (coding): Vector => [`transfer coding "${coding}"`, `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ${coding}\r\n←\r\n`, 'transfer-encoding'],
  ),
  ['chunked twice', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n←\r\n', 'transfer-encoding-repeated'],
  ['chunked in HTTP/1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n←\r\n', 'transfer-encoding-in-10'],
  ['a length, then chunked', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n←\r\n', 'both-framings'],
  ['chunked, then a length', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n←\r\n', 'both-framings'],
  ['a length, then another coding', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\n←\r\n', 'both-framings'],
];

const HOP: readonly Vector[] = [
  ['Connection: close', get('Connection: close\r\n'), { close: true, keepAlive: false, dropped: ['Connection'] }],
  ['Connection: keep-alive', get('Connection: Keep-Alive\r\n'), { close: false, keepAlive: true, dropped: ['Connection'] }],
  ['both in one field', get('Connection: keep-alive , close\r\n'), { close: true, keepAlive: true }],
  ['both in two fields', get('Connection: close\r\nX: y\r\nconnection: keep-alive\r\n'), { close: true, keepAlive: true, dropped: ['Connection', 'connection'] }],
  ['closed is not close', get('Connection: closed\r\nClosed: 1\r\n'), { close: false, dropped: ['Connection', 'Closed'] }],
  ['empty list members', get('Connection: , ,close,,\r\n'), { close: true }],
  ['an empty Connection', get('Connection:\r\n'), { close: false, dropped: ['Connection'] }],
  ['a nomination of a later field', get('Connection: X-Secret\r\nx-secret: 1\r\nX-Secret: 2\r\nx-secre: 3\r\n'), { dropped: ['Connection', 'x-secret', 'X-Secret'] }],
  ['a nomination of an earlier field', get('x-secret: 1\r\nConnection: close, x-SECRET\r\n'), { close: true, dropped: ['x-secret', 'Connection'] }],
  ['nominations that are ignored', get('Connection: host, content-length, x-forwarded-for, authorization, Cookie, x-request-id\r\nX-Forwarded-For: 1\r\nAuthorization: b\r\nCookie: c\r\nContent-Length: 0\r\nX-Request-Id: 7\r\n'), { contentLength: 0, dropped: ['Connection'] }],
  ['a nomination does not change the framing', post('Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n'), { chunked: true, dropped: ['Connection', 'Transfer-Encoding'] }],
  ['nine options', get('Connection: a,b,c,d,e,f,g,h,i\r\ni: 1\r\n'), { dropped: ['Connection', 'i'] }],
  ['ten options', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: a,b,c,d,e,f,g,h,i,j\r\n\r\n←', 'connection'],
  ['an option that is no token', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: clo(se\r\n\r\n←', 'connection'],
  ['two options without a comma', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close x\r\n\r\n←', 'connection'],
  ['what never travels', get('Keep-Alive: timeout=5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\nTE: gzip\r\nTrailer: x\r\n'), { dropped: ['Keep-Alive', 'Proxy-Connection', 'Upgrade', 'HTTP2-Settings', 'TE'] }],
  ['TE: trailers travels', get('TE: Trailers\r\nConnection: TE\r\n'), { dropped: ['Connection'] }],
  ['TE: trailers, gzip does not', get('TE: trailers, gzip\r\n'), { dropped: ['TE'] }],
  ['Expect: 100-continue', post('Expect: 100-Continue\r\nContent-Length: 1\r\n'), { expectContinue: true, dropped: [] }],
  ['Expect in HTTP/1.0', 'POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n', { expectContinue: false }],
  ['Expect: something else', post('Expect: 100-continuex\r\n'), { expectContinue: false }],
];

export const REQUEST_VECTORS: readonly Vector[] = [...LINE, ...FORMS, ...FIELDS, ...HOSTS, ...FRAMING, ...HOP];
