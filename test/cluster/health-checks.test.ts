// Which hosts are checked, from when on and until when: warming, reloads, bounds; and the connections that checks use.

import t from 'tap';

import { HOST_DEGRADED, HOST_FAILED_ACTIVE, HOST_PENDING_ACTIVE } from '../../src/shared/host-table.ts';
import { checked, HealthScene, HTTP_PROBE } from '../support/health-scene.ts';
import { clusterConfig } from '../support/snapshots.ts';

const NEW = HOST_FAILED_ACTIVE | HOST_PENDING_ACTIVE;

/** Whether a promise has settled, and with what. */
function watch<T>(promise: Promise<T>): { value: T | undefined; settled: boolean } {
  const seen: { value: T | undefined; settled: boolean } = { value: undefined, settled: false };
  void promise.then((value) => Object.assign(seen, { value, settled: true }));
  return seen;
}

/** Promises get their turn. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('a publication waits until every host has been checked once, whatever came of it', async (t) => {
  const scene = new HealthScene();
  const ready = watch(scene.prepare(checked([1, 2, 3])));
  const [a, b, c] = scene.loop.connects;
  scene.answer(200, '', a!);
  b!.connectFail('ECONNREFUSED');
  await turn();
  t.equal(ready.settled, false);
  scene.loop.advance(1020);
  await turn();
  t.same(ready, { settled: true, value: false }, 'the third ran into its time-out');
  t.equal(c!.state, 'closed');
  t.same([0, 1, 2].map((host) => scene.flags(host)), [0, HOST_FAILED_ACTIVE, HOST_FAILED_ACTIVE]);
});

t.test('it does not wait for ever', async (t) => {
  const scene = new HealthScene();
  const ready = watch(scene.prepare(checked([1], { timeoutMs: 600_000 })));
  scene.loop.advance(29_000);
  await turn();
  t.equal(ready.settled, false);
  scene.loop.advance(1020);
  await turn();
  t.same(ready, { settled: true, value: true });
  t.equal(scene.flags(), NEW, 'the host gets nothing before it is checked');
});

t.test('nor for anything where nothing is new', async (t) => {
  const scene = new HealthScene();
  t.equal(await scene.prepare(clusterConfig('app', [1])), false);
  scene.commit();
  t.equal(scene.connects, 0);
  t.equal(scene.flags(), 0);
});

t.test('a reload keeps what it does not change', async (t) => {
  const scene = new HealthScene();
  scene.publish(checked([1, 2]));
  for (const conn of scene.loop.connects) scene.answer(200, '', conn);
  t.equal(await scene.prepare(checked([1, 2], {}, { connectTimeoutMs: 1 })), false, 'another time-out for requests is nothing to the checks');
  scene.commit();
  t.equal(scene.connects, 2);
  t.equal(scene.stats()['attempt'], 2);
  t.equal(scene.loop.openConns, 2, 'connections stay');
});

t.test('a new host is checked before it gets requests, one that is gone no more', async (t) => {
  const scene = new HealthScene();
  scene.publish(checked([1, 2]));
  const [a, b] = scene.loop.connects;
  scene.answer(200, '', a!);
  scene.answer(200, '', b!);
  const ready = watch(scene.prepare(checked([2, 3])));
  t.same([0, 1].map((host) => scene.flags(host)), [0, NEW]);
  t.equal(scene.connects, 3);
  scene.answer(200);
  await turn();
  t.equal(ready.settled, true);
  t.equal(a!.state, 'open', 'the old configuration is still in force');
  scene.commit();
  t.equal(a!.state, 'closed');
  t.equal(b!.state, 'open');
  scene.haveTraffic();
  scene.loop.advance(60_100);
  t.equal(scene.stats()['attempt'], 5, 'the two that are left');
});

t.test('a configuration that does not come leaves nothing behind', async (t) => {
  const scene = new HealthScene();
  scene.publish(checked([1]));
  scene.answer(200);
  const plan = scene.plan;
  void scene.prepare(checked([1, 2]));
  t.equal(scene.flags(1), NEW);
  const fresh = scene.row(1);
  scene.abandon();
  t.equal(scene.table.flags(fresh), 0);
  t.equal(scene.loop.openConns, 1);
  scene.plan = plan;
  t.equal(scene.flags(), 0);
});

t.test('hosts that take requests already go on when checks come, until one fails; without checks all are well', async (t) => {
  const scene = new HealthScene();
  scene.publish(clusterConfig('app', [1, 2]));
  const ready = watch(scene.prepare(checked([1, 2])));
  t.same([scene.flags(0), scene.flags(1)], [0, 0]);
  const [a, b] = scene.loop.connects;
  scene.answer(200, 'x-envoy-degraded: 1\r\n', a!);
  scene.answer(500, '', b!);
  await turn();
  t.equal(ready.settled, true);
  scene.commit();
  t.same([scene.flags(0), scene.flags(1)], [HOST_DEGRADED, HOST_FAILED_ACTIVE]);
  scene.publish(clusterConfig('app', [1, 2]));
  t.same([scene.flags(0), scene.flags(1)], [0, 0]);
  t.equal(scene.loop.openConns, 0);
});

t.test('another way to ask takes over what is known', async (t) => {
  const scene = new HealthScene();
  scene.publish(checked([1, 2]));
  scene.answer(200, '', scene.loop.connects[0]!);
  scene.answer(500, '', scene.loop.connects[1]!);
  void scene.prepare(checked([1, 2], { probe: { ...HTTP_PROBE, path: '/other' } }));
  t.same([scene.flags(0), scene.flags(1)], [0, HOST_FAILED_ACTIVE]);
  for (const conn of scene.loop.connects.slice(2)) {
    conn.connectOk();
    t.match(conn.peekSent().toString(), /^GET \/other HTTP/);
    conn.receive('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  }
  scene.commit();
  t.same([scene.flags(0), scene.flags(1)], [0, 0]);
  t.equal(scene.loop.openConns, 2, 'the old connections are gone');
});

/** Turns of the loop pass, and no time. */
function spin(scene: HealthScene): void {
  for (let turns = 0; turns < 100; turns++) scene.loop.turn(() => undefined);
}

