// A Stream with nothing but its fields, for what only reads them.

import { fieldId, Head } from '../../src/core/head.ts';
import { type DownStream, Stream } from '../../src/core/stream.ts';

const down: DownStream = {
  protocol: 'HTTP/1.1',
  writeInterim() {},
  writeHead: () => true,
  writeData: () => true,
  pause() {},
  resume() {},
  reset() {},
};

export class LogStream extends Stream {
  override reqHead: Head = new Head();
  override resHead: Head = new Head();
  override begin(): void {}
  override refuse(): void {}
  override requestData(): void {}
  override abandon(): void {}
  override forget(): void {}
  override downWritable(): void {}
  override downReset(): void {}
  override release(): void {}
  override upReady(): void {}
  override upFailed(): void {}
  override upWritable(): void {}
  override responseInterim(): void {}
  override responseHead(): void {}
  override responseData(): void {}
  override upReset(): void {}
}

export type Fields = readonly (readonly [name: string, value: string])[];

/** As a parser fills it: bytes, spans and ids. Values are byte strings. */
export function fill(head: Head, fields: Fields): void {
  head.reset();
  const text = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  head.buf = Buffer.from(`xx${text}`, 'latin1');
  head.base = 2;
  head.length = text.length;
  let at = 0;
  for (const [name, value] of fields) {
    const valueAt = at + name.length + 2;
    head.addSpan(at, at + name.length, valueAt, valueAt + value.length, fieldId(name.toLowerCase()));
    at = valueAt + value.length + 2;
  }
}

/** 2026-11-23T18:22:15.027311Z, a request to 127.0.0.1:19000 that an upstream answered with 200 after 11.078 ms. */
export function answered(part: Partial<LogStream> = {}, request: Fields = [], response: Fields = []): LogStream {
  const stream = new LogStream();
  fill(stream.reqHead, [['Host', '127.0.0.1:19000'], ['User-Agent', 'curl/7.88.1'], ...request]);
  fill(stream.resHead, [['Content-Type', 'text/plain'], ...response]);
  stream.reqHead.add('x-forwarded-for', '192.0.2.2');
  stream.reqHead.add('x-request-id', 'ce9732ba-ad56-4151-b090-1db00bcf96d1');
  stream.resHead.add('x-envoy-upstream-service-time', '10');
  return Object.assign(stream, {
    down,
    method: 'GET',
    path: '/a/one?a=1',
    authority: '127.0.0.1:19000',
    status: 200,
    connectionId: 1,
    remoteAddress: '127.0.0.1',
    remotePort: 43442,
    localAddress: '127.0.0.1',
    localPort: 19000,
    trustedAddress: '127.0.0.1',
    clusterName: 'app',
    upstreamHost: '127.0.0.1:19100',
    upstreamLocalAddress: '127.0.0.1:37358',
    upstreamConnectionId: 2,
    upstreamProtocol: 'HTTP/1.1',
    details: 'via_upstream',
    bytesSent: 11,
    attempts: 1,
    startWall: 1795458135027.311,
    startAt: 5000.1,
    requestEndAt: 5000.2,
    upstreamStartAt: 5000.9,
    responseStartAt: 5011,
    endAt: 5011.178,
  }, part);
}

/** A request that Nuncio answered itself. */
export function repliedLocally(part: Partial<LogStream> = {}): LogStream {
  const stream = answered({
    clusterName: '',
    upstreamHost: '',
    upstreamLocalAddress: '',
    upstreamConnectionId: 0,
    upstreamProtocol: '',
    bytesSent: 0,
    attempts: 0,
    upstreamStartAt: 0,
    endAt: 5000.3,
    ...part,
  });
  stream.resHead.reset();
  return stream;
}

/** What the parser refused before there was a request. */
export function refused(part: Partial<LogStream> = {}): LogStream {
  const stream = repliedLocally({ method: '', path: '', authority: '', requestEndAt: 0, ...part });
  stream.reqHead.reset();
  return stream;
}
