// Envoy's state machine of active health checks, with scripted hosts and time turned by hand.

import t from 'tap';

import { HOST_DEGRADED, HOST_EXCLUDED, HOST_FAILED_ACTIVE, HOST_FAILED_OUTLIER, HOST_PENDING_ACTIVE } from '../../src/shared/host-table.ts';
import { checked, HealthScene, HTTP_PROBE } from '../support/health-scene.ts';

const INTERVAL = 5000;

/** One host, traffic, and its first check under way. */
function sceneOf(part: Parameters<typeof checked>[1] = {}): HealthScene {
  const scene = new HealthScene();
  scene.publish(checked([1], part));
  scene.haveTraffic();
  return scene;
}

t.test('the first success is enough', async (t) => {
  const scene = sceneOf();
  t.equal(scene.flags(), HOST_FAILED_ACTIVE | HOST_PENDING_ACTIVE, 'nothing is known yet');
  scene.loop.advance(30);
  const before = scene.table.epoch(scene.plan.clusters['app']!.row);
  scene.answer(200);
  t.equal(scene.flags(), 0);
  t.ok(scene.table.epoch(scene.plan.clusters['app']!.row) > before, 'workers see it');
  t.equal(scene.table.joinedAt(scene.row()), scene.loop.clock.now, 'slow start begins now');
  t.same(scene.events, [{ health_checker_type: 'HTTP', add_healthy_event: { first_check: true } }]);
  t.same(scene.stats(), { attempt: 1, success: 1 });
});

t.test('the first failure is no news, but it is logged', async (t) => {
  const scene = sceneOf();
  scene.conn.connectFail('ECONNREFUSED');
  t.equal(scene.flags(), HOST_FAILED_ACTIVE);
  t.same(scene.events, [{ health_checker_type: 'HTTP', health_check_failure_event: { failure_type: 'NETWORK', http_status_code: 0, first_check: true } }]);
  t.same(scene.stats(), { attempt: 1, failure: 1, network_failure: 1 });
  scene.loop.advance(INTERVAL + 20);
  scene.answer(200);
  t.equal(scene.flags(), HOST_FAILED_ACTIVE, 'from now on it takes as many as the threshold says');
  scene.loop.advance(INTERVAL + 20);
  scene.answer(200);
  t.equal(scene.flags(), 0);
  t.same(scene.events.at(-1), { health_checker_type: 'HTTP', add_healthy_event: { first_check: false } });
});

t.test('a wrong status is unhealthy at once', async (t) => {
  const scene = sceneOf();
  scene.answer(200);
  scene.loop.advance(INTERVAL + 20);
  scene.answer(500);
  t.equal(scene.flags(), HOST_FAILED_ACTIVE);
  t.same(scene.events.at(-1), { health_checker_type: 'HTTP', eject_unhealthy_event: { failure_type: 'ACTIVE', http_status_code: 500 } });
  t.same(scene.stats(), { attempt: 2, success: 1, failure: 1 });
  scene.loop.advance(INTERVAL + 20);
  scene.answer(200);
  scene.loop.advance(INTERVAL + 20);
  scene.answer(503);
  scene.loop.advance(INTERVAL + 20);
  scene.answer(200);
  t.equal(scene.flags(), HOST_FAILED_ACTIVE, 'the successes must be in a row');
  scene.loop.advance(INTERVAL + 20);
  scene.answer(200);
  t.equal(scene.flags(), 0);
});

