// One honest request before anything is measured: a contender that answers wrongly has no figures.

import { request } from 'node:http';
import { connect } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { request as requestTls } from 'node:https';
import { FILES, GRPC_HEADERS, GRPC_MESSAGE, GRPC_PATH, SMALL_BODY } from './bodies.ts';
import type { WireCase } from './cases.ts';
import { isHttp2In } from './place.ts';
import { frame, openEcho } from './websocket.ts';

const PATIENCE_MS = 10_000;

interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly grpcStatus?: string;
}

function askHttp1(wire: WireCase, port: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const method = wire.uploadBytes > 0 ? 'POST' : 'GET';
    const options = { host: '127.0.0.1', port, path: wire.path, method, agent: false, timeout: PATIENCE_MS } as const;
    const outgoing = wire.road === 'tls'
      ? requestTls({ ...options, rejectUnauthorized: false, minVersion: 'TLSv1.3' }) : request(options);
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
      response.on('error', reject);
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 10 s')));
    outgoing.on('error', reject);
    outgoing.end(wire.uploadBytes > 0 ? Buffer.alloc(wire.uploadBytes, 'x') : undefined);
  });
}

function openHttp2(session: ClientHttp2Session, wire: WireCase): ClientHttp2Stream {
  if (wire.road !== 'grpc') return session.request({ ':path': wire.path });
  const stream = session.request({ ':method': 'POST', ':path': GRPC_PATH, ...Object.fromEntries(GRPC_HEADERS) });
  stream.end(GRPC_MESSAGE);
  return stream;
}

function askHttp2(wire: WireCase, port: number): Promise<Answer> {
  const session = connect(`http://127.0.0.1:${port}`);
  const answered = new Promise<Answer>((resolve, reject) => {
    session.on('error', reject);
    const stream = openHttp2(session, wire);
    const chunks: Buffer[] = [];
    let [status, grpcStatus] = [0, 'none'];
    stream.on('response', (headers) => (status = headers[':status'] ?? 0));
    stream.on('trailers', (trailers) => (grpcStatus = String(trailers['grpc-status'])));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => resolve({ status, body: Buffer.concat(chunks), grpcStatus }));
    stream.setTimeout(PATIENCE_MS, () => stream.destroy(new Error('no answer within 10 s')));
    stream.on('error', reject);
  });
  return answered.finally(() => session.destroy());
}

function expectedBody(wire: WireCase): Buffer {
  if (wire.road === 'grpc') return GRPC_MESSAGE;
  if (wire.uploadBytes > 0) return Buffer.from('received\n');
  const size = FILES[wire.path.slice(1)];
  return size === undefined ? Buffer.from(SMALL_BODY) : Buffer.alloc(size, 'x');
}

async function probeAnswer(wire: WireCase, port: number): Promise<string | null> {
  const { status, body, grpcStatus } = await (isHttp2In(wire.road) ? askHttp2(wire, port) : askHttp1(wire, port));
  if (status !== 200) return `answers ${status}`;
  if (wire.road === 'grpc' && grpcStatus !== '0') return `answers with grpc-status ${grpcStatus}`;
  return body.equals(expectedBody(wire)) ? null : `answers with a wrong body of ${body.length} bytes`;
}

function probeEcho(wire: WireCase, port: number): Promise<string | null> {
  const payload = Buffer.from(Array.from({ length: wire.uploadBytes }, (_, i) => i & 255));
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('no echo within 10 s')), PATIENCE_MS);
    const events = {
      onEcho(answer: Buffer): void {
        clearTimeout(late);
        client.then((one) => one.close(), reject);
        resolve(answer.equals(frame(payload, false)) ? null : 'echoes other bytes');
      },
      onEnd(why: string): void {
        clearTimeout(late);
        reject(new Error(why));
      },
    };
    const client = openEcho(port, payload, events);
    client.then((one) => one.send(), (error: Error) => events.onEnd(error.message));
  });
}

/** What is wrong with its answer, or null. */
export async function probe(wire: WireCase, port: number): Promise<string | null> {
  try {
    return await (wire.road === 'websocket' ? probeEcho(wire, port) : probeAnswer(wire, port));
  } catch (error) {
    return `does not answer: ${(error as Error).message}`;
  }
}
