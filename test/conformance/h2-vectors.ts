// RFC 9113, frame by frame: what a client sends after its preface, and what a server says to it. `/ok` is answered with
// 200 at once, everything else goes upstream. No flags: the connection lives on (the test proves it by one more request).

import {
  ACK, block, data, END_HEADERS, END_STREAM, frame, get, goaway, headers, PADDED, ping, post, priority, PRIORITY, pseudo, rst, settings, settingsAck, T,
  uint32, windowUpdate, type Fields,
} from '../support/h2-bytes.ts';

export interface Vector {
  readonly section: string;
  readonly name: string;
  readonly send: readonly Buffer[];
  /** As `story` tells it. */
  readonly expect: string;
}

const vectors: Vector[] = [];
const add = (section: string, name: string, expect: string, ...send: Buffer[]): void => void vectors.push({ section, name, send, expect });
const closes = (section: string, name: string, code: string, ...send: Buffer[]): void => add(section, name, `GOAWAY ${code}`, ...send);
const resets = (section: string, name: string, code: string, ...send: Buffer[]): void => add(section, name, `RST 1 ${code}`, ...send);
const passes = (section: string, name: string, ...send: Buffer[]): void => add(section, name, '1:200', ...send);
/** A GET for /ok whose head is malformed. */
const malformed = (section: string, name: string, fields: Fields): void => resets(section, name, 'PROTOCOL_ERROR', headers(1, fields));
const withField = (section: string, name: string, field: readonly [string, string]): void => malformed(section, name, [...pseudo('/ok'), field]);
const raw = (bytes: readonly number[], flags = END_STREAM | END_HEADERS): Buffer => frame(T.HEADERS, flags, 1, bytes);
const HEAD = block(pseudo('/ok'));

// 4.1 Frame format
passes('4.1', 'a frame of unknown type is ignored', frame(0x63, 0xff, 0, 'what?'), get(1));
passes('4.1', 'one on a stream that does not exist', frame(0x0a, 0, 9, 'origin'), get(1));
passes('4.1', 'an empty one', frame(0xfe, 0, 0), get(1));
passes('4.1', 'unknown flags are ignored', frame(T.HEADERS, END_STREAM | END_HEADERS | 0xc2, 1, HEAD));
add('4.1', 'unknown flags on PING', 'PONG', frame(T.PING, 0xfe, 0, '12345678'));
passes('4.1', 'the reserved bit is ignored', frame(T.HEADERS, END_STREAM | END_HEADERS, 0x80000001, HEAD));

// 4.2 Frame size
closes('4.2', 'DATA above the limit', 'FRAME_SIZE_ERROR', post(1), data(1, Buffer.alloc(16385)));
closes('4.2', 'HEADERS above the limit', 'FRAME_SIZE_ERROR', frame(T.HEADERS, END_STREAM | END_HEADERS, 1, Buffer.alloc(16385)));
closes('4.2', 'an unknown frame above the limit', 'FRAME_SIZE_ERROR', frame(0x20, 0, 0, Buffer.alloc(16385)));
closes('4.2', 'SETTINGS above the limit', 'FRAME_SIZE_ERROR', frame(T.SETTINGS, 0, 0, Buffer.alloc(16386)));
passes('4.2', 'an unknown frame at the limit', frame(0x20, 0, 0, Buffer.alloc(16384)), get(1));

