// The admin server: a small node:http server on the primary, off the data path. It answers pages from tables, refuses
// what is too big or too slow, and never blocks the primary for longer than one page takes to print.

import { unlink } from 'node:fs/promises';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer, request } from 'node:http';
import type { Address } from '../core/address.ts';
import { actionPages } from './admin/action-pages.ts';
import { hookPages } from './admin/hook-pages.ts';
import { hostHookPages } from './admin/host-hook.ts';
import { certPages } from './admin/cert-page.ts';
import { clusterPages } from './admin/cluster-pages.ts';
import { configPages } from './admin/config-page.ts';
import { helpPages, helpText } from './admin/help.ts';
import { listenerPages } from './admin/listener-pages.ts';
import type { Answer, CompileMatcher, Page } from './admin/page.ts';
import { text } from './admin/page.ts';
import type { StatsSource } from './admin/stats-pages.ts';
import { statsPages } from './admin/stats-pages.ts';
import { statusPages } from './admin/status-pages.ts';
import type { AdminView } from './admin/view.ts';
import type { Logger } from './log.ts';
import type { HostTable } from '../shared/host-table.ts';
import type { HookAction } from './worker-messages.ts';

export type { CompileMatcher, TextMatcher } from './admin/page.ts';
export type { StatsQuery, StatsSource } from './admin/stats-pages.ts';
export type { AdminView, Published, ServerState } from './admin/view.ts';

export interface AdminServerOptions {
  readonly view: AdminView;
  readonly stats: StatsSource;
  readonly compile: CompileMatcher;
  readonly logger: Logger;
  /** For tests: what makes a worker fail, or tell what it holds. */
  readonly hook?: (worker: number, action: HookAction) => void;
  /** For tests: what stands in for the memory that is measured. */
  readonly pressure?: (share: number | null) => void;
  /** For tests: whose flags they may set. */
  readonly hostTable?: HostTable;
}

/** Nobody has a reason to send more than a query. */
const MAX_HEAD_BYTES = 16 << 10;
const MAX_BODY_BYTES = 64 << 10;
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000; // longer than the usual scrape interval
const MAX_CONNECTIONS = 256;

export class AdminServer {
  private readonly options: AdminServerOptions;
  private readonly pages: ReadonlyMap<string, Page>;
  private readonly server: Server;

  constructor(options: AdminServerOptions) {
    const { view, stats, compile } = options;
    this.options = options;
    const all: Page[] = [
      ...helpPages(() => all),
      ...statusPages(view),
      ...clusterPages(view, compile),
      ...listenerPages(view),
      ...configPages(view, compile),
      ...certPages(view),
      ...statsPages(stats, compile),
      ...actionPages(view),
      ...(options.hook === undefined ? [] : hookPages(options.hook, options.pressure)),
      ...(options.hostTable === undefined ? [] : hostHookPages(view, options.hostTable)),
    ];
    this.pages = new Map(all.map((page) => [page.path, page]));
    this.server = createServer(
      {
        maxHeaderSize: MAX_HEAD_BYTES,
        headersTimeout: REQUEST_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        keepAliveTimeout: KEEP_ALIVE_MS,
        connectionsCheckingInterval: 5000,
      },
      (request, response) => this.onRequest(request, response),
    );
    this.server.maxConnections = MAX_CONNECTIONS;
  }

  /** Binds. @returns the address with its real port; throws an Error with `code`. */
  async listen(address: Address): Promise<Address> {
    if (address.kind === 'unix') {
      await removeStaleSocket(address.path);
      // Node writes an abstract name with a NUL where ours has an @.
      await this.bind({ path: address.path.startsWith('@') ? `\0${address.path.slice(1)}` : address.path });
      return address;
    }
    await this.bind({ host: address.host, port: address.port });
    const bound = this.server.address();
    return { ...address, port: typeof bound === 'object' && bound !== null ? bound.port : address.port };
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve()); // also removes the file of a unix socket
      this.server.closeAllConnections();
    });
  }

  private bind(where: { host: string; port: number } | { path: string }): Promise<void> {
    const { server } = this;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(where, () => {
        server.off('error', reject);
        server.on('error', (error) => this.options.logger.unexpected('admin server', error));
        resolve();
      });
    });
  }

  private onRequest(request: IncomingMessage, response: ServerResponse): void {
    let bodyBytes = 0;
    request.on('data', (chunk: Buffer) => {
      bodyBytes += chunk.length;
      if (bodyBytes > MAX_BODY_BYTES && !response.headersSent) {
        response.setHeader('connection', 'close');
        send(request, response, text('request body too large\n', 413));
      }
    });
    request.on('end', () => {
      if (response.headersSent) return;
      this.answer(request).then(
        (answer) => send(request, response, answer),
        (error: unknown) => {
          this.options.logger.unexpected(`admin page ${request.url ?? ''}`, error);
          send(request, response, text('internal error; see the log\n', 500));
        },
      );
    });
  }

  private async answer(request: IncomingMessage): Promise<Answer> {
    const url = request.url ?? '/';
    const cut = url.indexOf('?');
    const page = this.pages.get(cut < 0 ? url : url.slice(0, cut));
    if (page === undefined) return text(`invalid path. ${helpText([...this.pages.values()])}`, 404);
    if (page.mutates && request.method !== 'POST') return text(`Method ${request.method} not allowed, POST required.`, 405);
    return await page.answer(new URLSearchParams(cut < 0 ? '' : url.slice(cut + 1)));
  }
}

function send(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, {
    'content-type': answer.type,
    'cache-control': 'no-cache, max-age=0',
    'x-content-type-options': 'nosniff',
    server: 'nuncio',
    'content-length': Buffer.byteLength(answer.body),
  });
  response.end(request.method === 'HEAD' ? undefined : answer.body);
}

/** A process that was killed leaves its socket's file behind: nobody answers there, and it would be in the way. */
async function removeStaleSocket(path: string): Promise<void> {
  if (path.startsWith('@')) return;
  const stale = await new Promise<boolean>((resolve) => {
    const knock = request({ socketPath: path, path: '/ready', timeout: REQUEST_TIMEOUT_MS });
    knock.on('response', () => resolve(false));
    knock.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
    knock.on('timeout', () => knock.destroy());
    knock.on('close', () => resolve(false));
    knock.end();
  });
  if (stale) await unlink(path);
}
