// An upstream that fails as it is told to, over HTTP/1.1 or HTTP/2, and counts who came. Test code only.

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createH2, type Http2Server } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';

/** A status; a broken connection or stream; no answer at all; a gRPC answer that says UNAVAILABLE in its head. */
export type Conduct = number | 'reset' | 'hang' | 'unavailable';

const UNAVAILABLE = { 'content-type': 'application/grpc', 'grpc-status': '14' };

export class FailingHost {
  conduct: Conduct = 200;
  /** Requests. */
  hits = 0;
  /** Connections that have ever been made. */
  connections = 0;
  address = '';
  private readonly server: Server | Http2Server;
  private readonly sockets = new Set<Socket>();

  private constructor(protocol: 'http1' | 'http2') {
    this.server = protocol === 'http1' ? this.makeH1() : this.makeH2();
    this.server.on('connection', (socket: Socket) => {
      this.connections++;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => undefined);
    });
  }

  static async start(protocol: 'http1' | 'http2' = 'http1'): Promise<FailingHost> {
    const host = new FailingHost(protocol);
    host.server.listen(0, '127.0.0.1');
    await once(host.server, 'listening');
    host.address = `127.0.0.1:${(host.server.address() as AddressInfo).port}`;
    return host;
  }

  /** From then on its address refuses. */
  stop(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private makeH1(): Server {
    return createServer((request, response) => {
      this.hits++;
      request.resume();
      if (this.conduct === 'reset') request.socket.resetAndDestroy();
      else if (this.conduct === 'unavailable') response.writeHead(200, UNAVAILABLE).end();
      else if (this.conduct !== 'hang') response.writeHead(this.conduct).end();
    });
  }

  private makeH2(): Http2Server {
    const server = createH2();
    server.on('stream', (stream) => {
      this.hits++;
      stream.on('error', () => undefined);
      stream.resume();
      if (this.conduct === 'reset') stream.close(2);
      else if (this.conduct === 'unavailable') stream.respond({ ':status': 200, ...UNAVAILABLE }, { endStream: true });
      else if (this.conduct !== 'hang') stream.respond({ ':status': this.conduct }, { endStream: true });
    });
    return server;
  }
}
