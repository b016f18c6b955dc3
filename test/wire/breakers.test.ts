// The four limits hold exactly, over all workers: what is above is answered 503 at once and never reaches the origin;
// and everything is given back.

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { value } from '../support/http-message.ts';
import type { Exchange } from '../support/origin.ts';
import { get, RawClient, request, type Answer } from '../support/raw-client.ts';
import { onEachEngine, SHORT_LOG, type Stage } from '../support/stage.ts';

t.setTimeout(90_000);

onEachEngine(
  (stage) => {
    const clusters = {
      requests: { maxRequests: 10, maxConnections: 0, maxPendingRequests: 0 },
      connections: { maxConnections: 4, maxPendingRequests: 6 },
      pending: { maxConnections: 1, maxPendingRequests: 3 },
      open: { maxRequests: 0, maxConnections: 0, maxPendingRequests: 0 },
    };
    return {
      listeners: [
        {
          name: 'main', address: '127.0.0.1:0',
          http: {
            accessLog: [{ path: stage.logPath, format: SHORT_LOG }],
            routes: Object.keys(clusters).map((cluster) => ({ match: { prefix: `/${cluster}` }, forward: { cluster } })),
          },
        },
        { name: 'few', address: '127.0.0.1:0', maxConnections: 3, http: { routes: [{ match: { prefix: '/' }, respond: { status: 200, body: 'in' } }] } },
      ],
      clusters: Object.entries(clusters).map(([name, circuitBreakers]) => ({ name, endpoints: [stage.origin.address], circuitBreakers })),
    };
  },
  { workers: 4 },
  async (t, stage) => {
    await t.test('requests', (t) => requests(t, stage));
    await t.test('again and again', (t) => again(t, stage));
    await t.test('connections and the queue', (t) => connections(t, stage));
    await t.test('no limit', (t) => unlimited(t, stage));
    await t.test('what is held comes back when callers go away', (t) => abandoned(t, stage));
    await t.test('connections of a listener', (t) => listenerConnections(t, stage));
  },
);

/** Requests of `segment` wait at the origin until `open`. */
class Gate {
  readonly waiting: Exchange[] = [];
  most = 0;
  arrived = 0;
  private opened = false;

  constructor(stage: Stage, segment: string) {
    stage.origin.on(segment, async (exchange) => {
      await exchange.body();
      this.arrived++;
      if (this.opened) return exchange.reply(200, {}, 'through');
      this.waiting.push(exchange);
      this.most = Math.max(this.most, this.waiting.length);
      return new Promise<void>((resolve) => exchange.connection.socket.once('close', () => resolve()));
    });
  }

  /** Answers everything that waits, and all that follows. */
  open(): void {
    this.opened = true;
    for (const exchange of this.waiting) void exchange.reply(200, { connection: 'close' }, 'through').then(() => exchange.finish());
  }
}

function many(stage: Stage, count: number, path: string): Promise<Answer>[] {
  return Array.from({ length: count }, (_, n) => get(stage.proxy.listener('main'), `${path}?${n}`));
}

function split(answers: readonly Answer[]): { through: Answer[]; over: Answer[] } {
  return { through: answers.filter(({ status }) => status === 200), over: answers.filter(({ status }) => status === 503) };
}

async function requests(t: Test, stage: Stage): Promise<void> {
  const gate = new Gate(stage, '/requests');
  const all = many(stage, 50, '/requests');
  let refused = 0;
  for (const answer of all) void answer.then(({ status }) => { if (status === 503) refused++; });
  await waitFor('forty refusals while ten wait', () => refused === 40 && gate.waiting.length === 10);
  t.equal(gate.arrived, 10, 'exactly ten reach the origin');
  t.equal(await stage.proxy.stat('cluster.requests.upstream_rq_active'), 10);
  t.equal(await stage.proxy.stat('cluster.requests.circuit_breakers.default.rq_open'), 1, 'the breaker says so');
  gate.open();
  const { through, over } = split(await Promise.all(all));
  t.equal(through.length, 10);
  t.equal(over.length, 40);
  for (const answer of over.slice(0, 3)) {
    t.equal(value(answer, 'x-envoy-overloaded'), 'true');
    t.equal(answer.text, 'upstream connect error or disconnect/reset before headers. reset reason: overflow');
    t.equal(value(answer, 'connection'), undefined, 'the caller keeps its connection');
  }
  const logged = stage.logLines().filter((line) => line.includes(' UO '));
  await waitFor('the log', () => stage.logLines().filter((line) => line.includes(' UO ')).length >= 40);
  t.match(logged[0] ?? (await stage.logLine(' UO ')), / 503 UO upstream_reset_before_response_started\{overflow\} /);
  // Envoy 1.40 counts these apart from those that found the queue full.
  const overflow = (await stage.proxy.stats('^cluster\\.requests\\.upstream_rq_(pending|active)_overflow$')).values();
  t.equal([...overflow].reduce((sum, count) => sum + count, 0), 40, 'each is counted');
  await stage.proxy.statBecomes('cluster.requests.circuit_breakers.default.rq_open', 0);
}

