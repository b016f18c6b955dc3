// A scripted upstream on a raw socket: sends exactly the bytes of its script, keeps exactly the bytes it got, and judges
// the requests with the strict reader of http-message.ts. Test code only.
// One origin serves many cases at once: each registers its script under the first segment of its own path.

import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { rmSync } from 'node:fs';

import { ByteReader, StreamEnded, type Ending } from './byte-reader.ts';
import { waitFor } from './deadline.ts';
import { framingOf, readBody, readRequestHead, type Body, type RequestHead } from './http-message.ts';

export type Script = (exchange: Exchange) => void | Promise<void>;

/** What one connection saw, for as long as the origin lives. */
export class OriginConnection {
  readonly socket: Socket;
  readonly reader: ByteReader;
  readonly number: number;
  /** Requests whose heads have been read on this connection. */
  requests = 0;
  /** null while open. */
  ended: Ending | null = null;
  /** Every byte received, while `keepBytes` is on. */
  private readonly received: Buffer[] = [];

  constructor(socket: Socket, number: number, keepBytes: boolean) {
    this.socket = socket;
    this.number = number;
    // An origin waits for as long as its test does.
    this.reader = new ByteReader(socket, 600_000);
    if (keepBytes) socket.on('data', (bytes: Buffer) => this.received.push(bytes));
    socket.on('end', () => (this.ended ??= 'fin'));
    socket.on('error', () => (this.ended = 'reset'));
    socket.on('close', () => (this.ended ??= 'local'));
  }

  get bytes(): string {
    return Buffer.concat(this.received).toString('latin1');
  }
}

/** One request and the means to answer it. */
export class Exchange {
  readonly head: RequestHead;
  readonly connection: OriginConnection;
  private whole: Promise<Body> | null = null;

  constructor(head: RequestHead, connection: OriginConnection) {
    this.head = head;
    this.connection = connection;
  }

  /** Reads the rest of the request, once. `onBytes` takes the portions instead of their being kept. */
  body(onBytes?: (bytes: Buffer) => void | Promise<void>): Promise<Body> {
    this.whole ??= readBody(this.connection.reader, this.head, framingOf(this.head, { request: true }), onBytes);
    return this.whole;
  }

  /** Exact bytes; strings are latin1. Resolves when the kernel has taken them. */
  send(bytes: string | Buffer): Promise<void> {
    const buffer = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    return new Promise((resolve) => this.connection.socket.write(buffer, () => resolve()));
  }

  /** A plain answer with a length. */
  reply(status: number, fields: Readonly<Record<string, string>> = {}, body = ''): Promise<void> {
    const lines = Object.entries(fields).map(([name, text]) => `${name}: ${text}\r\n`);
    return this.send(`HTTP/1.1 ${status} Status\r\n${lines.join('')}content-length: ${body.length}\r\n\r\n${body}`);
  }

  finish(): void {
    this.connection.socket.end();
  }

  reset(): void {
    this.connection.socket.resetAndDestroy();
  }

  destroy(): void {
    this.connection.socket.destroy();
  }

  /** Resolves when the proxy has closed this connection, with how it did. */
  closed(patienceMs?: number): Promise<Ending> {
    return waitFor(`the proxy to close connection ${this.connection.number}`, () => this.connection.ended, patienceMs);
  }
}

/** Answers 200 with the method, target and body length, so that a test sees whom it reached. */
export const greet: Script = async (exchange) => {
  const body = await exchange.body();
  await exchange.reply(200, { 'x-origin': 'yes' }, `${exchange.head.method} ${exchange.head.target} ${body.bytes.length}`);
};

/** Answers 200 with the request's head as its body. */
export const echoHead: Script = async (exchange) => {
  await exchange.body();
  await exchange.reply(200, {}, exchange.head.raw);
};

export interface OriginOptions {
  /** An IP or `unix:/path`. */
  readonly host?: string;
  /** A free one by default. */
  readonly port?: number;
  readonly script?: Script;
  readonly keepBytes?: boolean;
}

export class Origin {
  /** As a configuration names it. */
  address = '';
  /** What answers when no path matches. */
  script: Script;
  readonly connections: OriginConnection[] = [];
  /** Every request head in the order of arrival. */
  readonly requests: RequestHead[] = [];
  /** What the proxy sent that no proxy may send. A test's end checks that it is empty. */
  readonly violations: string[] = [];
  private readonly scripts = new Map<string, Script>();
  private readonly server: Server;
  private readonly keepBytes: boolean;

  private constructor(options: OriginOptions) {
    this.script = options.script ?? greet;
    this.keepBytes = options.keepBytes ?? true;
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const connection = new OriginConnection(socket, this.connections.length, this.keepBytes);
      this.connections.push(connection);
      void this.serve(connection);
    });
  }

  static async start(options: OriginOptions = {}): Promise<Origin> {
    const origin = new Origin(options);
    const host = options.host ?? '127.0.0.1';
    if (host.startsWith('unix:')) {
      rmSync(host.slice(5), { force: true });
      origin.server.listen({ path: host.slice(5) });
      await once(origin.server, 'listening');
      origin.address = host;
    } else {
      origin.server.listen({ host, port: options.port ?? 0, backlog: 4096 });
      await once(origin.server, 'listening');
      const { port } = origin.server.address() as { port: number };
      origin.address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    }
    return origin;
  }

  /** The script for every target whose first segment is `segment` (`/name`, `/name/…`, `/name?…`). */
  on(segment: string, script: Script): void {
    this.scripts.set(segment, script);
  }

  get open(): number {
    return this.connections.filter((connection) => connection.ended === null).length;
  }

  /** The requests whose target starts with `prefix`. */
  seen(prefix: string): RequestHead[] {
    return this.requests.filter((head) => head.target.startsWith(prefix));
  }

  async stop(): Promise<void> {
    this.server.close();
    for (const { socket } of this.connections) socket.destroy();
    await once(this.server, 'close');
  }

  private async serve(connection: OriginConnection): Promise<void> {
    try {
      for (;;) {
        const head = await readRequestHead(connection.reader);
        connection.requests++;
        this.requests.push(head);
        const exchange = new Exchange(head, connection);
        await this.scriptFor(head.target)(exchange);
        if (connection.ended !== null || connection.socket.writableEnded) return;
        await exchange.body();
      }
    } catch (error) {
      this.judge(connection, error as Error);
    }
  }

  private scriptFor(target: string): Script {
    const path = target.replace(/^https?:\/\/[^/]*/, '');
    const segment = /^\/[^/?#]*/.exec(path)?.[0] ?? path;
    return this.scripts.get(segment) ?? this.script;
  }

  // A connection that ends between requests, or in one that was cut, is the test's business; other bytes are a fault.
  private judge(connection: OriginConnection, error: Error): void {
    if (error instanceof StreamEnded) {
      connection.socket.end();
      if (connection.requests > 0 || error.rest.length === 0) return;
    }
    if (connection.ended === 'reset' || connection.socket.destroyed) return;
    this.violations.push(`connection ${connection.number}: ${error.message}`);
  }
}
