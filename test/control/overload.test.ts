// The overload watch with virtual time and memory by hand: pressures, thresholds, scales, and what other threads read of it.

import t from 'tap';

import type { OverloadConfig } from '../../src/config/snapshot.ts';
import { OverloadWatch } from '../../src/control/overload.ts';
import {
  CLOSE_IDLE_CONNECTIONS, DISABLE_KEEP_ALIVE, levelBetween, OVERLOAD_BYTES, OverloadState, REDUCE_TIMEOUTS, reducedTimeout, REJECT_INCOMING_CONNECTIONS,
  STOP_ACCEPTING_CONNECTIONS, STOP_ACCEPTING_REQUESTS,
} from '../../src/shared/overload.ts';
import { HandTimers } from '../support/hand-timers.ts';
import { LogProbe } from '../support/log-probe.ts';

const NONE = { stopAcceptingRequests: 0, disableKeepAlive: 0, closeIdleConnections: 0, stopAcceptingConnections: 0, rejectIncomingConnections: 0, reduceTimeouts: null };

class Stage {
  readonly timers = new HandTimers();
  readonly log = new LogProbe();
  /** As a worker sees it. */
  readonly seen: OverloadState;
  readonly watch: OverloadWatch;
  bytes: number | Error = 0;
  connections = 0;

  constructor() {
    const words = new SharedArrayBuffer(OVERLOAD_BYTES);
    this.seen = new OverloadState(words);
    this.watch = new OverloadWatch(new OverloadState(words), {
      timers: this.timers,
      logger: this.log.logger,
      measure: () => {
        if (typeof this.bytes !== 'number') throw this.bytes;
        return this.bytes;
      },
      connections: () => this.connections,
    });
  }

  follow(actions: Partial<OverloadConfig['actions']>, part: Partial<OverloadConfig> = {}): void {
    this.watch.follow({ maxConnections: 0, maxHeapBytes: 1000, intervalMs: 500, actions: { ...NONE, ...actions }, ...part });
  }

  at(bytes: number | Error): void {
    this.bytes = bytes;
    this.timers.advance(500);
  }

  get stats(): Record<string, number> {
    return Object.fromEntries(this.watch.stats().map(({ name, value }) => [name.replace(/^overload\.envoy\.(overload_actions|resource_monitors)\./, ''), value]));
  }
}

t.test("Envoy's example of a scaled time-out: 600 s to 2 s at 92 % of 85 to 95 is 181.4 s", async (t) => {
  t.ok(Math.abs(reducedTimeout(600_000, 2000, levelBetween(0.92, 0.85, 0.95)) - 181_400) < 1);
  const stage = new Stage();
  stage.follow({ reduceTimeouts: { from: 0.85, to: 0.95, idleMs: 2000 } });
  stage.at(920);
  t.equal(Math.round(stage.seen.idleTimeout(600_000)), 181_400, 'through the words that workers read');
});

t.test('levels and time-outs at their ends', async (t) => {
  t.same([0, 0.85, 0.9, 0.95, 2].map((pressure) => Math.round(levelBetween(pressure, 0.85, 0.95) * 1000) / 1000), [0, 0, 0.5, 1, 1]);
  t.equal(reducedTimeout(600_000, 2000, 0), 600_000);
  t.equal(reducedTimeout(600_000, 2000, 1), 2000);
  t.equal(reducedTimeout(1000, 2000, 1), 1000, 'never longer than configured');
  t.equal(reducedTimeout(0, 2000, 0.5), 0, 'no time-out stays none');
});

t.test('each action begins at its threshold, and ends below it', async (t) => {
  const stage = new Stage();
  const thresholds = { stopAcceptingRequests: 0.95, disableKeepAlive: 0.9, closeIdleConnections: 0.92, stopAcceptingConnections: 0.97, rejectIncomingConnections: 0.99 };
  const actions = [DISABLE_KEEP_ALIVE, CLOSE_IDLE_CONNECTIONS, STOP_ACCEPTING_REQUESTS, STOP_ACCEPTING_CONNECTIONS, REJECT_INCOMING_CONNECTIONS] as const;
  const full = (): number => actions.filter((action) => stage.seen.isFull(action)).length;
  stage.follow(thresholds);
  const counts = [0, 899, 900, 920, 950, 969, 970, 990, 5000, 949, 0].map((bytes) => {
    stage.at(bytes);
    return full();
  });
  t.same(counts, [0, 0, 1, 2, 3, 3, 4, 5, 5, 2, 0]);
  stage.at(955);
  t.same(actions.map((action) => stage.seen.isFull(action)), [true, true, true, false, false], 'in the order of the thresholds');
});

