// What a filter may do with a stream, and what it is told: every case on a house whose one route has the filter under test.

import t from 'tap';
import { CONTINUE, Filter, PAUSE, REPLIED, type FilterReply, type FilterSeat, type Step } from '../../src/filter/filter.ts';
import { FilterChain, type ChainOwner } from '../../src/filter/chain.ts';
import type { Stream } from '../../src/core/stream.ts';
import type { RouteFacts } from '../../src/filter/filter.ts';
import { forward, matching, route } from '../route/request.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse, type FakeDoor } from '../support/fake-house.ts';
import { readMessages, type Message } from '../support/message-text.ts';
import { clusterConfig } from '../support/snapshots.ts';

const LOG = { path: '/log', format: '%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %ROUTE_NAME% %UPSTREAM_CLUSTER%\n', json: null, filter: null };
const CONNECTIONS = / (?:\w+_)?cx(?:_|$)/;
const REPLY: FilterReply = { status: 418, flags: 0, details: 'teapot', body: 'short and stout', overloaded: false, headers: ['x-pot', 'tea'] };
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** Writes down what happens to it; `onHead` decides. */
class Probe extends Filter {
  readonly seen: string[] = [];
  seat!: FilterSeat;
  onHead: (seat: FilterSeat, stream: Stream) => Step = () => CONTINUE;

  override onRequest(stream: Stream, seat: FilterSeat): Step {
    this.seat = seat;
    this.seen.push(`request ${seat.route?.name ?? 'nowhere'} of ${seat.route?.virtualHostName ?? '-'} to ${stream.clusterName}`);
    return this.onHead(seat, stream);
  }

  override onRequestData(_stream: Stream, chunk: Buffer, last: boolean, _seat: FilterSeat): Buffer {
    this.seen.push(`> ${chunk.toString()}${last ? ' last' : ''}`);
    return chunk;
  }

  override onResponse(stream: Stream): void {
    this.seen.push(`answer ${stream.status}`);
  }

  override onResponseData(_stream: Stream, chunk: Buffer, last: boolean, _seat: FilterSeat): Buffer {
    this.seen.push(`< ${chunk.toString()}${last ? ' last' : ''}`);
    return chunk;
  }

  override onEnd(_stream: Stream, complete: boolean): void {
    this.seen.push(complete ? 'end' : 'broken off');
  }
}

class Scene {
  readonly house = new FakeHouse();
  readonly door: FakeDoor;
  readonly caller: FakeConn;
  readonly filters: readonly Filter[];

  constructor(filters: readonly Filter[]) {
    this.house.addCluster(clusterConfig('app', [13_000]));
    this.door = this.house.addListener([
      route('special', matching({ kind: 'prefix', value: '/' }, { headers: [{ name: 'x-kind', kind: 'exact', value: 'special', start: 0, end: 0, present: true, invert: false }] }), { kind: 'respond', status: 204, headers: [], body: '' }),
      route('main', matching({ kind: 'prefix', value: '/' }), forward({ timeoutMs: 1000 })),
    ], { accessLog: [LOG] });
    this.filters = filters;
    for (const one of this.door.road.runtime.routes.routes) one.filters = (owner: ChainOwner, facts: RouteFacts | null) => new FilterChain(this.filters, owner, facts);
    this.caller = this.door.connect();
  }

  get(): this {
    this.caller.receive('GET /a HTTP/1.1\r\nHost: here\r\n\r\n');
    return this;
  }

  post(body: string, length = body.length): this {
    this.caller.receive(`POST /a HTTP/1.1\r\nHost: here\r\nContent-Length: ${length}\r\n\r\n${body}`);
    return this;
  }

  get up(): FakeConn {
    const up = this.house.lastConnect;
    if (up.state === 'connecting') up.connectOk();
    return up;
  }

  /** What is under way, but for connections. */
  unrest(): string[] {
    return Object.keys(this.house.unrest()).filter((name) => !CONNECTIONS.test(name));
  }

