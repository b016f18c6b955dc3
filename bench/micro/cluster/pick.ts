// Choosing a host: every policy at 10, 100 and 1,000 hosts, requests spread over all keys; and building the tables of the
// hash policies. Requests per host stand in shared memory, as on the road.

import { Host } from '../../../src/cluster/host.ts';
import { Latency } from '../../../src/cluster/lb/peak-ewma.ts';
import { Maglev } from '../../../src/cluster/lb/maglev.ts';
import { Ring } from '../../../src/cluster/lb/ring.ts';
import { makePicker, type PickerTools } from '../../../src/cluster/pick.ts';
import type { LoadBalancingConfig } from '../../../src/config/cluster-snapshot.ts';
import { Clock } from '../../../src/core/clock.ts';
import { Random } from '../../../src/core/random.ts';
import { xxHash64 } from '../../../src/core/xx-hash.ts';
import { BREAKER_ROW, BreakerTable, HELD_ROW, RES_RQ } from '../../../src/shared/breaker-table.ts';
import { HOST_ROW, HostTable } from '../../../src/shared/host-table.ts';
import { LoneStream } from '../../../test/route/request.ts';
import { balancing } from '../../../test/support/snapshots.ts';
import { measure } from '../../measure.ts';

const ROWS = 1100;
const random = new Random([1, 2, 3, 4]);
const breakers = new BreakerTable(new SharedArrayBuffer(ROWS * BREAKER_ROW * 4), new Int32Array(ROWS * HELD_ROW));
const hostTable = new HostTable(new SharedArrayBuffer(ROWS * HOST_ROW * 4));
const tools: PickerTools = { random, clock: new Clock(), hostTable, breakers, breakerRow: 0 };
const stream = new LoneStream();
const NONE: readonly Host[] = [];
let missed = 0;

function hosts(count: number): Host[] {
  return Array.from({ length: count }, (_, i) => {
    const address = { kind: 'ip' as const, host: `10.${i >> 8}.${i & 255}.1`, port: 8080 };
    const host = new Host(address, `${address.host}:8080`, 1, { cells: 0, row: i + 2, breakers: i + 2 });
    host.latency = new Latency();
    host.latency.note(5 + (i % 7), 0);
    while (breakers.count(i + 2, RES_RQ) < i % 5) {
      breakers.tryAcquire(i + 2, RES_RQ);
      breakers.tryAcquire(0, RES_RQ);
    }
    return host;
  });
}

const CASES: readonly (readonly [name: string, config: Partial<LoadBalancingConfig>, weight: (i: number) => number])[] = [
  ['roundRobin', {}, () => 1],
  ['roundRobin, weighted', {}, (i) => 1 + (i % 3)],
  ['roundRobin, slow start', { slowStart: { windowMs: 1e12, aggression: 1, minWeightPercent: 10 } }, () => 1],
  ['leastRequest', { policy: 'leastRequest' }, () => 1],
  ['leastRequest, 5 choices', { policy: 'leastRequest', choiceCount: 5 }, () => 1],
  ['leastRequest, weighted', { policy: 'leastRequest' }, (i) => 1 + (i % 3)],
  ['random', { policy: 'random' }, () => 1],
  ['random, weighted', { policy: 'random' }, (i) => 1 + (i % 3)],
  ['ringHash', { policy: 'ringHash' }, () => 1],
  ['ringHash, 1 million entries', { policy: 'ringHash', minRingSize: 1_000_000 }, () => 1],
  ['maglev', { policy: 'maglev' }, () => 1],
  ['maglev, bounded load', { policy: 'maglev', hashBalanceFactor: 150 }, () => 1],
  ['peakEwma', { policy: 'peakEwma' }, () => 1],
];

for (const [name, config, weight] of CASES) {
  for (const count of [10, 100, 1000]) {
    const list = hosts(count);
    const picker = makePicker(balancing(config), list, list.map((_, i) => weight(i)), tools);
    stream.isHashed = true;
    picker.pick(stream, NONE);
    measure(`${name}, ${count} hosts`, (times) => {
      for (let i = 0; i < times; i++) {
        stream.hashHigh = Math.imul(i, 0x9e3779b1);
        if (picker.pick(stream, NONE) === null) missed++;
      }
    });
  }
}

for (const count of [10, 100, 1000]) {
  const names = hosts(count).map(({ text }) => text);
  const weights = names.map(() => 1);
  measure(`build maglev 65537, ${count} hosts`, (times) => {
    for (let i = 0; i < times; i++) if (!new Maglev('', names, weights, 65_537).build(Infinity)) missed++;
  });
  for (const minRingSize of [1024, 65_536]) {
    measure(`build ring ${minRingSize}, ${count} hosts`, (times) => {
      for (let i = 0; i < times; i++) if (!new Ring('', names, weights, { minRingSize, maxRingSize: 8_388_608 }).build(Infinity)) missed++;
    });
  }
}

for (const key of ['user-4711', 'a3c5a2d0-3c1d-4b3e-9a51-0d1f2e3b4c5d']) {
  measure(`xxHash64, ${key.length} bytes`, (times) => {
    for (let i = 0; i < times; i++) xxHash64(key);
  });
}

if (missed > 0) throw new Error(`${missed} times no host`);
