import t from 'tap';
import type { ClusterConfig } from '../../src/config/cluster-snapshot.ts';
import { FakeHouse } from '../support/fake-house.ts';
import { balancing, clusterConfig } from '../support/snapshots.ts';
import { TaggedStream } from '../support/tagged-stream.ts';

function ask(house: FakeHouse, tag: string, host = 0): TaggedStream {
  const stream = new TaggedStream(tag);
  house.loop.turn(() => house.clusters.get('app')!.poolFor(house.clusters.get('app')!.hosts[host]!, false, false).acquire(stream));
  return stream;
}

function update(house: FakeHouse, config: ClusterConfig): void {
  house.loop.turn(() => house.clusters.get('app')!.update(config, house.planCluster(config)));
}

t.test('a change keeps the pools of the hosts that stay, and drains those of the others', async (t) => {
  const house = new FakeHouse();
  const cluster = house.addCluster(clusterConfig('app', [1, 2]));
  for (const host of [0, 1]) {
    ask(house, `h${host}`, host);
    house.lastConnect.connectOk();
    house.lastConnect.receive('HTTP/1.1 204 N\r\n\r\n');
  }
  const [kept, gone] = house.loop.connects as [typeof house.lastConnect, typeof house.lastConnect];
  const busy = ask(house, 'busy', 1);
  update(house, clusterConfig('app', [3, 1], { connectTimeoutMs: 100 }));
  t.same(cluster.hosts.map(({ text }) => text), ['127.0.0.1:3', '127.0.0.1:1']);
  t.equal(ask(house, 'again', 1).upstreamConnectionId, kept.id);
  t.equal(gone.state, 'open', 'its request is still under way');
  gone.receive('HTTP/1.1 204 N\r\n\r\n');
  t.equal(busy.story, 'ready,head 204,end');
  t.equal(gone.state, 'closed');
  kept.receive('HTTP/1.1 204 N\r\n\r\n');
  const late = ask(house, 'late', 0);
  house.loop.advance(120);
  t.equal(late.story, 'failed connectTimeout', 'the new time-out holds');
  house.loop.turn(() => cluster.drain());
  t.same(house.unrest(), {});
});

t.test('a request chosen for a host that goes away while it waits is still served', async (t) => {
  const house = new FakeHouse();
  const cluster = house.addCluster(clusterConfig('app', [1]));
  const old = cluster.hosts[0]!;
  const waiting = ask(house, 'waits');
  update(house, clusterConfig('app', [2]));
  const late = new TaggedStream('late');
  house.loop.turn(() => cluster.poolFor(old, false, false).acquire(late)); // picked before the change
  for (const conn of house.loop.connects.slice()) conn.connectOk();
  for (const conn of house.loop.connects) {
    conn.receive('HTTP/1.1 204 N\r\n\r\n');
  }
  t.same([waiting.story, late.story], ['ready,head 204,end', 'ready,head 204,end']);
  t.ok(house.loop.connects.every(({ state }) => state === 'closed'));
  t.same(house.unrest(), {});
});

t.test('the weights and the policy of a change hold from the next pick on', async (t) => {
  const house = new FakeHouse();
  const cluster = house.addCluster(clusterConfig('app', [1, 2]));
  const endpoints = cluster.config.endpoints.map((one, i) => ({ ...one, weight: i === 0 ? 1 : 3 }));
  update(house, clusterConfig('app', [1, 2], { endpoints }));
  const picks = Array.from({ length: 400 }, () => cluster.pick(new TaggedStream('x'), [])!.text);
  t.equal(picks.filter((text) => text === '127.0.0.1:2').length, 300);
  update(house, clusterConfig('app', [], {}));
  t.equal(cluster.pick(new TaggedStream('x'), []), null);
  update(house, clusterConfig('app', [1, 2], { endpoints, loadBalancing: balancing({ policy: 'random' }) }));
  const random = Array.from({ length: 400 }, () => cluster.pick(new TaggedStream('x'), [])!.text);
  const share = random.filter((text) => text === '127.0.0.1:2').length;
  t.ok(share > 240 && share < 360 && share !== 300, String(share));
});

