// ns per request and answer on the whole road of a worker (H1Down, Journey, H1Pool, H1Up) without sockets: what arrives
// stands ready, what leaves is counted. Run: node build/bench/micro/proxy/exchange.js

import type { Address } from '../../../src/core/address.ts';
import type { Conn, ConnOwner } from '../../../src/io/conn.ts';
import { forward, matching, route } from '../../../test/route/request.ts';
import { FakeHouse } from '../../../test/support/fake-house.ts';
import { BROWSER_REQUEST, measure, RESPONSE, TINY_REQUEST } from '../../samples/http-heads.ts';

const TIMES = 200;

/** Takes everything at once. */
class NullConn implements Conn {
  owner!: ConnOwner;
  readonly id: number;
  readonly error = '';
  readonly remoteAddress = '192.0.2.5';
  readonly remotePort = 40_000;
  readonly localAddress = '198.51.100.7';
  readonly localPort = 8080;
  readonly pending = 0;
  bytes = 0;

  constructor(id: number) {
    this.id = id;
  }

  write(_buf: Buffer, start: number, end: number): boolean {
    this.bytes += end - start;
    return true;
  }

  pauseRead(): void {}
  resumeRead(): void {}
  shutdownWrite(): void {}
  close(): void {}
  closeLingering(): void {}
  reset(): void {}
}

const house = new FakeHouse();
const up = new NullConn(1);
const loop: { connect(to: Address, owner: ConnOwner): Conn } = house.loop;
loop.connect = (_to, owner) => {
  up.owner = owner;
  return up;
};
house.addCluster();
const door = house.addListener([route('all', matching({ kind: 'prefix', value: '/' }), forward())]);
const down = new NullConn(2);
down.owner = door.listener.accept(down)!;

// Both sides' bytes stand in one buffer, as the loop's do.
const BEGIN = 64;
const room = Buffer.alloc(1 << 17);

function bench(title: string, request: Buffer, answer: Buffer): void {
  room.set(request, BEGIN);
  const answerAt = BEGIN + request.length + 64;
  room.set(answer, answerAt);
  measure(title, request.length + answer.length, TIMES, (times) => {
    for (let i = 0; i < times; i++) {
      down.owner.onData(down, room, BEGIN, BEGIN + request.length);
      up.owner.onData(up, room, answerAt, answerAt + answer.length);
    }
  });
}

const text = (...parts: string[]): Buffer => Buffer.from(parts.join(''), 'latin1');
const CHUNKED = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n';
const counted = (size: number): Buffer => text(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${size}\r\n\r\n`, 'x'.repeat(size));

// The first request waits for its connection.
down.owner.onData(down, room, BEGIN, BEGIN + room.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n', BEGIN, 'latin1'));
up.owner.onConnect(up);
up.owner.onData(up, room, BEGIN, BEGIN + room.write('HTTP/1.1 204 N\r\n\r\n', BEGIN, 'latin1'));

for (let roundNumber = 0; roundNumber < 2; roundNumber++) {
  bench('tiny request, 2 bytes back', TINY_REQUEST, counted(2));
  bench('tiny request, chunked back', TINY_REQUEST, text(CHUNKED, '2\r\nok\r\n0\r\n\r\n'));
  bench('tiny request, 16 KB back', TINY_REQUEST, counted(16_384));
  bench('tiny request, 60 KB back', TINY_REQUEST, counted(60_000));
  bench('chunked upload, 2 bytes back', text('POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n', '400\r\n', 'u'.repeat(1024), '\r\n0\r\n\r\n'), counted(2));
  bench('browser request, 12 fields back', BROWSER_REQUEST, text(RESPONSE.toString('latin1').replace(/content-length: \d+/i, 'content-length: 0')));
}
if (house.journeys.active !== 0) throw new Error('not every request was answered');
