// An upstream with moods: well, slow, sick in one of the ways in which services are sick, or gone. Changes from one to the
// other while requests are under way. HTTP/1.1 or HTTP/2 in the clear. Test code only.

import { createServer as createHttp1, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2, type Http2Server, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';

import { sleep } from './deadline.ts';

/** `failing`: answers 503; `hung`: never answers; `breaking`: resets what is asked of it; `gone`: refuses connections. */
export type Mood = 'well' | 'slow' | 'failing' | 'hung' | 'breaking' | 'gone';

const SLOW_MS = 60;
/** An answer that has been handed over is with the kernel by then. */
const FLUSH_MS = 10;

type Incoming = IncomingMessage | Http2ServerRequest;
type Outgoing = ServerResponse | Http2ServerResponse;

export class MoodyHost {
  mood: Mood = 'well';
  /** Requests that were answered well. */
  answered = 0;
  private port = 0;
  private server: Server | Http2Server;
  private readonly http2: boolean;
  private readonly sockets = new Set<Socket>();

  private constructor(http2: boolean) {
    this.http2 = http2;
    this.server = this.makeServer();
  }

  static async start(http2: boolean): Promise<MoodyHost> {
    const host = new MoodyHost(http2);
    await host.listen();
    return host;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Resolves when it is in this mood. */
  async become(mood: Mood): Promise<void> {
    const before = this.mood;
    this.mood = mood;
    if (mood === 'gone') await this.close();
    else if (before === 'gone') await this.listen();
  }

  /** Answers that have begun come whole: what breaks off behind its head cannot be asked for again. Others never come. */
  async close(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    await sleep(FLUSH_MS);
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private async listen(): Promise<void> {
    this.server = this.makeServer();
    this.server.listen({ port: this.port, host: '127.0.0.1', backlog: 1024 });
    await once(this.server, 'listening');
    this.port = (this.server.address() as AddressInfo).port;
  }

  private makeServer(): Server | Http2Server {
    const serve = (request: Incoming, response: Outgoing): void => void this.serve(request, response);
    const server = this.http2 ? createHttp2(serve as never) : createHttp1({ keepAliveTimeout: 0 }, serve as never);
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.sockets.delete(socket));
    });
    if (this.http2) server.on('sessionError', () => undefined);
    return server;
  }

  /** Answers with what it was sent: the caller's number, and the body. */
  private async serve(request: Incoming, response: Outgoing): Promise<void> {
    request.on('error', () => undefined);
    response.on('error', () => undefined);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (this.mood === 'slow') await sleep(SLOW_MS);
    if (this.mood === 'hung') return;
    if (this.mood === 'breaking' || this.mood === 'gone') {
      this.breakOff(request);
      return;
    }
    const body = `${String(request.headers['x-id'])} ${Buffer.concat(chunks).toString('latin1')}`;
    if (this.mood === 'failing') {
      response.writeHead(503);
      response.end('not now');
      return;
    }
    if (request.url !== '/health') this.answered++;
    response.writeHead(200);
    response.end(body);
  }

  private breakOff(request: Incoming): void {
    if ('stream' in request) request.stream.close(2); // INTERNAL_ERROR
    else request.socket.resetAndDestroy();
  }
}