// 4.3 Field section compression
closes('4.3', 'index 0', 'COMPRESSION_ERROR', raw([0x80]));
closes('4.3', 'an index beyond the tables', 'COMPRESSION_ERROR', raw([0xff, 0x20]));
closes('4.3', 'a block that ends inside a field', 'COMPRESSION_ERROR', raw([0x00, 5, 97, 98]));
closes('4.3', 'a block that ends behind a name', 'COMPRESSION_ERROR', raw([0x00, 1, 97]));
closes('4.3', 'an integer without end', 'COMPRESSION_ERROR', raw([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]));
closes('4.3', 'EOS in a Huffman string', 'COMPRESSION_ERROR', raw([0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 1, 97]));
closes('4.3', 'Huffman padding of zeros', 'COMPRESSION_ERROR', raw([0x00, 0x81, 0x18, 1, 97]));
closes('4.3', 'a table larger than allowed', 'COMPRESSION_ERROR', raw([0x3f, 0xe2, 0x1f]));
closes('4.3', 'a size update behind a field', 'COMPRESSION_ERROR', raw([0x82, 0x20]));
passes('4.3', 'a size update before the fields', frame(T.HEADERS, END_STREAM | END_HEADERS, 1, Buffer.concat([Buffer.from([0x20]), HEAD])));
closes('4.3', 'DATA inside a block', 'PROTOCOL_ERROR', frame(T.HEADERS, 0, 1, HEAD), data(1, 'x'));
closes('4.3', 'PING inside a block', 'PROTOCOL_ERROR', frame(T.HEADERS, 0, 1, HEAD), ping());
closes('4.3', 'SETTINGS inside a block', 'PROTOCOL_ERROR', frame(T.HEADERS, 0, 1, HEAD), settings());
closes('4.3', 'WINDOW_UPDATE inside a block', 'PROTOCOL_ERROR', frame(T.HEADERS, 0, 1, HEAD), windowUpdate(0, 1));
closes('4.3', 'another head inside a block', 'PROTOCOL_ERROR', frame(T.HEADERS, 0, 1, HEAD), get(3));
closes('4.3', 'an unknown frame inside a block', 'PROTOCOL_ERROR', frame(T.HEADERS, 0, 1, HEAD), frame(0x63, 0, 1));
closes('4.3', 'CONTINUATION of another stream', 'PROTOCOL_ERROR', frame(T.HEADERS, 0, 1, HEAD), frame(T.CONTINUATION, END_HEADERS, 3));
closes('4.3', 'a bad block in CONTINUATION', 'COMPRESSION_ERROR', frame(T.HEADERS, END_STREAM, 1, HEAD), frame(T.CONTINUATION, END_HEADERS, 1, [0x80]));
add('4.3', 'a bad block on the next stream', '1:200, GOAWAY COMPRESSION_ERROR', frame(T.HEADERS, END_STREAM | END_HEADERS, 1, HEAD), frame(T.HEADERS, END_STREAM | END_HEADERS, 3, [0x80]));