  answer(method = 'GET'): Message {
    return readMessages(this.caller.takeSent().toString('latin1'), [method]).messages[0]!;
  }
}

t.test('a filter sees route, cluster, bodies and the end, once', async (t) => {
  const probe = new Probe();
  const scene = new Scene([probe]).post('hello');
  scene.up.receive(OK);
  t.equal(scene.answer('POST').body, 'ok');
  t.same(probe.seen, ['request main of all to app', '> hello last', 'answer 200', '< ok last', 'end']);
  t.same(scene.unrest(), []);
});

t.test('it may answer itself', async (t) => {
  const probe = new Probe();
  probe.onHead = (seat) => (seat.reply(REPLY), REPLIED);
  const scene = new Scene([probe, new Probe()]).get();
  const answer = scene.answer();
  t.equal(answer.line, "HTTP/1.1 418 Unknown");
  t.equal(answer.body, 'short and stout');
  t.ok(answer.fields.some(([name, value]) => name.toLowerCase() === 'x-pot' && value === 'tea'));
  t.same(probe.seen, ['request main of all to app', 'answer 418', 'end']);
  t.same((scene.filters[1] as Probe).seen, ['answer 418', 'end'], 'the next one never got the request');
  t.same(scene.house.takeLog(), ['418 teapot main app']);
  t.equal(scene.house.loop.connects.length, 0);
  t.same(scene.unrest(), []);
});

t.test('it may let the request wait, and its body with it', async (t) => {
  const probe = new Probe();
  probe.onHead = () => PAUSE;
  const behind = new Probe();
  const scene = new Scene([probe, behind]).post('one ', 12);
  t.equal(scene.house.loop.connects.length, 0);
  t.ok(scene.caller.paused, 'nothing more is read');
  t.same(behind.seen, []);
  probe.seat.resume();
  t.same(behind.seen, ['request main of all to app', '> one ']);
  const { up } = scene;
  t.notOk(scene.caller.paused);
  scene.caller.receive('two and ');
  t.match(up.takeSent().toString(), /one two and $/);
  up.receive(OK);
  t.equal(scene.answer('POST').body, 'ok');
  probe.seat.resume();
  probe.seat.reply(REPLY);
  t.same(scene.house.loop.connects.length, 1, 'what comes too late does nothing');
  t.same(scene.unrest(), []);
});

t.test('a whole request that waited goes on as a whole', async (t) => {
  for (const body of ['', 'all of it']) {
    const probe = new Probe();
    probe.onHead = () => PAUSE;
    const scene = new Scene([probe]).post(body);
    probe.seat.resume();
    t.ok(scene.up.takeSent().toString().endsWith(`\r\n\r\n${body}`));
    scene.up.receive(OK);
    t.equal(scene.answer('POST').body, 'ok');
    t.equal(probe.seen.at(-1), 'end');
    t.same(scene.unrest(), []);
  }
});

t.test('two that pause, one after the other', async (t) => {
  const [first, second] = [new Probe(), new Probe()];
  first.onHead = second.onHead = () => PAUSE;
  const scene = new Scene([first, second]).post('body');
  second.seen.length = 0;
  first.seat.resume();
  t.same(second.seen, ['request main of all to app']);
  first.seat.resume(); // the seat is one: it is the second's turn that this ends
  t.ok(scene.up.takeSent().toString().endsWith('body'));
  scene.up.receive(OK);
  t.same(scene.unrest(), []);
});

t.test('it may answer after having waited', async (t) => {
  const probe = new Probe();
  probe.onHead = () => PAUSE;
  const scene = new Scene([probe]).get();
  t.equal(scene.caller.takeSent().length, 0);
  probe.seat.reply(REPLY);
  probe.seat.reply(REPLY);
  probe.seat.resume();
  t.equal(scene.answer().body, 'short and stout');
  t.same(probe.seen, ['request main of all to app', 'answer 418', 'end']);
  t.same(scene.unrest(), []);
});