t.test('silence, refusals and broken answers count up to the threshold, in a row', async (t) => {
  const scene = sceneOf();
  scene.answer(200);
  const misses = [
    () => scene.loop.advance(1000 + 20), // connected, asked, no answer
    () => scene.conn.connectFail('ECONNREFUSED'),
    () => {
      scene.conn.connectOk();
      scene.conn.receive('not HTTP\r\n\r\n');
    },
    () => {
      scene.conn.connectOk();
      scene.conn.breakOff();
    },
    () => {
      scene.conn.connectOk();
      scene.conn.receive('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhal');
      scene.conn.end();
    },
  ];
  for (const miss of misses.slice(0, 2)) {
    scene.loop.advance(INTERVAL + 20);
    miss();
    t.equal(scene.flags(), 0, 'still healthy');
  }
  scene.loop.advance(INTERVAL + 20);
  scene.answer(200);
  for (const [n, miss] of misses.slice(2).entries()) {
    t.equal(scene.flags(), 0, `still healthy: a success began the count anew, and there were ${n}`);
    scene.loop.advance(INTERVAL + 20);
    if (n === 0) scene.conn.receive('garbage\r\n'); // on the kept connection: not an answer
    else miss();
    if (n === 0) scene.loop.advance(20);
  }
  t.equal(scene.flags(), HOST_FAILED_ACTIVE, 'three in a row');
  t.equal(scene.stats()['network_failure'], 5);
});

t.test('a status that may be tried again counts as silence does', async (t) => {
  const scene = sceneOf({ probe: { ...HTTP_PROBE, retriableStatuses: [{ min: 500, max: 599 }] } });
  scene.answer(200);
  for (const expected of [0, 0, HOST_FAILED_ACTIVE]) {
    scene.loop.advance(INTERVAL + 20);
    scene.answer(503);
    t.equal(scene.flags(), expected);
  }
  t.same(scene.stats(), { attempt: 4, success: 1, failure: 3 }, 'it is no network failure');
  scene.loop.advance(INTERVAL + 20);
  scene.answer(404);
  t.equal(scene.flags(), HOST_FAILED_ACTIVE);
});

t.test('degraded comes and goes with the header', async (t) => {
  const scene = sceneOf();
  scene.answer(200, 'X-Envoy-Degraded: 1\r\n');
  t.equal(scene.flags(), HOST_DEGRADED);
  scene.loop.advance(INTERVAL + 20);
  scene.answer(200);
  t.equal(scene.flags(), 0);
  t.same(scene.events.map((event) => Object.keys(event)[1]), ['add_healthy_event', 'degraded_healthy_host', 'no_longer_degraded_host']);
});

t.test('immediate failure in a check: out, and not counted among the hosts until it is well', async (t) => {
  const scene = sceneOf();
  scene.answer(200, 'x-envoy-immediate-health-check-fail: true\r\n');
  t.equal(scene.flags(), 0, 'with a right status it says nothing (as in Envoy)');
  scene.loop.advance(INTERVAL + 20);
  scene.answer(503, 'x-envoy-immediate-health-check-fail: true\r\n');
  t.equal(scene.flags(), HOST_FAILED_ACTIVE | HOST_EXCLUDED);
  scene.loop.advance(INTERVAL + 20);
  scene.answer(200);
  t.equal(scene.flags(), HOST_FAILED_ACTIVE | HOST_EXCLUDED);
  scene.loop.advance(INTERVAL + 20);
  scene.answer(200);
  t.equal(scene.flags(), 0);
});

t.test('what a worker saw on the road is noticed: logged once, and the way back begins anew', async (t) => {
  const scene = sceneOf({ healthyThreshold: 2 });
  scene.answer(200);
  const cluster = scene.plan.clusters['app']!.row;
  scene.table.raise(cluster, scene.row(), HOST_FAILED_ACTIVE | HOST_EXCLUDED);
  scene.loop.advance(600);
  t.same(scene.events.at(-1), { health_checker_type: 'HTTP', eject_unhealthy_event: { failure_type: 'PASSIVE', http_status_code: 0 } });
  scene.loop.advance(1000);
  t.equal(scene.events.length, 2, 'once');
  scene.loop.advance(INTERVAL - 1600 + 20);
  scene.answer(200);
  t.equal(scene.flags(), HOST_FAILED_ACTIVE | HOST_EXCLUDED, 'one success of two');
  scene.loop.advance(INTERVAL + 20);
  scene.answer(200);
  t.equal(scene.flags(), 0);
});

