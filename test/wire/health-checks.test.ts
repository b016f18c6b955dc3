// Active health checks seen from outside: a host that turns sick loses its traffic on every worker, comes back when it is
// well, and gets none before it has been checked. Two workers, both engines.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { value } from '../support/http-message.ts';
import { Origin, type Script } from '../support/origin.ts';
import { get, type Answer } from '../support/raw-client.ts';
import { subjectIsEnvoy, wholeConfig, type Json, type ProxyConfig } from '../support/run-proxy.ts';
import { onEachEngine, SHORT_LOG, type Stage } from '../support/stage.ts';
import { closedAddress } from '../support/tcp-peers.ts';

t.setTimeout(120_000);

/** Enough to meet both workers and both hosts many times over. */
const MANY = 40;
const WORKERS = 2;

/** A host whose health the test decides; it says who it is. */
class Patient {
  readonly origin: Origin;
  status = 200;
  /** Answers to checks so far. */
  checks = 0;

  private constructor(origin: Origin) {
    this.origin = origin;
  }

  static async start(name: string): Promise<Patient> {
    const origin = await Origin.start();
    const patient = new Patient(origin);
    patient.play(origin, name);
    return patient;
  }

  play(origin: Origin, name: string): void {
    const says = (fields: Record<string, string>): Script => async (exchange) => {
      await exchange.body();
      await exchange.reply(200, fields, name);
    };
    origin.script = says({});
    origin.on('/fails', says({ 'x-envoy-immediate-health-check-fail': 'true' }));
    origin.on('/healthz', async (exchange) => {
      this.checks++;
      await exchange.body();
      await exchange.reply(this.status, {}, '');
    });
  }
}

const a = await Patient.start('a');
const b = await Patient.start('b');
/** For one case alone. */
const silent = await Origin.start();
silent.on('/healthz', () => new Promise(() => undefined));
t.teardown(() => Promise.all([a.origin.stop(), b.origin.stop(), silent.stop()]));
const nobody = await closedAddress();

const http = { http: { path: '/healthz' } };
const often = { interval: '50ms', noTrafficInterval: '50ms', timeout: '2s', healthyThreshold: 2, unhealthyThreshold: 3, jitter: '10ms' };
/** Once at the start, and not again while the test runs. */
const once = { interval: '1h', noTrafficInterval: '1h' };

function config(stage: Stage, more: { readonly fresh?: readonly string[] } = {}): ProxyConfig {
  const both = [a.origin.address, b.origin.address];
  const clusters: Json[] = [
    { name: 'often', endpoints: both, healthChecks: [{ ...http, ...often, eventLog: join(stage.directory, 'health.log') }] },
    { name: 'once', endpoints: both, healthChecks: [{ ...http, ...once }] },
    { name: 'none', endpoints: both },
    { name: 'down', endpoints: [nobody], healthChecks: [{ tcp: {}, ...once }] },
    { name: 'fresh', endpoints: more.fresh ?? [a.origin.address], healthChecks: [{ ...http, ...once, timeout: '300ms' }] },
  ];
  const routes = clusters.map(({ name }) => ({ match: { prefix: `/${String(name)}/` }, forward: { cluster: name, rewrite: { prefix: '/' } } }));
  return {
    listeners: [{ name: 'main', address: '127.0.0.1:0', http: { accessLog: [{ path: stage.logPath, format: SHORT_LOG }], routes } }],
    clusters,
  };
}

onEachEngine(config, { workers: WORKERS }, async (t, stage) => {
  await t.test('every host is checked before the first request', (t) => atStart(t, stage));
  await t.test('a wrong status takes a host out after one check, and it comes back', (t) => sick(t, stage));
  await t.test('a host that says it fails is dropped by all workers at once', (t) => immediate(t, stage));
  await t.test('where nobody checks, that word means nothing', (t) => unchecked(t, stage));
  await t.test('with no host left there is no answer', (t) => down(t, stage));
  if (!subjectIsEnvoy) await t.test('a reload checks what is new before it gets a request', (t) => reload(t, stage));
});

/** Who answers requests on so many connections of their own: those spread over the workers. */
async function who(stage: Stage, path: string): Promise<string[]> {
  const answers: Answer[] = [];
  for (let left = MANY; left > 0; left -= 10) answers.push(...(await Promise.all(Array.from({ length: 10 }, () => get(stage.address, path)))));
  return [...new Set(answers.map(({ status, text }) => (status === 200 ? text : String(status))))].sort();
}

const stat = (stage: Stage, cluster: string, name: string): Promise<number> => stage.proxy.stat(`cluster.${cluster}.health_check.${name}`);

