// The third engine: a listener on uWebSockets.js, plaintext HTTP/1.1 on its own parser. Worker thread; owns its app.
// What it cannot do is written down in `src/listen/README.md`; what can be guarded is guarded in `uws-down.ts`.
//
// The library names no connection but for the request it carries, so connections are counted, never listed: an idle one
// cannot be closed by itself, only all together with the app.

import type { HttpConfig, HttpListenerConfig } from '../config/snapshot.ts';
import type { Address } from '../core/address.ts';
import { formatAddress } from '../core/address.ts';
import { Timer, type TimerTarget } from '../core/timer.ts';
import type { HeadLimits } from '../http/h1-state.ts';
import { boundReceiveBuffers } from '../io/listen-socket.ts';
import * as S from '../observe/stat-names.ts';
import { RES_CX } from '../shared/breaker-table.ts';
import { PROCESS_ROW, REJECT_INCOMING_CONNECTIONS, STOP_ACCEPTING_CONNECTIONS } from '../shared/overload.ts';
import type { ListenerPlan } from '../shared/plan.ts';
import type { HttpDoor, ListenTools, Road } from './http-door.ts';
import { Identity } from './identity.ts';
import type { HttpRequest, HttpResponse, ListenSocket, UwsApp, UwsModule } from './uws-types.ts';
import { UwsDown } from './uws-down.ts';

const HIDE_VERSION = '999999990007';
/**
 * The library reads 512 KB at once and, as long as it gets so much, again and again, deaf to `pause`. The kernel is not to
 * have so much for it. (Linux keeps twice this, headers of its own included.)
 */
const RECEIVE_BYTES = 192 * 1024;
/** The library's listening socket is closed with whatever waits in its queue: it gets this long to accept it first. */
const ACCEPT_REST_MS = 50;
/** How long connections may still begin a request when their listener drains; then those that are idle are closed. */
const LAST_REQUEST_MS = 1000;

const STOP = 0;
const SETTLE = 1;

/** Every listener of this thread whose app is open. */
const listeners = new Set<UwsListener>();

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
    throw new Error(
      `the engine "uws" needs uWebSockets.js, which does not load on Node ${process.versions.node} here (${why}): ` +
        'npm install uWebSockets.js@npm:uws-pack@20.0.8 (Node 18, 20, 21 and 22), or choose the engine "epoll" or "node"',
      { cause: error },
    );
  }
}

/** The thread ends, whatever the reason: a thread that ends with an open app takes the whole process with it (SIGABRT). */
export function closeUwsAtExit(): void {
  for (const listener of listeners) listener.abandonAll();
}

export interface UwsTools extends ListenTools {
  readonly uws: UwsModule;
}

export class UwsListener implements HttpDoor, TimerTarget {
  readonly name: string;
  readonly tools: ListenTools;
  readonly plan: ListenerPlan;
  readonly road: Road;
  config!: HttpConfig;
  limits!: HeadLimits;
  identity!: Identity;
  draining = false;
  /** The thread ends: nobody is to be told of anything any more. */
  dead = false;
  /** A connection that goes now goes by our own doing. */
  closing = false;
  localAddress = '';
  localPort = 0;
  private readonly uws: UwsModule;
  private readonly app: UwsApp;
  private socket: ListenSocket | null = null;
  private closed = false;
  private readonly streams = new Set<UwsDown>();
  private readonly stopTimer: Timer;
  private readonly drainTimer: Timer;
  private onStopped: (() => void) | null = null;
  private settled = false;
  private maxConnections = 0;
  private open = 0;
  /** Places of `maxConnections` that this worker holds here. */
  private held = 0;
  private refusing = false;

  constructor(config: HttpListenerConfig, plan: ListenerPlan, road: Road, tools: UwsTools) {
    this.name = config.name;
    this.plan = plan;
    this.road = road;
    this.tools = tools;
    this.uws = tools.uws;
    this.stopTimer = new Timer(this, STOP);
    this.drainTimer = new Timer(this, SETTLE);
    this.update(config);
    this.app = tools.uws.App();
    listeners.add(this);
    this.app.filter((res, change) => this.run(() => this.onConnection(res, change)));
    this.app.any('/*', (res, req) => this.run(() => this.onRequest(res, req)));
  }

  /** Every worker listens on the same port (SO_REUSEPORT), which the primary holds for all. Throws an Error when it cannot. */
  listen(address: Address): Promise<Address> {
    return new Promise((resolve, reject) => {
      const done = (socket: ListenSocket | false): void => {
        if (socket === false) {
          reject(new Error(`uWebSockets.js cannot listen on ${formatAddress(address)}`));
          return;
        }
        this.socket = socket;
        if (address.kind === 'unix') {
          resolve(address);
          return;
        }
        this.localAddress = address.host;
        this.localPort = this.uws.us_socket_local_port(socket);
        boundReceiveBuffers(this.localPort, RECEIVE_BYTES);
        resolve({ ...address, port: this.localPort });
      };
      if (address.kind === 'ip') this.app.listen(address.host, address.port, done);
      else this.app.listen_unix(done, address.path.startsWith('@') ? `\0${address.path.slice(1)}` : address.path);
    });
  }