// 5.1 Stream states
closes('5.1', 'DATA on an idle stream', 'PROTOCOL_ERROR', data(1, 'x'));
closes('5.1', 'RST_STREAM on an idle stream', 'PROTOCOL_ERROR', rst(1, 8));
closes('5.1', 'WINDOW_UPDATE on an idle stream', 'PROTOCOL_ERROR', windowUpdate(1, 1));
closes('5.1', 'CONTINUATION on an idle stream', 'PROTOCOL_ERROR', frame(T.CONTINUATION, END_HEADERS, 1, HEAD));
closes('5.1', 'DATA on a stream that only we could begin', 'PROTOCOL_ERROR', data(2, 'x'));
passes('5.1', 'PRIORITY on an idle stream', priority(5), get(1));
resets('5.1', 'DATA when the request has ended', 'STREAM_CLOSED', get(1, '/slow'), data(1, 'x'));
resets('5.1', 'HEADERS when the request has ended', 'STREAM_CLOSED', get(1, '/slow'), get(1));
add('5.1', 'WINDOW_UPDATE when the request has ended', '', get(1, '/slow'), windowUpdate(1, 5));
add('5.1', 'PRIORITY when the request has ended', '', get(1, '/slow'), priority(1));
add('5.1', 'RST_STREAM when the request has ended', '', get(1, '/slow'), rst(1, 8));
resets('5.1', 'DATA behind the own RST_STREAM', 'STREAM_CLOSED', post(1), rst(1, 8), data(1, 'x'));
resets('5.1', 'HEADERS behind the own RST_STREAM', 'STREAM_CLOSED', post(1), rst(1, 8), get(1));
add('5.1', 'WINDOW_UPDATE behind the own RST_STREAM', '', post(1), rst(1, 8), windowUpdate(1, 1));
add('5.1', 'RST_STREAM twice', '', post(1), rst(1, 8), rst(1, 8));
add('5.1', 'PRIORITY behind the own RST_STREAM', '', post(1), rst(1, 8), priority(1));
add('5.1', 'DATA behind both ends', '1:200, GOAWAY STREAM_CLOSED', get(1), data(1, 'x'));
add('5.1', 'HEADERS behind both ends', '1:200, GOAWAY STREAM_CLOSED', get(1), get(1));
add('5.1', 'WINDOW_UPDATE behind both ends', '1:200', get(1), windowUpdate(1, 1));
add('5.1', 'RST_STREAM behind both ends', '1:200', get(1), rst(1, 8));
add('5.1', 'what comes behind a stream error is ignored', 'RST 1 PROTOCOL_ERROR', headers(1, [...pseudo('/up', { ':method': 'POST' }), ['X', 'y']], END_HEADERS), data(1, 'abc', false), data(1, 'def'));
add('5.1', 'trailers behind a stream error too', 'RST 1 PROTOCOL_ERROR', headers(1, [...pseudo('/up', { ':method': 'POST' }), ['X', 'y']], END_HEADERS), headers(1, [['x', 'y']]));

// 5.1.1 Stream identifiers
closes('5.1.1', 'an even stream', 'PROTOCOL_ERROR', get(2));
add('5.1.1', 'a stream below the last', '5:200, GOAWAY PROTOCOL_ERROR', get(5), get(3));
add('5.1.1', 'streams may be left out', '5:200, 11:200', get(5), get(11));
closes('5.1.1', 'DATA on a stream that was left out', 'PROTOCOL_ERROR', get(5, '/slow'), data(3, 'x'));
add('5.1.1', 'the last stream there is', `${0x7fffffff}:200`, get(0x7fffffff));

// 6.1 DATA
closes('6.1', 'DATA on the connection', 'PROTOCOL_ERROR', data(0, 'x'));
closes('6.1', 'padding longer than the frame', 'PROTOCOL_ERROR', post(1), frame(T.DATA, PADDED, 1, [5, 1, 2]));
closes('6.1', 'padding as long as the frame', 'PROTOCOL_ERROR', post(1), frame(T.DATA, PADDED, 1, [3, 1, 2]));
closes('6.1', 'a padded frame without a pad length', 'FRAME_SIZE_ERROR', post(1), frame(T.DATA, PADDED, 1));
passes('6.1', 'padding alone', post(1, '/ok'), frame(T.DATA, PADDED | END_STREAM, 1, [2, 0, 0]));
passes('6.1', 'data and padding', post(1, '/ok', [['content-length', '1']]), frame(T.DATA, PADDED | END_STREAM, 1, [2, 97, 0, 0]));
passes('6.1', 'an empty frame ends', post(1, '/ok'), data(1, ''));
passes('6.1', 'a pad length of zero', post(1, '/ok', [['content-length', '1']]), frame(T.DATA, PADDED | END_STREAM, 1, [0, 97]));