t.test('a check that is passed lets an ejected host back in, unless it is unhealthy all the same', async (t) => {
  const scene = sceneOf();
  const cluster = scene.plan.clusters['app']!.row;
  const eject = (): void => {
    scene.table.tryEject(cluster, 10);
    scene.table.raise(cluster, scene.row(), HOST_FAILED_OUTLIER);
  };
  scene.answer(500);
  eject();
  scene.loop.advance(INTERVAL + 20);
  scene.answer(200);
  t.equal(scene.flags(), HOST_FAILED_ACTIVE | HOST_FAILED_OUTLIER);
  scene.loop.advance(INTERVAL + 20);
  scene.answer(200);
  t.equal(scene.flags(), 0);
  t.equal(scene.table.ejected(cluster), 0);
  eject();
  scene.loop.advance(INTERVAL + 20);
  scene.answer(500);
  t.equal(scene.flags(), HOST_FAILED_ACTIVE | HOST_FAILED_OUTLIER, 'a failed one does not');
  t.equal(scene.table.ejected(cluster), 1);
});

t.test('every failure is logged where that is asked for', async (t) => {
  const scene = sceneOf({ alwaysLogFailures: true });
  scene.answer(500);
  scene.loop.advance(INTERVAL + 20);
  scene.answer(500);
  t.same(scene.events, [
    { health_checker_type: 'HTTP', health_check_failure_event: { failure_type: 'ACTIVE', http_status_code: 500, first_check: true } },
    { health_checker_type: 'HTTP', health_check_failure_event: { failure_type: 'ACTIVE', http_status_code: 500, first_check: false } },
  ]);
});

t.test('intervals', async (t) => {
  const part = {
    intervalMs: 1000, unhealthyIntervalMs: 2000, unhealthyEdgeIntervalMs: 300, healthyEdgeIntervalMs: 400, noTrafficIntervalMs: 9000, noTrafficHealthyIntervalMs: 7000, healthyThreshold: 2, unhealthyThreshold: 2,
  };
  const scene = new HealthScene();
  scene.publish(checked([1], part));
  /** How long until the next attempt. */
  const wait = (): number => {
    const { attempt } = scene.stats();
    let waited = 0;
    while (scene.stats()['attempt'] === attempt && waited < 20_000) {
      scene.loop.advance(10);
      waited += 10;
    }
    return waited;
  };
  const near = (actual: number, wanted: number, message: string): void => {
    t.ok(actual >= wanted && actual <= wanted + 20, `${message}: ${actual}`);
  };
  scene.answer(200);
  near(wait(), 7000, 'healthy, no traffic');
  scene.answer(500);
  near(wait(), 9000, 'unhealthy, no traffic');
  scene.haveTraffic();
  scene.answer(500);
  near(wait(), 2000, 'unhealthy');
  scene.answer(200);
  near(wait(), 400, 'on its way back');
  scene.answer(200);
  near(wait(), 1000, 'healthy');
  scene.conn.breakOff();
  near(wait(), 300, 'on its way out');
  scene.conn.connectFail('ECONNREFUSED');
  near(wait(), 2000, 'out');
});

t.test('jitter spreads the checks, the first ones too', async (t) => {
  const ports = Array.from({ length: 50 }, (_, i) => i + 1);
  const scene = new HealthScene();
  scene.publish(checked(ports, { initialJitterMs: 1000, jitterMs: 1000, jitterPercent: 20 }));
  scene.haveTraffic();
  t.equal(scene.connects, 0);
  scene.loop.advance(500);
  t.ok(scene.connects > 10 && scene.connects < 40, `about half after half of it: ${scene.connects}`);
  scene.loop.advance(520);
  t.equal(scene.connects, 50);
  for (const conn of scene.loop.connects) scene.answer(200, 'connection: close\r\n', conn);
  scene.loop.advance(INTERVAL - 20);
  t.equal(scene.connects, 50, 'none before the interval');
  scene.loop.advance(1000);
  t.ok(scene.connects > 60 && scene.connects < 90, `and half of the jitter later: ${scene.connects}`);
  scene.loop.advance(1040);
  t.equal(scene.connects, 100);
});