t.test('what is not configured stays off, and goes off with the configuration that had it', async (t) => {
  const stage = new Stage();
  stage.follow({ stopAcceptingRequests: 0.9 });
  stage.at(2000);
  t.ok(stage.seen.isFull(STOP_ACCEPTING_REQUESTS));
  t.notOk(stage.seen.isFull(DISABLE_KEEP_ALIVE));
  stage.follow({ disableKeepAlive: 0.9 });
  t.notOk(stage.seen.isFull(STOP_ACCEPTING_REQUESTS));
  t.ok(stage.seen.isFull(DISABLE_KEEP_ALIVE), 'the new one is looked at at once');
  stage.follow({}, { maxHeapBytes: 0 });
  t.notOk(stage.seen.isFull(DISABLE_KEEP_ALIVE));
  stage.at(5000);
  t.same(stage.stats, {}, 'nothing is measured any more');
});

t.test('a measurement that fails leaves everything as it was, and is counted and said once', async (t) => {
  const stage = new Stage();
  stage.follow({ stopAcceptingRequests: 0.9 });
  stage.at(950);
  stage.at(new Error('no /proc'));
  const said = stage.log.lines.length;
  t.ok(stage.log.has(/no \/proc/));
  stage.at(new Error('no /proc'));
  t.ok(stage.seen.isFull(STOP_ACCEPTING_REQUESTS));
  t.equal(stage.stats['fixed_heap.failed_updates'], 2);
  t.equal(stage.log.lines.length, said);
  stage.at(10);
  t.notOk(stage.seen.isFull(STOP_ACCEPTING_REQUESTS));
});

t.test("stats under Envoy's names, and a line of log for each beginning and end", async (t) => {
  const stage = new Stage();
  stage.follow({ stopAcceptingRequests: 0.95, reduceTimeouts: { from: 0.85, to: 0.95, idleMs: 10 } }, { maxConnections: 40 });
  stage.connections = 10;
  stage.at(925);
  t.same(stage.stats, {
    'stop_accepting_requests.active': 0, 'stop_accepting_requests.scale_percent': 0, 'reduce_timeouts.active': 0, 'reduce_timeouts.scale_percent': 75,
    'fixed_heap.pressure': 92, 'fixed_heap.failed_updates': 0, 'global_downstream_max_connections.pressure': 25,
  });
  stage.at(960);
  t.match(stage.stats, { 'stop_accepting_requests.active': 1, 'stop_accepting_requests.scale_percent': 100, 'reduce_timeouts.active': 1 });
  stage.at(100);
  const lines = stage.log.lines.filter((line) => line.includes('overload: '));
  t.same(lines.map((line) => line.slice(line.indexOf('overload: ')).trimEnd()), [
    'overload: reduce_timeouts begins, 92 % of the memory allowed is in use',
    'overload: stop_accepting_requests begins, 96 % of the memory allowed is in use',
    'overload: stop_accepting_requests ends, 10 % of the memory allowed is in use',
    'overload: reduce_timeouts ends, 10 % of the memory allowed is in use',
  ]);
  t.equal(stage.seen.level(REDUCE_TIMEOUTS), 0);
});

t.test('a pressure that a test gives stands in for what is measured, until it is taken back', async (t) => {
  const stage = new Stage();
  stage.follow({ stopAcceptingRequests: 0.95 });
  stage.watch.inject(1);
  t.ok(stage.seen.isFull(STOP_ACCEPTING_REQUESTS));
  stage.at(10);
  t.ok(stage.seen.isFull(STOP_ACCEPTING_REQUESTS));
  stage.watch.inject(null);
  t.notOk(stage.seen.isFull(STOP_ACCEPTING_REQUESTS));
  stage.watch.close();
});
