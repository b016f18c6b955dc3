// Bodies that may pass only so fast, with virtual time: how long they take, what is kept of them, and what is left behind.

import t from 'tap';
import { buildFilters } from '../../src/config/build/filters.ts';
import type { BandwidthLimitDocument } from '../../src/config/document.ts';
import { BANDWIDTH_ALLOWED, BANDWIDTH_ENABLED, BANDWIDTH_ENFORCED, BANDWIDTH_INCOMING, BANDWIDTH_PENDING, BANDWIDTH_RESPONSE } from '../../src/observe/limit-stats.ts';
import { forward, matching, route } from '../route/request.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse, SharedBreakers, type FakeDoor } from '../support/fake-house.ts';
import { ManualTime } from '../support/manual-time.ts';
import { clusterConfig } from '../support/snapshots.ts';

const CHUNK = 16_384;

class Scene {
  readonly house: FakeHouse;
  readonly door: FakeDoor;

  constructor(document: BandwidthLimitDocument, time = new ManualTime(), shared = new SharedBreakers()) {
    this.house = new FakeHouse({ time, shared });
    this.house.addCluster(clusterConfig('app', [13_000]));
    const filters = buildFilters([{ bandwidthLimit: document }], { statPrefix: 'edge', path: ['edge'] });
    this.door = this.house.addListener([route('all', matching({ kind: 'prefix', value: '/' }), forward({ timeoutMs: 0 }))], { filters });
  }

  stat(slot: number): number {
    return this.house.cells[this.house.limits.get('bandwidthLimit')!.stats + slot]!;
  }

  ask(head: string): { caller: FakeConn; up: FakeConn } {
    const caller = this.door.connect();
    caller.receive(head);
    const up = this.house.lastConnect;
    if (up.state === 'connecting') up.connectOk();
    up.takeSent();
    return { caller, up };
  }