// 6.2 HEADERS
closes('6.2', 'HEADERS on the connection', 'PROTOCOL_ERROR', get(0));
closes('6.2', 'padding longer than the frame', 'PROTOCOL_ERROR', raw([9, 0x82], END_STREAM | END_HEADERS | PADDED));
closes('6.2', 'padded and empty', 'FRAME_SIZE_ERROR', raw([], END_STREAM | END_HEADERS | PADDED));
closes('6.2', 'priority cut short', 'FRAME_SIZE_ERROR', raw([0, 0, 0, 0], END_STREAM | END_HEADERS | PRIORITY));
passes('6.2', 'with priority', frame(T.HEADERS, END_STREAM | END_HEADERS | PRIORITY, 1, Buffer.concat([Buffer.from([0, 0, 0, 3, 9]), HEAD])));
passes('6.2', 'padded', frame(T.HEADERS, END_STREAM | END_HEADERS | PADDED, 1, Buffer.concat([Buffer.from([3]), HEAD, Buffer.alloc(3)])));
passes('6.2', 'padded, with priority', frame(T.HEADERS, END_STREAM | END_HEADERS | PADDED | PRIORITY, 1, Buffer.concat([Buffer.from([2, 0x80, 0, 0, 0, 9]), HEAD, Buffer.alloc(2)])));

// 6.3 PRIORITY
closes('6.3', 'PRIORITY on the connection', 'PROTOCOL_ERROR', priority(0));
resets('6.3', 'PRIORITY too short', 'FRAME_SIZE_ERROR', post(1), frame(T.PRIORITY, 0, 1, [0, 0, 0, 0]));
resets('6.3', 'PRIORITY too long', 'FRAME_SIZE_ERROR', post(1), frame(T.PRIORITY, 0, 1, [0, 0, 0, 0, 0, 0]));

// 6.4 RST_STREAM
closes('6.4', 'RST_STREAM on the connection', 'PROTOCOL_ERROR', rst(0, 8));
closes('6.4', 'RST_STREAM too short', 'FRAME_SIZE_ERROR', post(1), frame(T.RST, 0, 1, [0, 0, 8]));
closes('6.4', 'RST_STREAM too long', 'FRAME_SIZE_ERROR', post(1), frame(T.RST, 0, 1, [0, 0, 0, 8, 0]));
add('6.4', 'an unknown code', '', post(1), rst(1, 0xfff));

// 6.5 SETTINGS
closes('6.5', 'SETTINGS on a stream', 'PROTOCOL_ERROR', frame(T.SETTINGS, 0, 1));
closes('6.5', 'an acknowledgement with payload', 'FRAME_SIZE_ERROR', frame(T.SETTINGS, ACK, 0, [0, 1, 0, 0, 0, 0]));
closes('6.5', 'half a setting', 'FRAME_SIZE_ERROR', frame(T.SETTINGS, 0, 0, [0, 1, 0]));
closes('6.5.2', 'ENABLE_PUSH of 2', 'PROTOCOL_ERROR', settings([2, 2]));
closes('6.5.2', 'a window above 2^31 - 1', 'FLOW_CONTROL_ERROR', settings([4, 0x80000000]));
closes('6.5.2', 'a frame size below 16,384', 'PROTOCOL_ERROR', settings([5, 16383]));
closes('6.5.2', 'a frame size above 2^24 - 1', 'PROTOCOL_ERROR', settings([5, 16777216]));
closes('6.5.2', 'ENABLE_CONNECT_PROTOCOL of 2 (RFC 8441)', 'PROTOCOL_ERROR', settings([8, 2]));
closes('6.5.2', 'ENABLE_CONNECT_PROTOCOL taken back (RFC 8441)', 'PROTOCOL_ERROR', settings([8, 1], [8, 0]));
passes('6.5.2', 'an unknown setting', settings([0xff, 7]), get(1));
passes('6.5.2', 'ENABLE_PUSH of 1', settings([2, 1]), get(1));
passes('6.5.2', 'the largest values', settings([1, 0xffffffff], [3, 0xffffffff], [4, 0x7fffffff], [5, 16777215], [6, 0xffffffff]), get(1));
passes('6.5.2', 'no table', settings([1, 0]), get(1));
passes('6.5.3', 'an acknowledgement', settingsAck(), get(1));

// 6.6 PUSH_PROMISE
closes('6.6', 'PUSH_PROMISE from a client', 'PROTOCOL_ERROR', post(1), frame(T.PUSH, END_HEADERS, 1, [0, 0, 0, 2, 0x82]));

