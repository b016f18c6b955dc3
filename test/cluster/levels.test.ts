// The arithmetic of priority levels and zones, against Envoy's documents and a real Envoy 1.40.

import t from 'tap';

import { type LevelCounts, levelLoads } from '../../src/cluster/sets/levels.ts';
import { zoneRouting } from '../../src/cluster/sets/zone-routing.ts';
import { effectiveWeight, ZoneSchedule } from '../../src/cluster/sets/zone-schedule.ts';
import { Random } from '../../src/core/random.ts';

/** Levels of 100 hosts, so many of them healthy. */
function percents(...healthy: number[]): LevelCounts[] {
  return healthy.map((count) => ({ hosts: 100, excluded: 0, healthy: count, degraded: 0 }));
}

t.test('healthy share of each level → its load and whether it is in panic', (t) => {
  const rows: [healthy: number[], load: number[], panic: boolean[]][] = [
    [[100, 100], [100, 0], [false, false]],
    [[72, 72], [100, 0], [false, false]],
    [[71, 71], [99, 1], [false, false]],
    [[72, 100], [100, 0], [false, false]],
    [[71, 100], [99, 1], [false, false]],
    [[50, 100], [70, 30], [false, false]],
    [[25, 100], [35, 65], [false, false]],
    [[0, 100], [0, 100], [false, false]],
    [[50, 60], [70, 30], [false, false]],
    [[25, 25], [50, 50], [true, true]],
    [[25, 25, 100], [35, 35, 30], [false, false, false]],
    // Envoy's document says 7/93 and rounds; its program gives what rounding down leaves to the first level.
    [[5, 65], [8, 92], [true, false]],
    // The document says 36/36/28; in truth all three are in panic, and are given their shares of the hosts.
    [[25, 25, 20], [34, 33, 33], [true, true, true]],
    [[0, 0], [50, 50], [true, true]],
    [[100], [100], [false]],
    [[71], [100], [false]],
    [[50], [100], [false]],
    [[49], [100], [true]],
  ];
  for (const [healthy, load, panic] of rows) {
    t.same(levelLoads(percents(...healthy), 140, 50), { healthy: load, degraded: healthy.map(() => 0), panic }, healthy.join(', '));
  }
  t.end();
});

t.test('other factors and thresholds', (t) => {
  t.same(levelLoads(percents(72, 100), 100, 50).healthy, [72, 28], 'no overprovisioning: what is missing moves on');
  t.same(levelLoads(percents(25, 25, 20), 140, 0), { healthy: [37, 35, 28], degraded: [0, 0, 0], panic: [false, false, false] }, 'no panic: the healthy hosts carry it all');
  t.same(levelLoads(percents(0, 0), 140, 0), { healthy: [100, 0], degraded: [0, 0], panic: [false, false] }, 'nobody is left, and that is no reason to use the others');
  t.same(levelLoads(percents(99), 100, 100).panic, [true], 'one of a hundred missing is panic when all must be there');
  t.same(levelLoads(percents(99, 1), 100, 100).panic, [false, false], 'together they are all there');
  t.end();
});

t.test('all in panic: by the number of hosts', (t) => {
  const down = (hosts: number): LevelCounts => ({ hosts, excluded: 0, healthy: 0, degraded: 0 });
  t.same(levelLoads([down(2), down(8)], 140, 50).healthy, [20, 80]);
  t.same(levelLoads([down(0), down(3), down(3), down(3)], 140, 50).healthy, [0, 34, 33, 33], 'the first that has any takes what rounding leaves');
  t.same(levelLoads([down(0)], 140, 50), { healthy: [100], degraded: [0], panic: [true] }, 'no host at all');
  t.end();
});

t.test('degraded hosts carry what the healthy ones of all levels cannot', (t) => {
  const level = (healthy: number, degraded: number): LevelCounts => ({ hosts: 100, excluded: 0, healthy, degraded });
  // Envoy's own example: health 10/20/10 %, degraded 20/10/0 % of what is asked for.
  t.same(levelLoads([level(10, 20), level(20, 10), level(10, 0)], 100, 0), { healthy: [16, 28, 14], degraded: [28, 14, 0], panic: [false, false, false] });
  t.same(levelLoads([level(0, 100)], 140, 50), { healthy: [0], degraded: [100], panic: [false] });
  t.same(levelLoads([level(50, 50)], 140, 50), { healthy: [70], degraded: [30], panic: [false] });
  t.same(levelLoads([level(0, 100), level(50, 0)], 140, 50), { healthy: [0, 70], degraded: [30, 0], panic: [false, false] }, 'healthy ones of a later level go before');
  t.same(levelLoads([level(20, 29)], 140, 50).panic, [true], 'both together are below the threshold');
  t.same(levelLoads([level(20, 30)], 140, 50).panic, [false]);
  t.end();
});

t.test('excluded hosts count on neither side', (t) => {
  t.same(levelLoads([{ hosts: 10, excluded: 8, healthy: 2, degraded: 0 }, { hosts: 1, excluded: 0, healthy: 1, degraded: 0 }], 140, 50), { healthy: [100, 0], degraded: [0, 0], panic: [false, false] });
  t.same(levelLoads([{ hosts: 3, excluded: 3, healthy: 0, degraded: 0 }], 140, 50).panic, [true]);
  t.end();
});

t.test('zone weights shrink with the health of the zone', (t) => {
  t.equal(effectiveWeight(50, 10, 10, 140), 50);
  t.equal(effectiveWeight(50, 8, 10, 140), 50, 'the rest can carry it');
  t.equal(effectiveWeight(50, 5, 10, 140), 35);
  t.equal(effectiveWeight(50, 0, 10, 140), 0);
  t.equal(effectiveWeight(50, 0, 0, 140), 0);
  t.end();
});

t.test('a schedule of zones keeps their shares in every stretch', (t) => {
  // Two zones of equal weight, one of them half down: 35 to 50 is 41 to 59.
  const schedule = new ZoneSchedule([35, 50, 0], new Random([1, 2, 3, 4]));
  const counts = [0, 0, 0];
  for (let i = 1; i <= 8500; i++) {
    counts[schedule.take()]!++;
    if (i % 100 === 0) t.ok(Math.abs(counts[0]! - (i * 35) / 85) <= 1, `after ${i}`);
  }
  t.same(counts, [3500, 5000, 0]);
  t.end();
});

t.test('zone-aware: what stays and where the rest goes', (t) => {
  t.same(zoneRouting([3, 3], true, [1, 1], 2), { kind: 'direct' }, 'as many hosts as callers');
  t.same(zoneRouting([4, 2], true, [1, 1], 2), { kind: 'direct' }, 'more hosts than callers');
  // Envoy's example: 40/40/20 % of the callers, 25/50/25 % of the hosts.
  t.same(zoneRouting([5, 10, 5], true, [4, 4, 2], 10), { kind: 'residual', keep: 6250, room: [0, 1000, 1500] });
  t.same(zoneRouting([2, 8], true, [4, 0], 4), { kind: 'residual', keep: 2000, room: [0, 8000] }, 'all callers are here, a fifth of the hosts');
  t.same(zoneRouting([0, 4, 4], true, [2, 1, 1], 4), { kind: 'residual', keep: 0, room: [0, 2500, 5000] }, 'no healthy host here, but the callers count');
  t.same(zoneRouting([4, 4], false, [1, 1], 4), { kind: 'residual', keep: 0, room: [2500, 5000] }, 'the own zone has no host');
  t.end();
});
