// Outlier detection: what every answer pays, on one thread (the rows are shared, nobody contends for them).

import type { Cluster } from '../../../src/cluster/cluster.ts';
import { FakeHouse } from '../../../test/support/fake-house.ts';
import { outlierConfig } from '../../../test/support/outlier.ts';
import { clusterConfig } from '../../../test/support/snapshots.ts';
import { measure } from '../../measure.ts';

const without = new FakeHouse().addCluster(clusterConfig('app', [1, 2, 3]));
const watched = new FakeHouse().addCluster(clusterConfig('app', [1, 2, 3], { outlierDetection: outlierConfig() }));
const lenient = new FakeHouse().addCluster(clusterConfig('app', [1, 2, 3], { outlierDetection: outlierConfig({ enforcingConsecutive5xxPercent: 0 }) }));

function answers(cluster: Cluster, status: number): (times: number) => void {
  const { hosts } = cluster;
  return (times) => {
    for (let i = 0; i < times; i++) cluster.noteAnswer(hosts[i % 3]!, status);
  };
}

measure('a good answer, no outlier detection', answers(without, 200));
measure('a good answer', answers(watched, 200));
measure('a bad answer, never ejected', answers(lenient, 503));
