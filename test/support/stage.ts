// The usual scene of a wire test: one scripted origin, one proxy in front of it, a log to look answers up in; and at the
// end what must hold after every test: the origin was sent nothing malformed, every gauge is back at zero, the proxy
// stops with exit 0 and has not shown a stack trace. Test code only.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import t, { type Test } from 'tap';

import { waitFor } from './deadline.ts';
import { Origin, type OriginOptions } from './origin.ts';
import { get, exchangeOnce, RawClient, type Answer, type ClientOptions } from './raw-client.ts';
import { byteEngines, runProxy, scratchDirectory, type Json, type Proxy, type ProxyConfig, type RunOptions, type Subject } from './run-proxy.ts';

export interface SceneOptions extends RunOptions {
  readonly origin?: OriginOptions;
  /** Gauges that may stay above zero at the end. */
  readonly restless?: RegExp;
  /** Workers are made to fail, and their log says where. */
  readonly crashes?: boolean;
  /** The cases stop the proxy themselves. */
  readonly stopped?: boolean;
}

export class Stage {
  readonly engine: Subject;
  readonly origin: Origin;
  readonly directory: string;
  readonly logPath: string;
  proxy!: Proxy;

  constructor(engine: Subject, origin: Origin, directory: string) {
    this.engine = engine;
    this.origin = origin;
    this.directory = directory;
    this.logPath = join(directory, 'access.log');
  }

  get address(): string {
    return this.proxy.listener();
  }

  connect(listener?: string, options?: ClientOptions): Promise<RawClient> {
    return RawClient.connect(this.proxy.listener(listener), options);
  }

  get(target: string, fields?: Readonly<Record<string, string>>, options?: ClientOptions): Promise<Answer> {
    return get(this.address, target, fields, options);
  }

  exchange(bytes: string | Buffer, method?: string): Promise<Answer> {
    return exchangeOnce(this.address, bytes, method === undefined ? {} : { method });
  }

  /** All lines of the access log so far. */
  logLines(): string[] {
    return existsSync(this.logPath) ? readFileSync(this.logPath, 'latin1').split('\n').slice(0, -1) : [];
  }

  /** The first log line that contains `text`; waits, since lines are written in batches. */
  logLine(text: string): Promise<string> {
    return waitFor(`a log line with ${text}`, () => this.logLines().find((line) => line.includes(text))).catch((error: Error) => {
      throw new Error(`${error.message}; have\n${this.logLines().slice(-20).join('\n')}`);
    });
  }
}

/** `%REQ(:PATH)% status flags details upstream`: what most tests look up. */
export const SHORT_LOG = '%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_HOST%\n';

/** One listener, one catch-all route, one cluster; `http`, `route` and `cluster` are laid over it. */
export function simpleConfig(stage: Stage, over: { http?: Json; forward?: Json; cluster?: Json } = {}): ProxyConfig {
  return {
    listeners: [{
      name: 'main',
      address: '127.0.0.1:0',
      http: {
        accessLog: [{ path: stage.logPath, format: SHORT_LOG }],
        routes: [{ match: { prefix: '/' }, forward: { cluster: 'app', ...over.forward } }],
        ...over.http,
      },
    }],
    clusters: [{ name: 'app', endpoints: [stage.origin.address], ...over.cluster }],
  };
}

type Cases = (t: Test, stage: Stage) => void | Promise<void>;

/** Sets the scene once per engine and plays the cases on it. */
export function onEachEngine(configure: (stage: Stage) => ProxyConfig, options: SceneOptions, cases: Cases, engines = byteEngines): void {
  for (const engine of engines) {
    t.test(engine, async (t) => {
      const origin = await Origin.start(options.origin);
      t.teardown(() => origin.stop());
      const stage = new Stage(engine, origin, scratchDirectory(t));
      stage.proxy = await runProxy(t, configure(stage), { ...options, engine });
      await t.test('cases', async (t) => cases(t, stage));
      await t.test('at the end', (t) => closeScene(t, stage, options));
    });
  }
}

/** Gauges that count live things: all must be zero when nobody is using the proxy. */
const LIVE_GAUGE = /(_rq_active|rq_pending_active|downstream_cx_active|downstream_cx_http1_active|downstream_cx_http2_active|http2\.streams_active|http2\.pending_send_bytes)$/;

export async function assertQuiet(t: Test, proxy: Proxy, restless?: RegExp): Promise<void> {
  let busy: [string, number][] = [];
  await waitFor('every gauge to return to zero', async () => {
    const all = [...(await proxy.stats())];
    busy = all.filter(([name, value]) => LIVE_GAUGE.test(name) && !name.includes('admin') && restless?.test(name) !== true && value !== 0);
    return busy.length === 0;
  }).catch(() => undefined);
  t.strictSame(busy, [], 'every gauge of live things is zero');
}

async function closeScene(t: Test, stage: Stage, options: SceneOptions): Promise<void> {
  t.strictSame(stage.origin.violations, [], 'the origin was sent nothing malformed');
  if (options.stopped !== true) {
    t.equal(stage.proxy.run.exit, null, 'the proxy is still running');
    await assertQuiet(t, stage.proxy, options.restless);
    const ended = await stage.proxy.stop();
    t.strictSame(ended, { code: 0, signal: null }, 'SIGTERM ends it with exit 0');
  }
  if (options.crashes !== true) assertNoStackTrace(t, stage.proxy.run.stderr);
}

export function assertNoStackTrace(t: Test, text: string): void {
  t.notMatch(text, /^\s+at .+[:(]/m, 'no stack trace reaches the user');
}
