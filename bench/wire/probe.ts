// One honest request before anything is measured: a contender that answers wrongly has no figures.

import { request } from 'node:http';
import { FILES, SMALL_BODY } from './cases.ts';
import type { WireCase } from './cases.ts';

interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

function send(wire: WireCase, port: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const method = wire.uploadBytes > 0 ? 'POST' : 'GET';
    const outgoing = request({ host: '127.0.0.1', port, path: wire.path, method, agent: false, timeout: 10_000 });
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

function expectedBody(wire: WireCase): Buffer {
  if (wire.uploadBytes > 0) return Buffer.from('received\n');
  const size = FILES[wire.path.slice(1)];
  return size === undefined ? Buffer.from(SMALL_BODY) : Buffer.alloc(size, 'x');
}

/** What is wrong with its answer, or null. */
export async function probe(wire: WireCase, port: number): Promise<string | null> {
  try {
    const { status, body } = await send(wire, port);
    if (status !== 200) return `answers ${status}`;
    return body.equals(expectedBody(wire)) ? null : `answers with a wrong body of ${body.length} bytes`;
  } catch (error) {
    return `does not answer: ${(error as Error).message}`;
  }
}
