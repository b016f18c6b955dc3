// The gauges of rings and tables: counted once for the process, and again when the state of a host changes.

import t from 'tap';
import { SHAPES } from '../../src/observe/shapes.ts';
import { StatsPages } from '../../src/observe/stats-pages.ts';
import type { LoadBalancingConfig } from '../../src/config/cluster-snapshot.ts';
import { HOST_FAILED_ACTIVE } from '../../src/shared/host-table.ts';
import { SharedState } from '../../src/shared/registry.ts';
import { balancing, clusterConfig, snapshot } from '../support/snapshots.ts';

function house(loadBalancing: Partial<LoadBalancingConfig>, weights: readonly number[] = [1, 2, 3]): { read(): Record<string, number>; fail(host: number): void; heal(host: number): void } {
  const shared = new SharedState(SHAPES);
  for (const worker of [0, 1, 2]) shared.stripe(worker);
  const base = clusterConfig('app', [29101, 29102, 29103].slice(0, weights.length), { loadBalancing: balancing(loadBalancing) });
  const config = snapshot({ clusters: [{ ...base, endpoints: base.endpoints.map((endpoint, i) => ({ ...endpoint, weight: weights[i]! })) }] });
  const plan = shared.plan(config, 1);
  shared.commit(1);
  const pages = new StatsPages(() => ({ shared, own: [], published: { snapshot: config, plan, addresses: {} } }));
  const { row, hosts } = plan.clusters['app']!;
  return {
    read: () => Object.fromEntries(pages.text({ usedOnly: false, matches: (name) => /hash_lb|maglev_lb/.test(name) }).trim().split('\n').filter((line) => line !== '').map((line) => line.split(': ')).map(([name, value]) => [name!.replace('cluster.app.', ''), Number(value)])),
    fail: (host) => shared.hostTable.raise(row, hosts[host]!.row, HOST_FAILED_ACTIVE),
    heal: (host) => shared.hostTable.lower(row, hosts[host]!.row, HOST_FAILED_ACTIVE),
  };
}

t.test('as Envoy 1.40 shows them for the same hosts, with three workers', async (t) => {
  t.same(house({ policy: 'ringHash' }).read(), { 'ring_hash_lb.max_hashes_per_host': 513, 'ring_hash_lb.min_hashes_per_host': 171, 'ring_hash_lb.size': 1026 });
  t.same(house({ policy: 'maglev' }).read(), { 'maglev_lb.max_entries_per_host': 32_768, 'maglev_lb.min_entries_per_host': 10_923 });
  t.same(house({ policy: 'maglev' }, [1, 2]).read(), { 'maglev_lb.max_entries_per_host': 43_691, 'maglev_lb.min_entries_per_host': 21_846 });
});

t.test('other policies have none', async (t) => {
  t.same(house({ policy: 'leastRequest' }).read(), {});
});

t.test('of the hosts that may be used', async (t) => {
  const { read, fail, heal } = house({ policy: 'ringHash' });
  const whole = read();
  fail(0);
  t.same(read(), { 'ring_hash_lb.max_hashes_per_host': 615, 'ring_hash_lb.min_hashes_per_host': 410, 'ring_hash_lb.size': 1025 });
  fail(1);
  t.same(read(), { 'ring_hash_lb.max_hashes_per_host': 1024, 'ring_hash_lb.min_hashes_per_host': 1024, 'ring_hash_lb.size': 1024 });
  fail(2);
  t.same(read(), { 'ring_hash_lb.max_hashes_per_host': 0, 'ring_hash_lb.min_hashes_per_host': 0, 'ring_hash_lb.size': 0 });
  for (const host of [0, 1, 2]) heal(host);
  t.same(read(), whole);
});

t.test('maglev without any host', async (t) => {
  const { read, fail } = house({ policy: 'maglev' }, [1]);
  fail(0);
  t.same(read(), { 'maglev_lb.max_entries_per_host': 0, 'maglev_lb.min_entries_per_host': 0 });
});
