// The scene of tests about endpoints by name: two origins on one port of two loopback addresses, a DNS server that says which
// of them a name stands for, and the proxy that asks it. Test code only.

import type { Test } from 'tap';

import { waitFor } from './deadline.ts';
import { DnsServer } from './dns-server.ts';
import { Origin } from './origin.ts';
import { get, RawClient, request } from './raw-client.ts';
import { runProxy, wholeConfig, type Json, type Proxy, type ProxyConfig, type Subject } from './run-proxy.ts';
import { assertNoStackTrace, assertQuiet } from './stage.ts';

export const WORKERS = 2;
export const NAME = 'app.test';
const REFRESH = '100ms';

export class DnsScene {
  readonly engine: Subject;
  readonly dns: DnsServer;
  readonly one: Origin;
  readonly two: Origin;
  proxy!: Proxy;

  constructor(engine: Subject, dns: DnsServer, one: Origin, two: Origin) {
    this.engine = engine;
    this.dns = dns;
    this.one = one;
    this.two = two;
  }

  /** The name stands for these from now on. */
  say(...origins: readonly Origin[]): void {
    this.dns.say(NAME, { a: origins.map(({ address }) => address.split(':')[0]!) });
  }

  get endpoint(): string {
    return `${NAME}:${this.one.address.split(':')[1]}`;
  }

  config(cluster: Json = {}, forward: Json = {}): ProxyConfig {
    return {
      listeners: [
        { name: 'main', address: '127.0.0.1:0', http: {
          accessLog: [{ path: '/dev/stdout', format: 'LOG %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_HOST% %UPSTREAM_HOST_NAME%\n' }],
          routes: [{ match: { prefix: '/' }, forward: { cluster: 'app', ...forward } }],
        } },
        { name: 'raw', address: '127.0.0.1:0', tcp: { cluster: 'app' } },
      ],
      clusters: [{ name: 'app', type: 'strictDns', endpoints: [this.endpoint], dnsRefresh: REFRESH, dnsResolvers: [this.dns.address], ...cluster }],
    };
  }

  stat(name: string): Promise<number> {
    return this.proxy.stat(`cluster.app.${name}`);
  }

  get(target: string): ReturnType<typeof get> {
    return get(this.proxy.listener('main'), target, { connection: 'close' });
  }

  /** Waits until the stat has grown by `by`. */
  async grows(name: string, by = 1): Promise<void> {
    const before = await this.stat(name);
    await waitFor(`${name} to grow by ${by}`, async () => (await this.stat(name)) >= before + by);
  }

  async becomes(name: string, value: number): Promise<void> {
    await this.proxy.statBecomes(`cluster.app.${name}`, value);
  }

  async reload(config: ProxyConfig): Promise<void> {
    const before = await this.proxy.stat('config.update_success');
    this.proxy.writeConfig(wholeConfig(config, this.engine, WORKERS));
    this.proxy.signal('SIGHUP');
    await waitFor('the reload', async () => (await this.proxy.stat('config.update_success')) > before);
  }
}

export async function setScene(t: Test, engine: Subject): Promise<DnsScene> {
  const one = await Origin.start();
  const two = await Origin.start({ host: '127.0.0.2', port: Number(one.address.split(':')[1]) });
  t.teardown(() => Promise.all([one.stop(), two.stop()]));
  return new DnsScene(engine, await DnsServer.start(t), one, two);
}

/** Starts the proxy, plays the case, and looks that nothing is left of it. */
export async function play(t: Test, scene: DnsScene, cluster: Json, story: (t: Test, scene: DnsScene) => Promise<void>, { crashes = false } = {}): Promise<void> {
  scene.say(scene.one);
  scene.proxy = await runProxy(t, scene.config(cluster), { engine: scene.engine, workers: WORKERS });
  await story(t, scene);
  await assertQuiet(t, scene.proxy);
  t.strictSame(await scene.proxy.stop(), { code: 0, signal: null });
  if (!crashes) assertNoStackTrace(t, scene.proxy.run.stderr);
  t.strictSame([scene.one.violations, scene.two.violations], [[], []]);
}

export interface Load {
  readonly wrong: string[];
  served: number;
  stop(): Promise<void>;
}

/** Callers that ask one thing after another, each on a connection of its own. */
export async function startLoad(scene: DnsScene, callers: number): Promise<Load> {
  let running = true;
  const wrong: string[] = [];
  const clients = await Promise.all(Array.from({ length: callers }, () => RawClient.connect(scene.proxy.listener('main'))));
  const load: Load = { wrong, served: 0, stop: async () => {
    running = false;
    await all;
  } };
  const all = Promise.all(clients.map(async (client) => {
    while (running) {
      try {
        const { status, text } = await client.exchange(request('GET', '/load'));
        if (status !== 200) wrong.push(`${status} ${text}`);
        load.served++;
      } catch (error) {
        wrong.push((error as Error).message);
        return;
      }
    }
    client.destroy();
  }));
  return load;
}