// 6.7 PING
closes('6.7', 'PING on a stream', 'PROTOCOL_ERROR', frame(T.PING, 0, 1, '12345678'));
closes('6.7', 'PING too short', 'FRAME_SIZE_ERROR', frame(T.PING, 0, 0, '1234567'));
closes('6.7', 'PING too long', 'FRAME_SIZE_ERROR', frame(T.PING, 0, 0, '123456789'));
add('6.7', 'PING is answered', 'PONG', ping());
add('6.7', 'an answer to no PING is not', '', ping('12345678', ACK));

// 6.8 GOAWAY
closes('6.8', 'GOAWAY on a stream', 'PROTOCOL_ERROR', frame(T.GOAWAY, 0, 1, [...uint32(0), ...uint32(0)]));
closes('6.8', 'GOAWAY too short', 'FRAME_SIZE_ERROR', frame(T.GOAWAY, 0, 0, [0, 0, 0, 0]));
closes('6.8', 'GOAWAY whose last stream grows', 'PROTOCOL_ERROR', post(1), goaway(1), goaway(3));
passes('6.8', 'what is under way goes on behind GOAWAY', post(1, '/ok'), goaway(0), data(1, 'x'));

// 6.9 WINDOW_UPDATE
closes('6.9', 'zero on the connection', 'PROTOCOL_ERROR', windowUpdate(0, 0));
resets('6.9', 'zero on a stream', 'PROTOCOL_ERROR', post(1), windowUpdate(1, 0));
closes('6.9', 'too short', 'FRAME_SIZE_ERROR', frame(T.WINDOW, 0, 0, [0, 0, 1]));
closes('6.9', 'too long', 'FRAME_SIZE_ERROR', frame(T.WINDOW, 0, 0, [0, 0, 0, 0, 1]));
closes('6.9.1', 'the connection\'s window above 2^31 - 1', 'FLOW_CONTROL_ERROR', windowUpdate(0, 0x7fffffff));
resets('6.9.1', 'a stream\'s window above 2^31 - 1', 'FLOW_CONTROL_ERROR', post(1), windowUpdate(1, 0x7fffffff));
closes('6.9.2', 'a window shifted above 2^31 - 1', 'FLOW_CONTROL_ERROR', post(1), windowUpdate(1, 0x7fff0000), settings([4, 0x7fffffff]));
passes('6.9', 'the reserved bit is ignored', frame(T.WINDOW, 0, 0, uint32(0x80000001)), get(1));
resets('6.9.1', 'more than the stream\'s window', 'FLOW_CONTROL_ERROR', post(1, '/slow'), ...Array.from({ length: 5 }, () => data(1, Buffer.alloc(16384), false)));

// 6.10 CONTINUATION
closes('6.10', 'without HEADERS', 'PROTOCOL_ERROR', frame(T.CONTINUATION, END_HEADERS, 1, HEAD));
closes('6.10', 'on the connection', 'PROTOCOL_ERROR', frame(T.HEADERS, 0, 1, HEAD), frame(T.CONTINUATION, END_HEADERS, 0, HEAD));
add('6.10', 'behind END_HEADERS', '1:200, GOAWAY PROTOCOL_ERROR', get(1), frame(T.CONTINUATION, END_HEADERS, 1, HEAD));
passes('6.10', 'a block in three frames', frame(T.HEADERS, END_STREAM, 1, HEAD.subarray(0, 5)), frame(T.CONTINUATION, 0, 1, HEAD.subarray(5, 20)), frame(T.CONTINUATION, END_HEADERS, 1, HEAD.subarray(20)));
passes('6.10', 'an empty last frame', frame(T.HEADERS, END_STREAM, 1, HEAD), frame(T.CONTINUATION, END_HEADERS, 1));