  /** A download under way: the upstream sends as much as it may. */
  download(bytes: number): Download {
    const { caller, up } = this.ask('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
    up.receive(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`);
    caller.takeSent();
    return { caller, up, left: bytes, received: 0, most: 0 };
  }

  quiet(): string[] {
    return Object.keys(this.house.unrest()).filter((name) => !/ (?:\w+_)?cx(?:_|$)/.test(name));
  }
}

interface Download {
  readonly caller: FakeConn;
  readonly up: FakeConn;
  left: number;
  received: number;
  /** The most that was read of the upstream and not passed on. */
  most: number;
}

function feed(download: Download, bytes: number): void {
  const { caller, up } = download;
  while (!up.paused && download.left > 0) {
    const size = Math.min(CHUNK, download.left);
    download.left -= size;
    up.receive(Buffer.alloc(size, 'x'));
    download.received += caller.takeSent().length;
  }
  download.received += caller.takeSent().length;
  download.most = Math.max(download.most, bytes - download.left - download.received);
}

t.test('1 MB at 100 KB a second takes ten seconds, and next to no memory', async (t) => {
  const scene = new Scene({ responseRate: 100_000 });
  const bytes = 1_000_000;
  const download = scene.download(bytes);
  let ms = 0;
  for (; download.received < bytes && ms < 20_000; ms += 10) {
    feed(download, bytes);
    scene.house.loop.advance(10);
    if (ms === 5000) t.ok(Math.abs(download.received - 500_000) < 50_000, `${download.received} after five seconds`);
  }
  t.ok(ms > 9000 && ms < 11_000, `${ms} ms`);
  t.equal(download.received, bytes);
  t.ok(download.most <= CHUNK, `${download.most} bytes kept at most`);
  t.ok(download.up.pauses > 10, 'the upstream was paused');
  t.equal(scene.stat(BANDWIDTH_RESPONSE + BANDWIDTH_ENABLED), 1);
  t.equal(scene.stat(BANDWIDTH_RESPONSE + BANDWIDTH_INCOMING), bytes);
  t.equal(scene.stat(BANDWIDTH_RESPONSE + BANDWIDTH_ALLOWED), bytes);
  t.ok(scene.stat(BANDWIDTH_RESPONSE + BANDWIDTH_ENFORCED) > 100);
  t.equal(scene.stat(BANDWIDTH_RESPONSE + BANDWIDTH_PENDING), 0);
  t.same(scene.quiet(), []);
});

t.test('streams of two workers share the rate', async (t) => {
  const [time, shared] = [new ManualTime(), new SharedBreakers()];
  const scenes = [new Scene({ responseRate: 100_000 }, time, shared), new Scene({ responseRate: 100_000 }, time, shared)];
  const downloads = [...scenes, ...scenes].map((scene) => scene.download(200_000));
  let ms = 0;
  for (; downloads.some(({ received }) => received < 200_000) && ms < 20_000; ms += 10) {
    for (const download of downloads) if (download.received < 200_000) feed(download, 200_000);
    time.advance(10);
    for (const { house } of scenes) {
      house.loop.turn(() => {
        house.loop.clock.refresh();
        house.loop.timers.advance(house.loop.clock.now);
      });
    }
  }
  t.ok(ms > 7000 && ms < 9000, `${ms} ms for 800,000 bytes`);
  for (const scene of scenes) t.same(scene.quiet(), []);
});

t.test('what is sent up passes as fast as it may', async (t) => {
  const scene = new Scene({ requestRate: 10_000 });
  const { caller, up } = scene.ask('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 30000\r\n\r\n');
  let left = 30_000;
  let sent = 0;
  let ms = 0;
  for (; sent < 30_000 && ms < 10_000; ms += 10) {
    while (!caller.paused && left > 0) {
      caller.receive(Buffer.alloc(Math.min(5000, left), 'x'));
      left -= Math.min(5000, left);
    }
    sent += up.takeSent().length;
    scene.house.loop.advance(10);
  }
  t.ok(ms > 2500 && ms < 3300, `${ms} ms`);
  t.equal(caller.takeSent().length, 0);
  up.receive('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  t.match(caller.takeSent().toString(), /^HTTP\/1.1 200 /);
  t.same(scene.quiet(), []);
});

t.test('whoever goes away leaves nothing behind', async (t) => {
  for (const end of ['caller', 'upstream']) {
    const scene = new Scene({ responseRate: 1000, requestRate: 1000 });
    const download = scene.download(50_000);
    download.up.receive(Buffer.alloc(10_000));
    scene.house.loop.advance(100);
    t.ok(download.up.paused);
    if (end === 'caller') download.caller.breakOff();
    else download.up.breakOff();
    scene.house.loop.advance(1000);
    t.same(scene.quiet(), [], end);
    t.equal(scene.stat(BANDWIDTH_RESPONSE + BANDWIDTH_PENDING), 0);
  }
});

t.test('a connection whose answer is still being passed on serves the next request', async (t) => {
  const scene = new Scene({ responseRate: 1000 });
  const first = scene.ask('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
  first.up.receive(`HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(1000)}`);
  t.notOk(first.up.paused);
  const second = scene.ask('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
  t.equal(second.up, first.up);
  second.up.receive('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  t.match(second.caller.takeSent().toString(), /^HTTP\/1.1 200 /);
  let received = 0;
  for (let ms = 0; ms < 2000; ms += 10, received += first.caller.takeSent().length) scene.house.loop.advance(10);
  t.ok(received > 1000);
  t.same(scene.quiet(), []);
});

t.test('an answer without a body, and one that fits, pass at once', async (t) => {
  const scene = new Scene({ responseRate: 1000 });
  for (const answer of ['HTTP/1.1 204 No Content\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n' + 'x'.repeat(100), 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n']) {
    const { caller, up } = scene.ask('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
    up.receive(answer);
    t.match(caller.takeSent().toString(), /^HTTP\/1.1 20/);
  }
  t.same(scene.quiet(), []);
});

t.test('trailers wait for what they follow', async (t) => {
  const scene = new Scene({ responseRate: 1000 });
  const { caller, up } = scene.ask('GET / HTTP/1.1\r\nHost: here\r\nTE: trailers\r\n\r\n');
  up.receive(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n${'x'.repeat(1000)}\r\n0\r\nx-sum: 7\r\n\r\n`);
  t.notMatch(caller.takeSent().toString(), /x-sum/);
  let text = '';
  for (let ms = 0; ms < 2000; ms += 10) {
    scene.house.loop.advance(10);
    text += caller.takeSent().toString();
  }
  t.match(text, /\r\n0\r\nx-sum: 7\r\n\r\n$/);
  t.same(scene.quiet(), []);
});
