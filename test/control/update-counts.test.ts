import t from 'tap';
import { UpdateCounts } from '../../src/control/update-counts.ts';
import { clusterConfig, listenerConfig, snapshot } from '../support/snapshots.ts';

t.test('what came, changed and went is counted by name and content', async (t) => {
  const counts = new UpdateCounts();
  const first = snapshot({ listeners: [listenerConfig('a', 1), listenerConfig('b', 2)], clusters: [clusterConfig('x', [1])] });
  t.equal(counts.record(null, first), 'listeners: 2 added; clusters: 1 added');
  const second = snapshot({ listeners: [listenerConfig('a', 1), listenerConfig('b', 3), listenerConfig('c', 4)], clusters: [] });
  t.equal(counts.record(first, second), 'listeners: 1 added, 1 modified; clusters: 1 removed');
  t.equal(counts.record(second, { ...second, logLevel: 'debug' }), 'only settings of the whole');
  t.same(counts.listeners, { added: 3, modified: 1, removed: 0, active: 3 });
  t.same(counts.clusters, { added: 1, modified: 0, removed: 1, active: 0 });
});
