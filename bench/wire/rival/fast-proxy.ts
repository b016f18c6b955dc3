// A process of its own: fast-proxy with its own defaults (a keep-alive agent of 2,048 sockets).
//   node fast-proxy.js PORT UPSTREAM_PORT

import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createRequire } from 'node:module';

interface FastProxy {
  proxy(request: IncomingMessage, response: ServerResponse, url: string | undefined, options: object): void;
}
const fastProxy = createRequire(import.meta.url)('fast-proxy') as (options: object) => FastProxy;

const [port, upstreamPort] = process.argv.slice(2).map(Number);
const { proxy } = fastProxy({ base: `http://127.0.0.1:${upstreamPort}` });
const server = createServer((request, response) => proxy(request, response, request.url, {}));
server.keepAliveTimeout = 3_600_000;
server.listen({ port, host: '127.0.0.1', backlog: 4096 });
