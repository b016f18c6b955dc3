// How long a closing connection is borne: under a clock moved by hand, and once on real sockets of both engines.

import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';

import { Clock } from '../../src/core/clock.ts';
import type { Conn, ConnOwner } from '../../src/io/conn.ts';
import { Ending } from '../../src/io/ending.ts';
import { createLoop, loadEngine } from '../../src/io/engine.ts';
import { TimerWheel } from '../../src/io/timer-wheel.ts';

class Scene {
  time = 0;
  pending: number;
  gaveUpAt = -1;
  private readonly clock = new Clock({ monotonicMs: () => this.time, wallMs: () => 0 });
  readonly wheel = new TimerWheel(this.clock);
  readonly ending: Ending;

  constructor(pending: number, lingerMs: number) {
    this.pending = pending;
    this.ending = new Ending(this, this.wheel, lingerMs);
  }

  giveUp(): void {
    this.gaveUpAt = this.time;
  }

  run(untilMs: number, eachSecond: () => void = () => undefined): void {
    while (this.time < untilMs && this.gaveUpAt < 0) {
      this.time += 10;
      if (this.time % 1000 === 0) eachSecond();
      this.clock.refresh();
      this.wheel.advance(this.clock.now);
    }
  }
}

t.test('nothing kept: the linger time and no more', async (t) => {
  const scene = new Scene(0, 1000);
  scene.run(5000);
  t.ok(scene.gaveUpAt >= 1000 && scene.gaveUpAt <= 1020, `${scene.gaveUpAt}`);
});

t.test('a slow reader has as long as it goes on', async (t) => {
  const scene = new Scene(1000, 1000);
  scene.run(900_000, () => (scene.pending = Math.max(0, scene.pending - 2)));
  t.equal(scene.pending, 0, 'it got everything');
  t.ok(scene.gaveUpAt >= 501_000 && scene.gaveUpAt <= 503_000, `and then the linger time: ${scene.gaveUpAt}`);
});

t.test('a reader that stalls is given up after a minute', async (t) => {
  const scene = new Scene(1000, 1000);
  scene.run(200_000, () => {
    if (scene.time <= 30_000) scene.pending--;
  });
  t.ok(scene.gaveUpAt >= 89_000 && scene.gaveUpAt <= 92_000, `${scene.gaveUpAt}`);
});

t.test('close without lingering ends once nothing is kept', async (t) => {
  const scene = new Scene(5, 0);
  scene.run(20_000, () => scene.pending--);
  t.ok(scene.gaveUpAt >= 5000 && scene.gaveUpAt <= 7000, `${scene.gaveUpAt}`);
});

t.test('stop', async (t) => {
  const scene = new Scene(0, 1000);
  scene.ending.stop();
  scene.run(5000);
  t.equal(scene.gaveUpAt, -1);
});

const BODY = 24 << 20;

for (const kind of ['epoll', 'node'] as const) {
  const missing = kind === 'epoll' && loadEngine('auto').kind !== 'epoll';
  t.test(`${kind}: a reader slower than the linger time still gets every byte`, { skip: missing }, async (t) => {
    const loop = createLoop(kind);
    const owner: ConnOwner = {
      onConnect: () => undefined,
      onData: (conn: Conn) => {
        conn.write(Buffer.alloc(BODY, 'x'), 0, BODY);
        t.ok(conn.pending > 0, 'more than the sockets hold');
        conn.closeLingering(100);
      },
      onWritable: () => undefined,
      onEnd: (conn: Conn) => conn.close(),
      onClose: () => undefined,
    };
    const listener = await loop.listen({ kind: 'ip', host: '127.0.0.1', port: 0 }, -1, () => owner);
    loop.run();
    const { address } = listener;
    const client = connect(address.kind === 'ip' ? address.port : 0, '127.0.0.1');
    client.write('go');
    await sleep(600); // the linger time is over several times; nothing of it is asserted
    let got = 0;
    for await (const chunk of client) got += (chunk as Buffer).length;
    t.equal(got, BODY);
    loop.stop();
  });
}
