import t from 'tap';
import { CONSECUTIVE_5XX, CONSECUTIVE_GATEWAY, HOST_DEGRADED, HOST_FAILED_ACTIVE, HOST_FAILED_OUTLIER, HOST_ROW, HostTable } from '../../src/shared/host-table.ts';

const CLUSTER = 0;
const HOST = 3;

function threads(): [HostTable, HostTable] {
  const buffer = new SharedArrayBuffer(8 * HOST_ROW * 4);
  return [new HostTable(buffer), new HostTable(buffer)];
}

t.test('a flag that changes gives the cluster a new epoch; one that is there already does not', async (t) => {
  const [here, there] = threads();
  t.equal(here.raise(CLUSTER, HOST, HOST_FAILED_ACTIVE), true);
  t.equal(there.flags(HOST), HOST_FAILED_ACTIVE);
  t.equal(there.epoch(CLUSTER), 1);
  t.equal(there.raise(CLUSTER, HOST, HOST_FAILED_ACTIVE), false);
  t.equal(there.epoch(CLUSTER), 1);
  t.equal(there.raise(CLUSTER, HOST, HOST_FAILED_OUTLIER | HOST_FAILED_ACTIVE), true);
  t.equal(here.lower(CLUSTER, HOST, HOST_DEGRADED), false);
  t.equal(here.lower(CLUSTER, HOST, HOST_FAILED_ACTIVE), true);
  t.equal(here.flags(HOST), HOST_FAILED_OUTLIER);
  t.equal(here.epoch(CLUSTER), 3);
  t.equal(here.flags(HOST + 1), 0, 'nobody else is touched');
});

t.test('failures in a row are counted over all threads, each kind for itself', async (t) => {
  const [here, there] = threads();
  t.same([here.count(HOST, CONSECUTIVE_5XX), there.count(HOST, CONSECUTIVE_5XX), here.count(HOST, CONSECUTIVE_5XX)], [1, 2, 3]);
  t.equal(there.count(HOST, CONSECUTIVE_GATEWAY), 1);
  there.setCount(HOST, CONSECUTIVE_5XX, 0);
  t.equal(here.counted(HOST, CONSECUTIVE_5XX), 0);
  t.equal(here.counted(HOST, CONSECUTIVE_GATEWAY), 1);
});

t.test('never one ejected host above the limit', async (t) => {
  const [here, there] = threads();
  t.same([here.tryEject(CLUSTER, 2), there.tryEject(CLUSTER, 2), here.tryEject(CLUSTER, 2)], [true, true, false]);
  t.equal(there.ejected(CLUSTER), 2);
  there.returned(CLUSTER);
  t.equal(here.tryEject(CLUSTER, 2), true);
  t.equal(here.tryEject(CLUSTER, 2), false);
});

t.test('times keep their fractions and stand in a row of their own', async (t) => {
  const [here, there] = threads();
  here.setEjectedAt(HOST, 123_456_789.25);
  here.setJoinedAt(HOST, 42.5);
  t.same([there.ejectedAt(HOST), there.joinedAt(HOST)], [123_456_789.25, 42.5]);
  for (const row of [HOST - 1, HOST + 1]) t.same([there.ejectedAt(row), there.joinedAt(row), there.flags(row)], [0, 0, 0]);
  t.equal(there.flags(HOST), 0);
  here.clear(HOST);
  t.same([there.ejectedAt(HOST), there.joinedAt(HOST)], [0, 0]);
});
