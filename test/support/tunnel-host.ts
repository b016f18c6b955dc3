// A host behind an HTTP/2 cluster that takes tunnels: a node:http2 server which hands each stream to whoever waits for its
// path (or its authority, for plain CONNECT), and answers everything else. Test code only.

import { once } from 'node:events';
import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';

import { within } from './deadline.ts';

export interface Arrival {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly session: ServerHttp2Session;
}

export class TunnelHost {
  readonly sessions = new Set<ServerHttp2Session>();
  /** `METHOD target` of all that came. */
  readonly seen: string[] = [];
  private readonly server: Http2Server;
  private readonly waiting = new Map<string, (arrival: Arrival) => void>();

  constructor(enableConnectProtocol: boolean) {
    this.server = createServer({ settings: { enableConnectProtocol } });
    this.server.on('session', (session) => {
      this.sessions.add(session);
      session.on('close', () => this.sessions.delete(session));
      session.on('error', () => undefined);
    });
    this.server.on('stream', (stream, headers) => this.take(stream, headers));
  }

  async start(): Promise<this> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.close();
    for (const session of this.sessions) session.destroy();
  }

  /** The next stream for this target. */
  next(target: string): Promise<Arrival> {
    return within(`a stream for ${target}`, new Promise((resolve) => this.waiting.set(target, resolve)));
  }

  private take(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const target = headers[':path'] ?? headers[':authority'] ?? '';
    const waiting = this.waiting.get(target);
    this.seen.push(`${headers[':method']} ${target}`);
    stream.on('error', () => undefined);
    if (waiting !== undefined) {
      this.waiting.delete(target);
      stream.on('readable', () => undefined); // Node's server gives a direction up that nobody listens to
      waiting({ stream, headers, session: stream.session as ServerHttp2Session });
    } else if (target.startsWith('/echo')) {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    } else {
      stream.respond({ ':status': 200 });
      stream.end(`plain ${target}`);
    }
  }
}