async function atStart(t: Test, stage: Stage): Promise<void> {
  t.equal(await stat(stage, 'once', 'attempt'), 2);
  t.equal(await stat(stage, 'once', 'success'), 2);
  t.equal(await stat(stage, 'once', 'healthy'), 2);
  t.same(await who(stage, '/once/x'), ['a', 'b']);
  t.notOk((await stage.proxy.stats('^cluster\\.none\\.')).has('cluster.none.health_check.attempt'), 'no stats where nothing is checked');
  const [check] = a.origin.seen('/healthz');
  t.match(check!.raw, /host: (?:often|once|fresh)\r\nuser-agent: (?:Nuncio|Envoy)\/HC/i);
}

async function sick(t: Test, stage: Stage): Promise<void> {
  await waitFor('both hosts', async () => (await stat(stage, 'often', 'healthy')) === 2);
  t.same(await who(stage, '/often/x'), ['a', 'b']);
  a.status = 500;
  await stage.proxy.statBecomes('cluster.often.health_check.healthy', 1);
  t.same(await who(stage, '/often/x'), ['b']);
  a.status = 200;
  await stage.proxy.statBecomes('cluster.often.health_check.healthy', 2);
  if (subjectIsEnvoy) await waitFor('its workers, which learn of several changes in one second together', async () => (await who(stage, '/often/x')).length === 2);
  t.same(await who(stage, '/often/x'), ['a', 'b']);
  const path = join(stage.directory, 'health.log');
  const events = await waitFor('the event log', () => {
    const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
    return lines.length >= 4 ? lines.map((line) => JSON.parse(line) as Record<string, Record<string, unknown>>) : null;
  });
  const port = Number(a.origin.address.split(':')[1]);
  const ofA = events.filter(({ host }) => (host!['socket_address'] as { port_value: number }).port_value === port);
  t.match(ofA, [
    { health_checker_type: 'HTTP', cluster_name: 'often', add_healthy_event: { first_check: true } },
    { eject_unhealthy_event: { failure_type: 'ACTIVE', http_status_code: 500 } },
    { add_healthy_event: { first_check: false } },
  ]);
}

async function immediate(t: Test, stage: Stage): Promise<void> {
  const answer = await get(stage.address, '/once/fails');
  t.equal(value(answer, 'x-envoy-immediate-health-check-fail'), 'true', 'the caller may see it, as with Envoy');
  const gone = answer.text;
  t.same(await who(stage, '/once/x'), [gone === 'a' ? 'b' : 'a'], 'nobody asks it any more');
  t.equal(await stat(stage, 'once', 'healthy'), 1);
  t.equal(await stat(stage, 'once', 'passive_failure'), 1);
  t.equal(await stat(stage, 'once', 'failure'), 1);
  t.same(await who(stage, '/often/x'), ['a', 'b'], 'another cluster has its own opinion');
}

async function unchecked(t: Test, stage: Stage): Promise<void> {
  await get(stage.address, '/none/fails');
  await get(stage.address, '/none/fails');
  t.same(await who(stage, '/none/x'), ['a', 'b']);
}

/** In panic the host would be tried all the same, and nobody is there. */
async function down(t: Test, stage: Stage): Promise<void> {
  t.equal(await stat(stage, 'down', 'healthy'), 0);
  t.equal(await stat(stage, 'down', 'network_failure'), 1);
  const { status } = await get(stage.address, '/down/nobody');
  t.equal(status, 503);
  const [, , flags] = (await stage.logLine('/nobody')).split(' ');
  t.equal(flags, (await stage.proxy.stat('cluster.down.lb_healthy_panic').catch(() => 0)) > 0 ? 'UF' : 'UH');
}

async function reload(t: Test, stage: Stage): Promise<void> {
  t.same(await who(stage, '/fresh/x'), ['a']);
  const before = await stage.proxy.stat('config.update_success');
  stage.proxy.writeConfig(wholeConfig(config(stage, { fresh: [a.origin.address, b.origin.address, silent.address] }), stage.engine, WORKERS));
  stage.proxy.signal('SIGHUP');
  await stage.proxy.statBecomes('config.update_success', before + 1);
  t.equal(await stat(stage, 'fresh', 'attempt'), 3, 'the old host is not asked again, the new ones are');
  t.equal(await stat(stage, 'fresh', 'healthy'), 2);
  t.same(await who(stage, '/fresh/x'), ['a', 'b']);
  t.equal(silent.seen('/x').length, 0, 'a host that has not answered yet gets nothing');
  t.equal(await stat(stage, 'once', 'healthy'), 1, 'what is known of the others stays');
}
