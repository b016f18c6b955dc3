// A process of its own: the upstream in plain Node. It reads every upload to its end before it answers, which a static
// server need not do; where nginx is not installed it serves everything else too.
//   node http1.js PORT

import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { EXTRA_RESPONSE_HEADERS, FILES, SMALL_BODY } from '../bodies.ts';

const HEAD_END = '\r\n\r\n';
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

function answer(body: Buffer, headers: readonly (readonly [string, string])[] = []): Buffer {
  const lines = [['Server', 'upstream'], ['Content-Type', 'application/octet-stream'], ...headers]
    .map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const date = `Date: ${new Date().toUTCString()}\r\n`;
  return Buffer.concat([
    Buffer.from(`HTTP/1.1 200 OK\r\n${lines}${date}Content-Length: ${body.length}\r\nConnection: keep-alive\r\n\r\n`),
    body,
  ]);
}

const ANSWERS = new Map<string, Buffer>([
  ['/small', answer(Buffer.from(SMALL_BODY))],
  ['/browser', answer(Buffer.from(SMALL_BODY), EXTRA_RESPONSE_HEADERS)],
  ...Object.entries(FILES).map(([name, size]) => [`/${name}`, answer(Buffer.alloc(size, 'x'))] as const),
]);
const NOT_FOUND = Buffer.from('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');

/** One connection: requests one after another, an upload counted and thrown away. */
class Connection {
  private readonly socket: Socket;
  private head = '';
  private path = '';
  /** Bytes of the upload still to come; -1: chunked, its end is looked for. */
  private left = 0;
  private received = 0;
  private tail = Buffer.alloc(0);
  private inBody = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    socket.on('error', () => socket.destroy());
  }

  private take(chunk: Buffer): void {
    if (this.inBody) {
      this.takeBody(chunk);
      return;
    }
    this.head += chunk.latin1Slice();
    const end = this.head.indexOf(HEAD_END);
    if (end < 0) return;
    const head = this.head.slice(0, end).toLowerCase();
    const rest = this.head.slice(end + HEAD_END.length);
    this.path = this.head.split(' ', 2)[1] ?? '';
    this.head = '';
    this.received = 0;
    this.left = head.includes('transfer-encoding: chunked')
      ? -1 : Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0);
    if (this.left === 0) {
      this.reply();
      return;
    }
    this.inBody = true;
    if (rest !== '') this.takeBody(Buffer.from(rest, 'latin1'));
  }

  private takeBody(chunk: Buffer): void {
    this.received += chunk.length;
    if (this.left < 0) {
      this.tail = Buffer.concat([this.tail, chunk.subarray(-LAST_CHUNK.length)]).subarray(-LAST_CHUNK.length);
      if (this.tail.equals(LAST_CHUNK)) this.reply();
      return;
    }
    this.left -= chunk.length;
    if (this.left <= 0) this.reply();
  }

  private reply(): void {
    this.inBody = false;
    this.tail = Buffer.alloc(0);
    if (this.path === '/upload') this.socket.write(answer(Buffer.from('received\n')));
    else this.socket.write(ANSWERS.get(this.path) ?? NOT_FOUND);
  }
}

createServer((socket) => new Connection(socket)).listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });
