// A client that sends exactly the bytes it is told to, cut where it is told to, and reads answers with the strict reader
// of http-message.ts. Test code only.

import { connect, type Socket } from 'node:net';
import { once } from 'node:events';

import { ByteReader, type Ending } from './byte-reader.ts';
import { sleep, within } from './deadline.ts';
import { framingOf, readBody, readResponseHead, type Body, type ResponseHead } from './http-message.ts';

export interface Answer extends ResponseHead, Body {
  /** The 1xx answers that came before. */
  readonly interim: readonly ResponseHead[];
  /** The body as latin1 text. */
  readonly text: string;
}

export interface ClientOptions {
  /** The address to call from (`127.0.2.5`). */
  readonly from?: string;
  /** Kernel receive buffer is left alone; this is Node's own portion. */
  readonly highWaterMark?: number;
}

/** `127.0.0.1:80`, `[::1]:80`, `unix:/path`. */
export function dialOptions(address: string): { path: string } | { host: string; port: number } {
  if (address.startsWith('unix:')) {
    const path = address.slice(5);
    return { path: path.startsWith('@') ? `\0${path.slice(1)}` : path };
  }
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}

export class RawClient {
  readonly socket: Socket;
  readonly reader: ByteReader;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.reader = new ByteReader(socket);
  }

  static async connect(address: string, options: ClientOptions = {}): Promise<RawClient> {
    const socket = connect({
      ...dialOptions(address),
      ...(options.from === undefined ? {} : { localAddress: options.from }),
      allowHalfOpen: true,
      noDelay: true,
    });
    const client = new RawClient(socket);
    await within(`a connection to ${address}`, once(socket, 'connect'));
    return client;
  }

  /** Strings are latin1. */
  write(bytes: string | Buffer): this {
    if (typeof bytes === 'string') this.socket.write(bytes, 'latin1');
    else this.socket.write(bytes);
    return this;
  }

  /** Writes and waits until the kernel has taken everything. */
  async send(bytes: string | Buffer): Promise<void> {
    await new Promise<void>((resolve) => {
      this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, () => resolve());
    });
  }

  /** One segment per piece, with a pause in between so that the other side reads them one by one. */
  async sendPieces(pieces: readonly (string | Buffer)[], gapMs = 3): Promise<void> {
    for (const piece of pieces) {
      await this.send(piece);
      await sleep(gapMs);
    }
  }

  /** The next head alone, interim or final. */
  async head(patienceMs?: number): Promise<ResponseHead> {
    return readResponseHead(this.reader, patienceMs);
  }

  /** The next final answer as a whole. `method` is that of the request it answers. */
  async answer(method = 'GET', patienceMs?: number): Promise<Answer> {
    const interim: ResponseHead[] = [];
    let head = await this.head(patienceMs);
    while (head.status < 200 && head.status !== 101) {
      framingOf(head, { request: false, method, status: head.status });
      interim.push(head);
      head = await this.head(patienceMs);
    }
    const body = await readBody(this.reader, head, framingOf(head, { request: false, method, status: head.status }));
    return { ...head, ...body, interim, text: body.bytes.toString('latin1') };
  }

  async exchange(bytes: string | Buffer, method?: string): Promise<Answer> {
    this.write(bytes);
    return this.answer(method ?? methodOf(bytes));
  }

  /** FIN: nothing more will be sent; reading goes on. */
  finish(): void {
    this.socket.end();
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  /** Gone at once, with a FIN (or an RST when bytes were unread). */
  destroy(): void {
    this.socket.destroy();
  }

  /** Waits for the peer to close and says how, and what it had still sent. */
  async ended(patienceMs?: number): Promise<{ how: Ending; rest: string }> {
    const { how, rest } = await this.reader.toEnd(patienceMs);
    return { how, rest: rest.toString('latin1') };
  }
}

function methodOf(bytes: string | Buffer): string {
  const text = typeof bytes === 'string' ? bytes : bytes.toString('latin1', 0, 32);
  return text.slice(0, text.indexOf(' '));
}

/** The text of a request. `host` is added unless the fields have one. */
export function request(method: string, target: string, fields: Readonly<Record<string, string>> = {}, body = ''): string {
  const named = Object.keys(fields).map((name) => name.toLowerCase());
  const host = named.includes('host') ? '' : 'Host: test.local\r\n';
  const sized = body === '' || named.includes('content-length') || named.includes('transfer-encoding');
  const length = sized ? '' : `Content-Length: ${body.length}\r\n`;
  const lines = Object.entries(fields).map(([name, text]) => `${name}: ${text}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${host}${lines.join('')}${length}\r\n${body}`;
}

/** One request on a connection of its own. */
export async function exchangeOnce(address: string, bytes: string | Buffer, options: ClientOptions & { method?: string } = {}): Promise<Answer> {
  const client = await RawClient.connect(address, options);
  try {
    return await client.exchange(bytes, options.method);
  } finally {
    client.destroy();
  }
}

export function get(address: string, target: string, fields: Readonly<Record<string, string>> = {}, options: ClientOptions = {}): Promise<Answer> {
  return exchangeOnce(address, request('GET', target, fields), options);
}

