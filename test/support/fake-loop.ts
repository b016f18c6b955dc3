// A loop without sockets: connections are FakeConns that the test plays the peers of, time is turned by hand, and the
// timers are the real wheel. Test code only.
// Like the engines it lends one read buffer and calls owners from its own stack only; unlike them it spoils the buffer
// after each callback, so that a slice kept too long is seen.

import assert from 'node:assert/strict';

import type { Address } from '../../src/core/address.ts';
import { Clock } from '../../src/core/clock.ts';
import type { Accept, ConnOwner, Listener, Loop } from '../../src/io/conn.ts';
import { TimerWheel } from '../../src/io/timer-wheel.ts';
import { FakeConn } from './fake-conn.ts';
import { ManualTime } from './manual-time.ts';

const READ_BYTES = 1 << 20;
const TICK_MS = 10;
const SPOILT = 0x7e;
/** One for all loops of a test: they turn one at a time. */
const readBuffer = Buffer.alloc(READ_BYTES, SPOILT);

const nobody: ConnOwner = {
  onConnect: () => undefined,
  onData: () => undefined,
  onWritable: () => undefined,
  onEnd: () => undefined,
  onClose: () => undefined,
};

export class FakeListener implements Listener {
  readonly address: Address;
  readonly accept: Accept;
  stopped = false;
  held = false;

  constructor(address: Address, accept: Accept) {
    this.address = address;
    this.accept = accept;
  }

  stop(done: () => void): void {
    this.stopped = true;
    done();
  }

  hold(on: boolean): void {
    this.held = on;
  }
}

export class FakeLoop implements Loop {
  readonly kind = 'epoll';
  readonly time: ManualTime;
  readonly clock: Clock;
  readonly timers: TimerWheel;
  /** Outgoing connections in the order of their making. */
  readonly connects: FakeConn[] = [];
  readonly listeners: FakeListener[] = [];
  /** Where each outgoing connection went. */
  readonly targets: string[] = [];
  /** Why the next `listen` fails; '' when it does not. */
  listenError = '';
  openConns = 0;
  running = false;
  /** Where the next lent bytes stand: never at the same place twice in a row. */
  private lendAt = 0;
  private lent = false;
  private inTurn = false;
  private readonly gone: FakeConn[] = [];
  private readonly toRead = new Set<FakeConn>();
  private readonly ends: (() => void)[] = [];
  private nextId = 1;

  constructor(time: ManualTime = new ManualTime()) {
    this.time = time;
    this.clock = new Clock(time);
    this.timers = new TimerWheel(this.clock);
  }

  // ---- the contract ----

  listen(address: Address, _fd: number, accept: Accept): Promise<Listener> {
    if (this.listenError !== '') return Promise.reject(Object.assign(new Error(this.listenError), { code: this.listenError }));
    const listener = new FakeListener(address, accept);
    this.listeners.push(listener);
    return Promise.resolve(listener);
  }

  connect(to: Address, owner: ConnOwner): FakeConn {
    const conn = new FakeConn(this, owner, this.nextId++, true);
    conn.remoteAddress = to.kind === 'ip' ? to.host : to.path;
    conn.remotePort = to.kind === 'ip' ? to.port : 0;
    this.connects.push(conn);
    this.targets.push(to.kind === 'ip' ? `${to.host}:${to.port}` : to.path);
    this.openConns++;
    return conn;
  }

  atTurnEnd(fn: () => void): void {
    this.ends.push(fn);
  }

  yieldSoon(): void {}

  run(): void {
    this.running = true;
  }

  readonly tlsProblem: string = '';
  /** Settings prepared and not forgotten. */
  readonly settings = new Set<object>();

  prepareTls(tls: object): void {
    this.settings.add(tls);
  }

  forgetTls(tls: object): void {
    this.settings.delete(tls);
  }

  stop(): void {
    this.running = false;
  }

  // ---- the test's side ----

  /** A caller connects; null when it is turned away. */
  accept(accept: Accept, remoteAddress = '192.0.2.5'): FakeConn | null {
    const conn = new FakeConn(this, nobody, this.nextId++, false);
    conn.remoteAddress = remoteAddress;
    this.openConns++;
    let taken = false;
    this.turn(() => {
      const owner = accept(conn);
      if (owner === null) {
        conn.reset();
      } else {
        conn.owner = owner;
        taken = true;
      }
    });
    return taken ? conn : null;
  }

  /** Time passes, in ticks of the wheel. */
  advance(ms: number): void {
    for (let left = ms; left > 0; left -= TICK_MS) {
      this.time.advance(Math.min(left, TICK_MS));
      this.turn(() => {
        this.clock.refresh();
        this.timers.advance(this.clock.now);
      });
    }
  }

  /** As one turn of a real loop: something happens, then what it left behind is told. */
  turn(happens: () => void): void {
    assert.equal(this.inTurn, false, 'a turn within a turn: the test was called from inside the house');
    this.inTurn = true;
    happens();
    for (;;) {
      const conn = this.gone.shift();
      if (conn !== undefined) {
        conn.tellClosed();
        continue;
      }
      const [ready] = this.toRead;
      if (ready === undefined) break;
      this.toRead.delete(ready);
      ready.deliver();
    }
    this.inTurn = false;
    for (const fn of this.ends.splice(0)) fn();
  }

  // ---- for connections ----

  /** `conn` may have something to read. */
  readable(conn: FakeConn): void {
    this.toRead.add(conn);
  }

  closed(conn: FakeConn): void {
    this.openConns--;
    this.toRead.delete(conn);
    this.gone.push(conn);
  }

  /** Shows bytes to an owner in the read buffer, and takes them away afterwards. */
  lend(bytes: Buffer, show: (buf: Buffer, start: number, end: number) => void): void {
    assert.equal(this.lent, false, 'one callback at a time');
    this.lent = true;
    const start = this.lendAt;
    const end = start + bytes.length;
    assert.ok(end <= READ_BYTES, 'more bytes than one read brings');
    readBuffer.set(bytes, start);
    show(readBuffer, start, end);
    readBuffer.fill(SPOILT, start, end);
    this.lendAt = (this.lendAt + 7) % 64;
    this.lent = false;
  }
}
