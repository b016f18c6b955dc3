// A process of its own: an echo of WebSocket messages over plain sockets. A message comes masked with the key zero (so
// sends our generator) and goes back unmasked, as RFC 6455 wants it from a server.
//   node websocket.js PORT

import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { frame } from '../websocket.ts';

const HEAD_END = '\r\n\r\n';
const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

class Echo {
  private readonly socket: Socket;
  private isOpen = false;
  private held: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    socket.on('error', () => socket.destroy());
  }

  private take(chunk: Buffer): void {
    this.held = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    if (!this.isOpen) this.upgrade();
    while (this.isOpen && this.answerOne());
  }

  private upgrade(): void {
    const end = this.held.indexOf(HEAD_END);
    if (end < 0) return;
    const key = /^sec-websocket-key: *(\S+)/im.exec(this.held.latin1Slice(0, end))?.[1];
    this.held = this.held.subarray(end + HEAD_END.length);
    if (key === undefined) {
      this.socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return;
    }
    const accept = createHash('sha1').update(key + MAGIC).digest('base64');
    this.socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
      + `Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
    this.isOpen = true;
  }

  /** False when no whole frame is there. */
  private answerOne(): boolean {
    const { held } = this;
    if (held.length < 2) return false;
    const short = (held[1] ?? 0) & 127;
    const headLength = short < 126 ? 6 : 8;
    if (held.length < headLength) return false;
    const end = headLength + (short < 126 ? short : held.readUInt16BE(2));
    if (held.length < end) return false;
    this.socket.write(frame(held.subarray(headLength, end), false));
    this.held = held.subarray(end);
    return true;
  }
}

createServer({ noDelay: true }, (socket) => new Echo(socket))
  .listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });
