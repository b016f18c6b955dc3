// What heads say of a gRPC call: the type, the time-out, the status, the message.

import t from 'tap';

import { Head } from '../../src/core/head.ts';
import { grpcStatusIn, grpcTimeout, isGrpc, writeGrpcMessage, writeGrpcTimeout } from '../../src/http/grpc.ts';
import { parseRequestHead } from '../../src/http/h1-parser.ts';
import { DEFAULT_HEAD_LIMITS } from '../../src/http/h1-state.ts';

function head(fields: Readonly<Record<string, string>>): Head {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join('');
  // Something before it, as in a buffer that other heads stand in.
  const bytes = Buffer.from(`junk POST / HTTP/1.1\r\nhost: a\r\n${lines}\r\n`, 'latin1');
  const made = new Head();
  if (parseRequestHead(made, bytes, 5, bytes.length, DEFAULT_HEAD_LIMITS) <= 0) throw new Error('no head');
  return made;
}

t.test('what a call is', async (t) => {
  for (const type of ['application/grpc', 'application/grpc+proto', 'application/grpc+', 'application/grpc;charset=utf-8']) t.ok(isGrpc(head({ 'Content-Type': type })), type);
  for (const type of ['application/grp', 'application/grpc-web', 'application/grpc-web+proto', 'application/grpcx', 'Application/grpc', 'x/application/grpc', 'application/grpc ;a=b', 'application/json']) {
    t.notOk(isGrpc(head({ 'Content-Type': type })), type);
  }
  t.notOk(isGrpc(head({})));
  t.notOk(isGrpc(head({ 'Content-Type': '' })));
  // What stands behind the value in the buffer is none of it.
  t.notOk(isGrpc(head({ 'Content-Type': 'application/', grpc: 'x' })));
});

t.test('the time-out', async (t) => {
  const of = (text: string): number => grpcTimeout(head({ 'grpc-timeout': text }));
  for (const [text, ms] of [
    ['1H', 3_600_000], ['2M', 120_000], ['3S', 3000], ['15m', 15], ['0m', 0], ['1u', 1], ['1000u', 1], ['1001u', 2], ['1n', 1], ['99999999n', 100],
    ['99999999H', 99_999_999 * 3_600_000], ['00000001m', 1],
  ] as const) t.equal(of(text), ms, text);
  for (const text of ['', '1', 'm', '1s', '1h', '1 m', '-1m', '+1m', '1.5S', '1e3m', '123456789m', '1mm', '0x1m', 'Sm', '\xB9m']) t.equal(of(text), -1, JSON.stringify(text));
  t.equal(grpcTimeout(head({})), -1);
});

t.test('a time-out written is the same one read, or the longest that fits', async (t) => {
  for (const ms of [1, 999, 15_000, 99_999_999]) {
    t.equal(writeGrpcTimeout(ms), `${ms}m`);
    t.equal(grpcTimeout(head({ 'grpc-timeout': writeGrpcTimeout(ms) })), ms);
  }
  t.equal(writeGrpcTimeout(100_000_000), '100000S');
  t.equal(writeGrpcTimeout(99_999_999_999), '99999999S');
  t.equal(writeGrpcTimeout(100_000_000_000), '27777H');
  t.equal(writeGrpcTimeout(Number.MAX_SAFE_INTEGER), '99999999H');
  for (const ms of [100_000_000, 123_456_789, 1e12, Number.MAX_SAFE_INTEGER]) t.not(grpcTimeout(head({ 'grpc-timeout': writeGrpcTimeout(ms) })), -1, 'lawful');
});

t.test('the status', async (t) => {
  const of = (text: string): number => grpcStatusIn(head({ 'grpc-status': text }));
  for (const [text, status] of [['0', 0], ['14', 14], ['00', 0], ['99', 99], ['999999999', 999_999_999], ['1000000000', 2], ['', 2], ['-1', 2], ['OK', 2], ['1.0', 2], ['1 2', 2]] as const) t.equal(of(text), status, JSON.stringify(text));
  t.equal(grpcStatusIn(head({})), -1);
  t.equal(grpcStatusIn(null), -1);
});

t.test('the message', async (t) => {
  for (const [text, encoded] of [
    ['', ''], ['plain ~text!', 'plain ~text!'], ['100%', '100%25'], ['a\r\nb\tc\0', 'a%0D%0Ab%09c%00'], ['é', '%C3%A9'], ['☺', '%E2%98%BA'],
    ['😈', '%F0%9F%98%88'], ['\x7F', '%7F'], ['\uD800', '%EF%BF%BD'],
  ] as const) t.equal(writeGrpcMessage(text), encoded, JSON.stringify(text));
  let all = '';
  for (let code = 0; code < 0x3000; code += 7) all += String.fromCodePoint(code);
  t.match(writeGrpcMessage(all), /^[\x20-\x7e]*$/);
  t.equal(decodeURIComponent(writeGrpcMessage(all)), all, 'and back');
});