  update({ http, maxConnections }: HttpListenerConfig): void {
    this.config = http;
    this.limits = { maxHeadBytes: http.maxRequestHeadersBytes, maxFields: http.maxRequestHeaders };
    this.identity = new Identity(http, this.tools.random);
    this.maxConnections = maxConnections;
  }

  stop(done: () => void): void {
    if (this.socket === null) {
      done();
      return;
    }
    this.onStopped = done;
    this.tools.timers.arm(this.stopTimer, ACCEPT_REST_MS);
  }

  drain(): void {
    if (this.closed || this.draining) return;
    this.draining = true;
    this.tools.timers.arm(this.drainTimer, LAST_REQUEST_MS);
  }

  onTimer(kind: number): void {
    if (kind === STOP) {
      this.stopNow();
      return;
    }
    this.settled = true;
    if (this.streams.size === 0) this.closeAll();
  }

  /** Idle ones too. */
  get connections(): number {
    return this.open;
  }

  closeAll(): void {
    this.stopNow();
    if (this.closed) return;
    this.closed = true;
    this.closing = true;
    listeners.delete(this);
    this.tools.timers.disarm(this.drainTimer);
    this.app.close(); // tells every request that it was aborted
  }

  /** Which of its connections are idle the library does not say. */
  relieve(): void {}

  /** As `closeAll`, but the worker's own state may be broken: nothing of it is touched. */
  abandonAll(): void {
    this.dead = true;
    this.app.close();
  }

  forget(down: UwsDown): void {
    this.streams.delete(down);
    // Not from inside a call of the library: at the next turn of the wheel.
    if (this.settled && this.streams.size === 0 && !this.closed) this.tools.timers.arm(this.drainTimer, 0);
  }

  private stopNow(): void {
    this.tools.timers.disarm(this.stopTimer);
    if (this.socket !== null) this.uws.us_listen_socket_close(this.socket);
    this.socket = null;
    const done = this.onStopped;
    this.onStopped = null;
    if (done !== null) done();
  }

  /** Each callback of the library passes through here: before, the time; after, what waits in `out`. */
  run(work: () => void): void {
    if (this.dead) return;
    this.tools.clock.refresh();
    this.guard(work);
    this.tools.out.flush();
  }

  /**
   * An exception must not run through the library, on whose stack we stand: node aborts the process on some of these
   * ways. It is thrown again when that stack is gone, and ends the worker then.
   */
  guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      setImmediate(() => {
        throw error;
      });
    }
  }

  private onRequest(res: HttpResponse, req: HttpRequest): void {
    const down = new UwsDown(this, res);
    this.streams.add(down);
    down.start(req);
  }

  private onConnection(res: HttpResponse, change: number): void {
    if (change > 0) this.onOpen(res);
    else if (!this.refusing) this.onGone();
  }

  private onOpen(res: HttpResponse): void {
    const { cells, breakers, overload } = this.tools;
    const { listener, http } = this.plan;
    if (overload.isFull(REJECT_INCOMING_CONNECTIONS) || overload.isFull(STOP_ACCEPTING_CONNECTIONS)) {
      this.refuse(res, S.LISTENER_CX_OVERLOAD_REJECT);
      return;
    }
    if (!breakers.tryAcquire(PROCESS_ROW, RES_CX)) {
      this.refuse(res, S.LISTENER_GLOBAL_CX_OVERFLOW);
      return;
    }
    cells[listener + S.LISTENER_CX_TOTAL]!++;
    if (this.maxConnections > 0) {
      if (!breakers.tryAcquire(this.plan.breakers, RES_CX)) {
        breakers.release(PROCESS_ROW, RES_CX);
        this.refuse(res, S.LISTENER_CX_OVERFLOW);
        return;
      }
      this.held++;
    }
    this.open++;
    cells[listener + S.LISTENER_CX_ACTIVE]!++;
    cells[http + S.DOWN_CX_TOTAL]!++;
    cells[http + S.DOWN_CX_HTTP1_TOTAL]!++;
    cells[http + S.DOWN_CX_ACTIVE]!++;
    cells[http + S.DOWN_CX_HTTP1_ACTIVE]!++;
  }

  private refuse(res: HttpResponse, counter: number): void {
    this.tools.cells[this.plan.listener + counter]!++;
    this.refusing = true;
    res.close(); // its -1 comes before this returns
    this.refusing = false;
  }

  private onGone(): void {
    const { cells, breakers } = this.tools;
    const { listener, http } = this.plan;
    this.open--;
    breakers.release(PROCESS_ROW, RES_CX);
    // Which of them it was is unknown: where a reload has set a limit, those that came before count as well.
    if (this.held > 0) {
      this.held--;
      breakers.release(this.plan.breakers, RES_CX);
    }
    cells[listener + S.LISTENER_CX_ACTIVE]!--;
    cells[listener + S.LISTENER_CX_DESTROY]!++;
    cells[http + S.DOWN_CX_ACTIVE]!--;
    cells[http + S.DOWN_CX_HTTP1_ACTIVE]!--;
    cells[http + S.DOWN_CX_DESTROY]!++;
    cells[http + (this.closing ? S.DOWN_CX_DESTROY_LOCAL : S.DOWN_CX_DESTROY_REMOTE)]!++;
  }
}