// 8.1 HTTP message framing
passes('8.1', 'trailers', post(1, '/ok'), data(1, 'x', false), headers(1, [['x-end', '1']]));
passes('8.1', 'trailers without a body', post(1, '/ok'), headers(1, [['x-end', '1']]));
resets('8.1', 'a second head without END_STREAM', 'PROTOCOL_ERROR', post(1), headers(1, [['x-end', '1']], END_HEADERS));
resets('8.1', 'a pseudo-header in trailers', 'PROTOCOL_ERROR', post(1), headers(1, [[':path', '/']]));
resets('8.1', 'a malformed trailer', 'PROTOCOL_ERROR', post(1), headers(1, [['X-End', '1']]));
resets('8.1', 'a connection field in trailers', 'PROTOCOL_ERROR', post(1), headers(1, [['transfer-encoding', 'chunked']]));
resets('8.1.1', 'content-length above the body', 'PROTOCOL_ERROR', post(1, '/up', [['content-length', '5']]), data(1, 'abc'));
resets('8.1.1', 'content-length below the body', 'PROTOCOL_ERROR', post(1, '/up', [['content-length', '2']]), data(1, 'abc'));
resets('8.1.1', 'below, before the end', 'PROTOCOL_ERROR', post(1, '/up', [['content-length', '2']]), data(1, 'abc', false));
resets('8.1.1', 'content-length and no body', 'PROTOCOL_ERROR', headers(1, [...pseudo('/ok'), ['content-length', '1']]));
resets('8.1.1', 'content-length and trailers instead', 'PROTOCOL_ERROR', post(1, '/up', [['content-length', '2']]), headers(1, [['x', 'y']]));
passes('8.1.1', 'content-length of zero', headers(1, [...pseudo('/ok'), ['content-length', '0']]));
passes('8.1.1', 'content-length that is right', post(1, '/ok', [['content-length', '3']]), data(1, 'ab', false), data(1, 'c'));
for (const value of ['', 'x', '+1', '-1', '1 1', '0x1', '1,1', '99999999999999999999']) {
  resets('8.1.1', `content-length "${value}"`, 'PROTOCOL_ERROR', post(1, '/up', [['content-length', value]]));
}
resets('8.1.1', 'content-length twice', 'PROTOCOL_ERROR', post(1, '/up', [['content-length', '1'], ['content-length', '1']]), data(1, 'x'));

// 8.2 Fields
for (const name of ['X', 'xY', 'x y', 'x:y', 'x\0', 'x\r', 'x\n', 'x\ty', 'x\x7f', 'x\xe9', 'x(y)', '']) {
  withField('8.2.1', `the name ${JSON.stringify(name)}`, [name, 'v']);
}
for (const value of ['a\0', 'a\rb', 'a\nb', 'a\r\nx: y', '\r\n', ' a', 'a ', '\ta', 'a\t', 'a\x7f', '\x01']) {
  withField('8.2.1', `the value ${JSON.stringify(value)}`, ['x', value]);
}
for (const value of ['', 'a b', 'a\tb', 'caf\xe9', '"', '\\']) passes('8.2.1', `the value ${JSON.stringify(value)} may stand`, get(1, '/ok', [['x', value]]));
for (const [name, value] of [['connection', 'close'], ['keep-alive', '5'], ['proxy-connection', 'keep-alive'], ['transfer-encoding', 'chunked'], ['upgrade', 'h2c'], ['te', 'gzip'], ['te', 'trailers, gzip'], ['te', '']] as const) {
  withField('8.2.2', `${name}: ${value}`, [name, value]);
}
passes('8.2.2', 'te: trailers', get(1, '/ok', [['te', 'trailers']]));
passes('8.2.3', 'cookies in crumbs', get(1, '/ok', [['cookie', 'a=1'], ['x', 'y'], ['cookie', 'b=2']]));