/** Twenty waves through the same limit: nothing is lost, nothing is taken twice. */
async function again(t: Test, stage: Stage): Promise<void> {
  let inside = 0;
  let most = 0;
  stage.origin.on('/requests', async (exchange) => {
    inside++;
    most = Math.max(most, inside);
    await new Promise((resolve) => setTimeout(resolve, 2));
    inside--;
    await exchange.reply(200);
  });
  const clients = await Promise.all(Array.from({ length: 30 }, () => stage.connect('main')));
  let through = 0;
  await Promise.all(clients.map(async (client) => {
    for (let n = 0; n < 40; n++) if ((await client.exchange(request('GET', '/requests'))).status === 200) through++;
  }));
  for (const client of clients) client.destroy();
  t.ok(most <= 10, `never more than ten at once (${most})`);
  t.ok(through >= 100, `and the limit does not close for good (${through} of 1200)`);
  await stage.proxy.statBecomes('cluster.requests.upstream_rq_active', 0);
}

async function connections(t: Test, stage: Stage): Promise<void> {
  if (stage.engine === 'envoy') return; // there every worker may have one connection at least
  for (const [segment, cx, pending] of [['/connections', 4, 6], ['/pending', 1, 3]] as const) {
    const name = segment.slice(1);
    const gate = new Gate(stage, segment);
    // Whoever waits for a connection being made is in the queue too: the others come when all connections are taken.
    const all = many(stage, cx, segment);
    await waitFor('every connection taken', () => gate.waiting.length === cx);
    all.push(...many(stage, 40 - cx, segment));
    let refused = 0;
    for (const answer of all) void answer.then(({ status }) => { if (status === 503) refused++; });
    await waitFor(`${40 - cx - pending} refusals`, () => refused === 40 - cx - pending).catch((error: Error) => {
      throw new Error(`${error.message}: ${refused} refused, ${gate.waiting.length} at the origin`);
    });
    t.equal(await stage.proxy.stat(`cluster.${name}.upstream_cx_active`), cx, `${cx} connections`);
    t.equal(await stage.proxy.stat(`cluster.${name}.upstream_rq_pending_active`), pending, `${pending} in the queue`);
    t.equal(await stage.proxy.stat(`cluster.${name}.circuit_breakers.default.rq_pending_open`), 1);
    gate.open();
    const { through, over } = split(await Promise.all(all));
    t.equal(through.length, cx + pending, 'those in the queue are served in their turn');
    t.equal(over.length, 40 - cx - pending);
    t.ok(gate.most <= cx);
    await stage.proxy.statBecomes(`cluster.${name}.upstream_rq_pending_active`, 0);
  }
}

async function unlimited(t: Test, stage: Stage): Promise<void> {
  const gate = new Gate(stage, '/open');
  const all = many(stage, 300, '/open');
  await waitFor('all three hundred at the origin', () => gate.waiting.length === 300);
  gate.open();
  t.equal(split(await Promise.all(all)).through.length, 300, '0 is no limit');
}

async function abandoned(t: Test, stage: Stage): Promise<void> {
  const gate = new Gate(stage, '/requests');
  for (let round = 0; round < 3; round++) {
    const clients = await Promise.all(Array.from({ length: 10 }, () => RawClient.connect(stage.proxy.listener('main'))));
    for (const client of clients) client.write(request('GET', '/requests/abandoned'));
    await waitFor('ten at the origin', () => gate.arrived === 10 * (round + 1));
    for (const [n, client] of clients.entries()) {
      if (n % 2 === 0) client.reset();
      else client.destroy();
    }
    await stage.proxy.statBecomes('cluster.requests.upstream_rq_active', 0);
  }
  gate.open();
  t.equal((await get(stage.proxy.listener('main'), '/requests')).status, 200);
}

async function listenerConnections(t: Test, stage: Stage): Promise<void> {
  if (stage.engine === 'envoy') return;
  const address = stage.proxy.listener('few');
  const clients: RawClient[] = [];
  const outcomes = await Promise.all(Array.from({ length: 10 }, async () => {
    try {
      const client = await RawClient.connect(address);
      clients.push(client);
      return (await client.exchange(request('GET', '/'))).text;
    } catch {
      return 'out';
    }
  }));
  t.equal(outcomes.filter((outcome) => outcome === 'in').length, 3, 'three of ten connections are let in, over four workers');
  for (const client of clients) client.destroy();
  await waitFor('room again', async () => (await RawClient.connect(address).then(async (client) => client.exchange(request('GET', '/')).finally(() => client.destroy())).catch(() => null))?.text === 'in');
  const overflow = (await stage.proxy.stats('downstream_cx_overflow'));
  t.ok([...overflow.values()].some((count) => count >= 7), `the refused are counted: ${JSON.stringify([...overflow])}`);
}
