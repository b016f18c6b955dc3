// The pool whose connections TLS decides about: which protocol each request is spoken in, and who waits where meanwhile.

import t from 'tap';
import { AutoPool } from '../../src/cluster/auto-pool.ts';
import type { Cluster } from '../../src/cluster/cluster.ts';
import type { TlsInfo } from '../../src/core/tls-info.ts';
import * as S from '../../src/observe/stat-names.ts';
import { FakeHouse } from '../support/fake-house.ts';
import { data, END_HEADERS, headers, settings } from '../support/h2-bytes.ts';
import { clusterConfig } from '../support/snapshots.ts';
import { TaggedStream } from '../support/tagged-stream.ts';

interface Stage {
  house: FakeHouse;
  cluster: Cluster;
  pool: AutoPool;
  ask(tag: string): TaggedStream;
  /** The connection comes up, and ALPN has chosen this. */
  up(index: number, alpn: string): void;
  stat(slot: number): number;
}

function stageOf(): Stage {
  const house = new FakeHouse();
  const cluster = house.addCluster(clusterConfig('app', [13_000], { protocol: 'auto', connectTimeoutMs: 1000 }));
  const pool = new AutoPool(cluster.lane, cluster.hosts[0]!);
  cluster.hosts[0]!.pool = pool;
  return {
    house,
    cluster,
    pool,
    ask(tag) {
      const stream = new TaggedStream(tag);
      house.loop.turn(() => pool.acquire(stream));
      return stream;
    },
    up(index, alpn) {
      const conn = house.loop.connects[index]!;
      conn.tls = { version: 'TLSv1.3', cipher: 'c', alpn, serverName: '', resumed: false, hasPeer: true, peer: null } as TlsInfo;
      conn.connectOk();
    },
    stat: (slot) => house.cells[cluster.stats + slot]!,
  };
}

const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh1';

t.test('HTTP/2 where the host speaks it', async (t) => {
  const stage = stageOf();
  const [a, b] = [stage.ask('a'), stage.ask('b')];
  t.equal(stage.house.loop.connects.length, 1, 'one connection is hoped to be enough');
  stage.up(0, 'h2');
  const conn = stage.house.loop.connects[0]!;
  conn.receive(settings());
  t.same([a.story, b.story], ['ready', 'ready']);
  t.same([a.up!.protocol, stage.stat(S.UP_CX_HTTP2_TOTAL), stage.stat(S.UP_CX_HTTP1_TOTAL)], ['HTTP/2', 1, 0]);
  conn.receive(Buffer.concat([headers(1, [[':status', '200']], END_HEADERS), data(1, 'x'), headers(3, [[':status', '200']], END_HEADERS), data(3, 'y')]));
  t.same([a.body, b.body], ['x', 'y']);
});

t.test('HTTP/1.1 where it does not: each request that waited gets a connection', async (t) => {
  const stage = stageOf();
  const streams = ['a', 'b', 'c'].map((tag) => stage.ask(tag));
  stage.up(0, 'http/1.1');
  t.equal(stage.house.loop.connects.length, 3);
  stage.up(1, '');
  stage.up(2, 'http/1.1');
  t.same(streams.map(({ story }) => story), ['ready', 'ready', 'ready']);
  t.equal(stage.stat(S.UP_CX_HTTP1_TOTAL), 3);
  for (const conn of stage.house.loop.connects) conn.receive(answer);
  t.same(streams.map(({ body }) => body), ['h1', 'h1', 'h1']);
  t.equal(stage.ask('d').story, 'ready', 'and their connections are used again');
  stage.house.loop.connects[2]!.receive(answer);
  stage.house.loop.turn(() => stage.pool.drain());
  t.same(stage.house.unrest(), {});
});

t.test('a host that changes its mind', async (t) => {
  const stage = stageOf();
  stage.ask('a');
  stage.up(0, 'http/1.1');
  const waits = stage.ask('b');
  stage.up(1, 'h2');
  t.equal(waits.story, '', 'until its settings come');
  stage.house.loop.connects[1]!.receive(settings());
  t.same([waits.story, waits.up!.protocol], ['ready', 'HTTP/2']);
  t.equal(stage.ask('c').up!.protocol, 'HTTP/2');
  stage.house.loop.connects[0]!.receive(answer);
});

t.test('what never comes up', async (t) => {
  const stage = stageOf();
  const one = stage.ask('a');
  stage.house.loop.connects[0]!.connectFail('ECONNREFUSED');
  t.equal(one.story, 'failed connectFailure');
  const two = stage.ask('b');
  stage.house.loop.advance(1100);
  t.equal(two.story, 'failed connectTimeout');
  const three = stage.ask('c');
  stage.house.loop.turn(() => three.cancelIn(stage.pool));
  stage.up(2, 'h2');
  stage.house.loop.connects[2]!.receive(settings());
  stage.house.loop.turn(() => stage.pool.drain());
  t.same(stage.house.unrest(), {});
});
