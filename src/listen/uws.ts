// The third engine: a listener on uWebSockets.js, plaintext HTTP/1.1 on its own parser. Worker thread; owns its app.
// What it cannot do is written down in `src/listen/README.md`; what can be guarded is guarded here: every head is written
// out again and passes our own strict parser before anything is done with it.

import type { HttpConfig, ListenerConfig } from '../config/snapshot.ts';
import type { Address } from '../core/address.ts';
import type { HeadLimits } from '../http/h1-state.ts';
import * as S from '../observe/stat-names.ts';
import { RES_CX } from '../shared/breaker-table.ts';
import type { ListenerPlan } from '../shared/plan.ts';
import type { HttpDoor, ListenTools, Road } from './http-door.ts';
import { Identity } from './identity.ts';
import type { HttpRequest, HttpResponse, ListenSocket, UwsApp, UwsModule } from './uws-types.ts';
import { UwsDown } from './uws-down.ts';

const HIDE_VERSION = '999999990007';

/** Loads the library. Throws an Error that says how to get it. */
export async function loadUws(): Promise<UwsModule> {
  try {
    const name = 'uWebSockets.js';
    const loaded = (await import(name)) as UwsModule & { default?: UwsModule };
    const uws = loaded.App === undefined ? loaded.default! : loaded;
    uws._cfg(HIDE_VERSION); // per thread: no `uWebSockets` field in answers
    return uws;
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new Error(`the uws engine needs uWebSockets.js, which does not load here (${why}): npm install uWebSockets.js@npm:uws-pack@20.0.8, or choose the epoll or node engine`, { cause: error });
  }
}

export interface UwsTools extends ListenTools {
  readonly uws: UwsModule;
}

export class UwsListener implements HttpDoor {
  readonly name: string;
  readonly tools: ListenTools;
  readonly plan: ListenerPlan;
  readonly road: Road;
  config!: HttpConfig;
  limits!: HeadLimits;
  identity!: Identity;
  draining = false;
  readonly uws: UwsModule;
  private readonly app: UwsApp;
  private socket: ListenSocket | null = null;
  private readonly streams = new Set<UwsDown>();
  private maxConnections = 0;
  private open = 0;

  constructor(config: ListenerConfig, plan: ListenerPlan, road: Road, tools: UwsTools) {
    this.name = config.name;
    this.plan = plan;
    this.road = road;
    this.tools = tools;
    this.uws = tools.uws;
    this.app = tools.uws.App();
    this.update(config.http, config.maxConnections);
    this.app.filter((res, change) => this.onConnection(res, change));
    this.app.any('/*', (res, req) => this.onRequest(res, req));
  }

  /** Every worker listens on the same port (SO_REUSEPORT). Throws an Error when it cannot. */
  listen(address: Address): Promise<Address> {
    return new Promise((resolve, reject) => {
      const done = (socket: ListenSocket | false): void => {
        if (socket === false) {
          reject(Object.assign(new Error('uWebSockets.js cannot listen there'), { code: 'EADDRINUSE' }));
          return;
        }
        this.socket = socket;
        resolve(address.kind === 'ip' ? { ...address, port: this.uws.us_socket_local_port(socket) } : address);
      };
      if (address.kind === 'unix') this.app.listen_unix(done, address.path.startsWith('@') ? `\0${address.path.slice(1)}` : address.path);
      else this.app.listen(address.host, address.port, done);
    });
  }

  update(config: HttpConfig, maxConnections: number): void {
    this.config = config;
    this.limits = { maxHeadBytes: config.maxRequestHeadersBytes, maxFields: config.maxRequestHeaders };
    this.identity = new Identity(config, this.tools.random);
    this.maxConnections = maxConnections;
  }

  stop(done: () => void): void {
    if (this.socket !== null) this.uws.us_listen_socket_close(this.socket);
    this.socket = null;
    done();
  }

  drain(): void {
    this.draining = true;
  }

  get connections(): number {
    return this.streams.size;
  }

  /** Before the thread ends: a live app would take the whole process with it (DATAPLANE section 2). */
  closeAll(): void {
    this.stop(() => undefined);
    this.app.close();
  }

  forget(down: UwsDown): void {
    this.streams.delete(down);
  }

  private onRequest(res: HttpResponse, req: HttpRequest): void {
    const down = new UwsDown(this, res);
    this.streams.add(down);
    down.start(req);
    this.tools.out.flush();
  }

  /** A connection came (1) or went (-1). The library names no connection afterwards, so all are counted alike. */
  private onConnection(res: HttpResponse, change: number): void {
    const { cells, breakers } = this.tools;
    const { listener, http } = this.plan;
    const counted = this.maxConnections > 0;
    this.open += change;
    if (change > 0) {
      cells[listener + S.LISTENER_CX_TOTAL]!++;
      cells[http + S.DOWN_CX_TOTAL]!++;
      cells[http + S.DOWN_CX_HTTP1_TOTAL]!++;
      if (counted && !breakers.tryAcquire(this.plan.breakers, RES_CX)) {
        cells[listener + S.LISTENER_CX_OVERFLOW]!++;
        res.close();
      }
    } else {
      cells[listener + S.LISTENER_CX_DESTROY]!++;
      cells[http + S.DOWN_CX_DESTROY]!++;
      if (counted) breakers.release(this.plan.breakers, RES_CX);
    }
    cells[listener + S.LISTENER_CX_ACTIVE]! += change;
    cells[http + S.DOWN_CX_ACTIVE]! += change;
    cells[http + S.DOWN_CX_HTTP1_ACTIVE]! += change;
  }
}