t.test('checks that are under way at one time are bounded, and none is forgotten', async (t) => {
  const scene = new HealthScene();
  const ready = watch(scene.prepare(checked(Array.from({ length: 2500 }, (_, i) => i + 1))));
  t.equal(scene.connects, 50, 'a turn is not to be long');
  scene.loop.turn(() => undefined);
  t.equal(scene.connects, 100);
  spin(scene);
  t.equal(scene.connects, 1000);
  scene.loop.advance(1020);
  spin(scene);
  t.equal(scene.connects, 2000, 'those that hang give way after their time-out');
  for (const conn of scene.loop.connects.slice(1000, 1500)) scene.answer(200, '', conn);
  spin(scene);
  t.equal(scene.connects, 2500);
  for (const conn of scene.loop.connects.slice(1500)) scene.answer(200, '', conn);
  await turn();
  t.equal(ready.settled, true);
  t.same(scene.stats(), { attempt: 2500, success: 1500, failure: 1000, network_failure: 1000 });
});

t.test('what waits for its turn can be called off', async (t) => {
  const scene = new HealthScene();
  const ready = watch(scene.prepare(checked(Array.from({ length: 1500 }, (_, i) => i + 1))));
  spin(scene);
  scene.checks.close();
  await turn();
  t.equal(ready.settled, true, 'nobody waits for a proxy that ends');
  t.equal(scene.loop.openConns, 0);
  t.equal(scene.loop.timers.size, 0, 'no timer is left');
  spin(scene);
  t.equal(scene.connects, 1000, 'and no check begins');
});

t.test('the request, and the connection for the next', async (t) => {
  const scene = new HealthScene();
  scene.publish(checked([1], { probe: { ...HTTP_PROBE, path: '/h?x=1', authority: 'h.example:80', method: 'POST', headers: [['X-Probe', 'é']] } }));
  scene.haveTraffic();
  const { conn } = scene;
  conn.connectOk();
  t.equal(conn.takeSent().toString('latin1'), 'POST /h?x=1 HTTP/1.1\r\nhost: h.example:80\r\nuser-agent: Nuncio/HC\r\nX-Probe: \u00C3\u00A9\r\ncontent-length: 0\r\n\r\n');
  conn.receive('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200', ' OK\r\ntransfer-encoding: chunked\r\n\r\n', '2\r\nok\r\n0\r\n\r\n');
  t.equal(scene.flags(), 0);
  scene.loop.advance(5020);
  t.equal(scene.connects, 1, 'reused');
  t.match(conn.takeSent().toString(), /^POST/);
  conn.receive('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
  t.equal(conn.state, 'closed', 'the host wished so');
  scene.loop.advance(5020);
  t.equal(scene.connects, 2);
  scene.answer(200);
  scene.conn.end();
  t.equal(scene.stats()['failure'], undefined, 'an end between two checks says nothing');
  scene.loop.advance(5020);
  t.equal(scene.connects, 3);
  scene.conn.connectOk();
  scene.conn.receive('HTTP/1.0 200 OK\r\n\r\nall until the end');
  t.equal(scene.stats()['success'], 3);
  scene.conn.end();
  t.equal(scene.stats()['success'], 4, 'a body that ends with the connection');
});

t.test('without reuse each check has its connection', async (t) => {
  const scene = new HealthScene();
  scene.publish(checked([1], { reuseConnection: false }));
  scene.haveTraffic();
  scene.answer(200);
  t.equal(scene.loop.openConns, 0);
  scene.loop.advance(5020);
  t.equal(scene.connects, 2);
});

t.test('TCP: what is sent, what must come, in this order, in any pieces', async (t) => {
  const scene = new HealthScene();
  const hex = (text: string): string => Buffer.from(text).toString('hex');
  scene.publish(checked([1], { probe: { kind: 'tcp', sendHex: hex('PING\r\n'), expectHex: [hex('+'), hex('PONG')] } }));
  scene.haveTraffic();
  scene.conn.connectOk();
  t.equal(scene.conn.takeSent().toString(), 'PING\r\n');
  scene.conn.receive('PONG', '-+P', 'O', 'N');
  t.equal(scene.flags(), NEW);
  scene.conn.receive('G\r\n');
  t.equal(scene.flags(), 0);
  t.same(scene.events, [{ health_checker_type: 'TCP', add_healthy_event: { first_check: true } }]);
  scene.loop.advance(5020);
  t.equal(scene.connects, 1, 'on the same connection');
  t.equal(scene.conn.takeSent().toString(), 'PING\r\n');
  scene.conn.receive('-ERR\r\n');
  scene.conn.end();
  t.same(scene.stats(), { attempt: 2, success: 1, failure: 1, network_failure: 1 });
});

t.test('TCP: a connection alone', async (t) => {
  const scene = new HealthScene();
  scene.publish(checked([1], { probe: { kind: 'tcp', sendHex: '', expectHex: [] } }));
  scene.conn.connectOk();
  t.equal(scene.flags(), 0);
  t.equal(scene.loop.openConns, 0, 'it is closed again');
});