t.test('the same endpoint twice is two hosts, each with its pool', async (t) => {
  const house = new FakeHouse();
  const cluster = house.addCluster(clusterConfig('app', [1, 1]));
  const poolsOf = (): unknown[] => cluster.hosts.map((host) => cluster.poolFor(host, false, false));
  const pools = poolsOf();
  t.not(pools[0], pools[1]);
  update(house, clusterConfig('app', [1, 1, 1]));
  const later = poolsOf();
  t.equal(new Set(later).size, 3);
  t.ok(pools.some((pool) => later.includes(pool)));
});

t.test('a pool that is made when its host is gone already keeps no connection', async (t) => {
  const house = new FakeHouse();
  const cluster = house.addCluster(clusterConfig('app', [1]));
  const old = cluster.hosts[0]!;
  update(house, clusterConfig('app', [2]));
  for (const high of [false, true]) {
    const late = new TaggedStream('late');
    house.loop.turn(() => cluster.poolFor(old, false, high).acquire(late));
    house.lastConnect.connectOk();
    house.lastConnect.receive('HTTP/1.1 204 N\r\n\r\n');
    t.equal(late.story, 'ready,head 204,end');
    t.equal(house.lastConnect.state, 'closed');
  }
  t.same(house.unrest(), {});
});

t.test('endpoints that were looked up: the host of a name is the same wherever it is', async (t) => {
  const house = new FakeHouse();
  const at = (host: string, answer: number): ClusterConfig => clusterConfig('app', [], {
    type: 'logicalDns', answer, endpoints: [{ address: { kind: 'ip', host, port: 80 }, text: 'app.test:80', hostname: 'app.test', weight: 1, priority: 0, zone: '', metadata: [] }],
  });
  const cluster = house.addCluster(clusterConfig('app', []));
  t.same(cluster.hosts, []);
  update(house, at('10.0.0.1', 1));
  const first = ask(house, 'first');
  const old = house.lastConnect;
  old.connectOk();
  old.receive('HTTP/1.1 204 N\r\n\r\n');
  update(house, at('10.0.0.2', 2));
  t.same(cluster.hosts.map(({ shown, hostname, text }) => [shown, hostname, text]), [['10.0.0.2:80', 'app.test', 'app.test:80']]);
  const again = ask(house, 'again');
  t.equal(again.upstreamConnectionId, old.id, 'its connections are still good');
  t.equal(again.upstreamHost, '10.0.0.1:80', 'and go where they went');
  const third = ask(house, 'third');
  t.equal(house.lastConnect.remoteAddress, '10.0.0.2', 'new ones go elsewhere');
  house.lastConnect.connectOk();
  t.equal(third.upstreamHost, '10.0.0.2:80');
  for (const conn of house.loop.connects) conn.receive('HTTP/1.1 204 N\r\n\r\n');
  t.same([first.story, again.story, third.story], Array(3).fill('ready,head 204,end'));
  house.loop.turn(() => cluster.drain());
  t.same(house.unrest(), {});
});

t.test('a cluster whose names stand for nothing for a while keeps its TLS', async (t) => {
  const house = new FakeHouse();
  const tls = { caFile: '', ca: null, serverName: 'a.test', subjectAltNames: [], certificate: null, insecureSkipVerify: true, hash: 'one' };
  const cluster = house.addCluster(clusterConfig('app', [], { tls }));
  const { tls: before } = cluster;
  t.ok(before);
  update(house, clusterConfig('app', [1], { tls, answer: 1 }));
  update(house, clusterConfig('app', [], { tls, answer: 2 }));
  update(house, clusterConfig('app', [1], { tls, answer: 3 }));
  t.equal(cluster.tls, before, 'and what that remembers');
  update(house, clusterConfig('app', [1], { tls: { ...tls, hash: 'two' } }));
  t.not(cluster.tls, before);
});