// 8.3 Control data
for (const name of [':method', ':scheme', ':path']) malformed('8.3.1', `without ${name}`, pseudo('/ok', { [name]: null }));
for (const [name, value] of [[':method', 'GET'], [':scheme', 'http'], [':path', '/ok'], [':authority', 'a']] as const) {
  malformed('8.3', `${name} twice`, [...pseudo('/ok'), [name, value]]);
}
malformed('8.3', 'a pseudo-header behind a field', [...pseudo('/ok', { ':path': null }), ['x', 'y'], [':path', '/ok']]);
malformed('8.3', 'an unknown pseudo-header', [...pseudo('/ok'), [':version', '2']]);
malformed('8.3', 'a pseudo-header of answers', [...pseudo('/ok'), [':status', '200']]);
malformed('8.3', 'a pseudo-header in capitals', [...pseudo('/ok', { ':path': null }), [':Path', '/ok']]);
malformed('8.3', 'nothing but a colon', [...pseudo('/ok'), [':', 'x']]);
malformed('8.3', 'an empty head', []);
for (const path of ['', 'ok', '*', '/a b', '/a#b', '/a\0', '/a\r\nx: y', '/caf\xe9', 'http://b/']) malformed('8.3.1', `the path ${JSON.stringify(path)}`, pseudo(path));
for (const method of ['', 'G T', 'GET\r\n', 'G(T)', 'GET\0']) malformed('8.3.1', `the method ${JSON.stringify(method)}`, pseudo('/ok', { ':method': method }));
for (const scheme of ['', 'ftp', 'HTTP', 'http:', 'http\0']) malformed('8.3.1', `the scheme ${JSON.stringify(scheme)}`, pseudo('/ok', { ':scheme': scheme }));
for (const authority of ['user@a', 'a b', 'a/b', 'a\r\nx: y', 'a\0', 'a:b:c', 'a,b', 'a:99999']) {
  malformed('8.3.1', `the authority ${JSON.stringify(authority)}`, pseudo('/ok', { ':authority': authority }));
}
malformed('8.3.1', 'a host that says something else', [...pseudo('/ok'), ['host', 'b']]);
malformed('8.3.1', 'two hosts', [...pseudo('/ok', { ':authority': null }), ['host', 'a'], ['host', 'a']]);
passes('8.3.1', 'a host that says the same', get(1, '/ok', [['host', 'a']]));
passes('8.3.1', 'host alone', headers(1, [...pseudo('/ok', { ':authority': null }), ['host', 'a']]));
passes('8.3.1', 'an authority with a port', headers(1, pseudo('/ok', { ':authority': '[::1]:8080' })));
passes('8.3.1', 'the scheme https', headers(1, pseudo('/ok', { ':scheme': 'https' })));
add('8.3.1', 'neither host nor authority', '1:400', headers(1, pseudo('/ok', { ':authority': null })));
add('8.3.1', 'OPTIONS *', '', headers(1, pseudo('*', { ':method': 'OPTIONS' })));

// 8.5 CONNECT
const connect = (over: Readonly<Record<string, string | null>>): Buffer => headers(1, pseudo('', { ':method': 'CONNECT', ':scheme': null, ':path': null, ':authority': 'b:443', ...over }), END_HEADERS);
resets('8.5', 'CONNECT with a path', 'PROTOCOL_ERROR', connect({ ':path': '/' }));
resets('8.5', 'CONNECT with a scheme', 'PROTOCOL_ERROR', connect({ ':scheme': 'http' }));
resets('8.5', 'CONNECT without an authority', 'PROTOCOL_ERROR', connect({ ':authority': null }));
resets('8.5', 'CONNECT to nowhere', 'PROTOCOL_ERROR', connect({ ':authority': '' }));
resets('RFC 8441', ':protocol that was not offered', 'PROTOCOL_ERROR', connect({ ':scheme': 'http', ':path': '/ok', ':protocol': 'websocket' }));

export const H2_VECTORS: readonly Vector[] = vectors;