t.test('the end is told whatever happens', async (t) => {
  const ends: Record<string, (scene: Scene) => void> = {
    'the caller goes away while it waits': ({ caller }) => caller.breakOff(),
    'the caller goes away while the upstream works': ({ up, caller }) => (up.takeSent(), caller.breakOff()),
    'the upstream breaks off in its answer': ({ up }) => (up.receive('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc'), up.breakOff()),
  };
  for (const [what, happens] of Object.entries(ends)) {
    const probe = new Probe();
    const scene = new Scene([probe]);
    if (what.includes('waits')) probe.onHead = () => PAUSE;
    scene.get();
    happens(scene);
    t.equal(probe.seen.filter((one) => one === 'end' || one === 'broken off').join(), 'broken off', what);
    probe.seat.resume();
    probe.seat.passResponse(probe, Buffer.from('x'), true);
    t.same(scene.unrest(), [], what);
  }
  const probe = new Probe();
  const scene = new Scene([probe]).get();
  void scene.up;
  scene.house.loop.advance(1010);
  t.match(scene.answer().line, / 504 /);
  t.equal(probe.seen.at(-1), 'end', 'an answer of our own is an answer');
});

t.test('a filter that waits too long is ended by the idle time-out', async (t) => {
  const probe = new Probe();
  probe.onHead = () => PAUSE;
  const scene = new Scene([probe]).get();
  scene.house.loop.advance(300_010);
  t.match(scene.answer().line, / 504 /);
  t.same(scene.unrest(), []);
});

t.test('the route is looked for again where a filter says that it has changed the request', async (t) => {
  const probe = new Probe();
  probe.onHead = (seat, stream) => {
    stream.reqHead.set('x-kind', 'special');
    seat.routeChanged = true;
    return CONTINUE;
  };
  const scene = new Scene([probe]).get();
  t.match(scene.answer().line, / 204 /);
  t.same(probe.seen, ['request main of all to app', 'answer 204', 'end']);
  const other = new Probe();
  other.onHead = (_, stream) => (stream.reqHead.set('x-kind', 'special'), CONTINUE);
  const unchanged = new Scene([other]).get();
  t.equal(unchanged.house.loop.connects.length, 1, 'and only there');
});

t.test('bytes that are held back go on later, with the end and past the other filters', async (t) => {
  const holder = new (class extends Probe {
    override onRequestData(_s: Stream, chunk: Buffer, _last: boolean, seat: FilterSeat): Buffer {
      seat.last = false;
      seat.holdRequest();
      return chunk.subarray(0, 2);
    }

    override onResponseData(_s: Stream, chunk: Buffer, _last: boolean, seat: FilterSeat): Buffer {
      seat.last = false;
      seat.holdResponse();
      return chunk.subarray(0, 1);
    }
  })();
  const [outer, inner] = [new Probe(), new Probe()];
  const scene = new Scene([outer, holder, inner]).post('hello', 8);
  const { up } = scene;
  t.ok(scene.caller.paused);
  t.ok(up.takeSent().toString().endsWith('\r\n\r\nhe'));
  holder.seat.passRequest(holder, Buffer.from('llo'), false);
  holder.seat.releaseRequest();
  t.notOk(scene.caller.paused);
  scene.caller.receive('you');
  holder.seat.passRequest(holder, Buffer.from('u'), true);
  t.equal(up.takeSent().toString(), 'lloyou');
  t.same(inner.seen.slice(1), ['> he', '> llo', '> yo', '> u last']);
  up.receive('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  t.ok(scene.caller.takeSent().toString().endsWith('\r\n\r\no'));
  scene.house.loop.advance(5000);
  holder.seat.passResponse(holder, Buffer.from('k'), true);
  t.equal(scene.caller.takeSent().toString(), 'k', 'the route\'s time-out is about the upstream, which has said all');
  t.same(outer.seen.slice(-3), ['< o', '< k last', 'end']);
  t.same(scene.unrest(), []);
});
