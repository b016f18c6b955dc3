// What one side sends as never to be indexed goes on so to the other, both ways, in heads and trailers (RFC 7541 section
// 6.2.3): caller and host are frames written by hand, and the proxy's own table is what is looked at.

import t from 'tap';

import { forward, matching, route } from '../route/request.ts';
import { FakeHouse } from '../support/fake-house.ts';
import { clusterConfig } from '../support/snapshots.ts';
import { data, END_HEADERS, END_STREAM, type Fields, type Frame, FrameLog, headers, hello, PREFACE, pseudo, rst, settings, settingsAck, T, windowUpdate } from '../support/h2-bytes.ts';

const INITIAL_WINDOW = 4;
const ENABLE_CONNECT_PROTOCOL = 8;
const REFUSED_STREAM = 7;
const HEAD = END_HEADERS;
const LAST = END_HEADERS | END_STREAM;
const edits = { set: [['x-set', 'ours']] as [string, string][], add: [], remove: ['x-gone'] };
const ROUTES = [
  route('connect', matching({ kind: 'connect' }), forward()),
  route('edited', matching({ kind: 'prefix', value: '/edited' }), { ...forward(), requestHeaders: edits, responseHeaders: edits }),
  route('app', matching({ kind: 'prefix', value: '/' }), forward()),
];

interface Side {
  send(...frames: readonly Buffer[]): void;
  /** The header blocks since the last call. */
  blocks(): Frame[];
}

const blocksOf = (frames: readonly Frame[]): Frame[] => frames.filter(({ type }) => type === T.HEADERS || type === T.CONTINUATION);

/** The newest connection to the host, up. */
function accept(house: FakeHouse, ...pairs: readonly (readonly [number, number])[]): Side {
  const conn = house.lastConnect;
  const log = new FrameLog();
  let skip = PREFACE.length;
  conn.connectOk();
  conn.receive(Buffer.concat([settings([ENABLE_CONNECT_PROTOCOL, 1], ...pairs), settingsAck()]));
  return {
    send: (...frames) => conn.receive(Buffer.concat(frames)),
    blocks: () => {
      const bytes = conn.takeSent();
      const from = Math.min(skip, bytes.length);
      skip -= from;
      return blocksOf(log.add(bytes.subarray(from)));
    },
  };
}

function stage(...pairs: readonly (readonly [number, number])[]): { caller: Side; host: Side; house: FakeHouse } {
  const house = new FakeHouse();
  house.addCluster(clusterConfig('app', [13_000], { protocol: 'http2' }));
  const door = house.addListener(ROUTES, { protocols: ['http2'], upgrades: ['websocket'] });
  const conn = door.connect();
  const log = new FrameLog();
  const caller: Side = { send: (...frames) => conn.receive(Buffer.concat(frames)), blocks: () => blocksOf(log.add(conn.takeSent())) };
  caller.send(hello([INITIAL_WINDOW, 1 << 20]), settingsAck(), headers(1, pseudo('/warm')));
  const host = accept(house, ...pairs);
  host.blocks();
  host.send(headers(1, [[':status', '204']]));
  caller.blocks();
  return { caller, host, house };
}

const SECRET: Fields = [['x-plain', 'often seen'], ['x-secret', 'k3y'], ['accept', 'text/html']];
const MARKED = ['x-secret', 'accept'];

t.test('fields of requests, answers and trailers', async (t) => {
  const { caller, host } = stage();
  for (let id = 3; id < 13; id += 2) {
    caller.send(headers(id, [...pseudo('/'), ...SECRET], HEAD, MARKED), data(id, 'x', false), headers(id, SECRET, LAST, MARKED));
    for (const block of host.blocks()) {
      t.strictSame(block.never, MARKED, `request ${id}`);
      t.strictSame(block.fields.filter(([name]) => name === 'x-secret'), [['x-secret', 'k3y']]);
    }
    host.send(headers(id, [[':status', '103'], ...SECRET], HEAD, MARKED), headers(id, [[':status', '200'], ...SECRET], HEAD, MARKED), data(id, 'x', false), headers(id, SECRET, LAST, MARKED));
    const answers = caller.blocks();
    t.equal(answers.length, 3);
    for (const block of answers) t.strictSame(block.never, MARKED, `answer ${id}`);
  }
  // The same fields without the mark do enter the table: the mark belongs to the message, not to the name.
  caller.send(headers(13, [...pseudo('/'), ...SECRET]));
  t.strictSame(host.blocks()[0]!.never, []);
  host.send(headers(13, [[':status', '200'], ...SECRET]));
  t.strictSame(caller.blocks()[0]!.never, []);
});

t.test('one of several fields of a name, also far behind', async (t) => {
  const { caller, host } = stage();
  const many = Array.from({ length: 60 }, (_, i): [string, string] => [`x-${i}`, 'v']);
  caller.send(headers(3, [...pseudo('/'), ...many], LAST, ['x-0', 'x-24', 'x-59']));
  t.strictSame(host.blocks()[0]!.never, ['x-0', 'x-24', 'x-59']);
  host.send(headers(3, [[':status', '200'], ...many], LAST, ['x-48']));
  t.strictSame(caller.blocks()[0]!.never, ['x-48']);
  // The next request on the same objects begins without marks.
  caller.send(headers(5, [...pseudo('/'), ...many], LAST));
  t.strictSame(host.blocks()[0]!.never, []);
});

t.test('pseudo-headers', async (t) => {
  const { caller, host } = stage();
  let id = 1;
  for (const name of [':method', ':scheme', ':authority', ':path']) {
    id += 2;
    caller.send(headers(id, pseudo('/reset?token=1'), LAST, [name]));
    const [block] = host.blocks();
    t.strictSame(block!.never, [name]);
    t.strictSame(block!.fields.slice(0, 4).sort(), pseudo('/reset?token=1').sort());
    host.send(headers(id, [[':status', '200']], LAST, [':status']));
    const [answer] = caller.blocks();
    t.strictSame([answer!.never, answer!.fields[0]], [[':status'], [':status', '200']]);
  }
  id += 2;
  caller.send(headers(id, [...pseudo('/', { ':authority': null }), ['host', 'secret.test']], LAST, ['host']));
  t.strictSame(host.blocks()[0]!.never, [':authority'], 'which a host field becomes');
  id += 2;
  const all = [':method', ':authority', ':protocol', ':scheme', ':path'];
  caller.send(headers(id, pseudo('/ws', { ':method': 'CONNECT', ':protocol': 'websocket' }), HEAD, all));
  t.strictSame(host.blocks()[0]!.never, all);
  host.send(headers(id, [[':status', '200']], HEAD, [':status']));
  t.strictSame(caller.blocks()[0]!.never, [':status']);
  id += 2;
  caller.send(headers(id, [[':method', 'CONNECT'], [':authority', 'far:443']], HEAD, [':authority']));
  t.strictSame(host.blocks()[0]!.never, [':authority']);
});

t.test('edits, another attempt, trailers that wait', async (t) => {
  const { caller, host, house } = stage();
  const fields: Fields = [['x-gone', '1'], ['x-set', '2'], ['x-stays', '3']];
  const all = fields.map(([name]) => name);
  caller.send(headers(3, [...pseudo('/edited'), ...fields], LAST, all));
  t.strictSame(host.blocks()[0]!.never, ['x-stays'], 'what the configuration sets is no secret');
  host.send(rst(3, REFUSED_STREAM));
  const other = accept(house, [INITIAL_WINDOW, 4]);
  t.strictSame(other.blocks()[0]!.never, ['x-stays'], 'of a head that was kept for another attempt');
  other.send(headers(1, [[':status', '200'], ...fields], LAST, all));
  t.strictSame(caller.blocks()[0]!.never, ['x-stays']);
  caller.send(headers(5, pseudo('/', { ':method': 'POST' }), HEAD), data(5, 'twelve bytes', false), headers(5, SECRET, LAST, MARKED));
  t.strictSame(other.blocks().map(({ never }) => never), [[]]);
  other.send(windowUpdate(3, 100));
  t.strictSame(other.blocks().map(({ never }) => never), [MARKED], 'of trailers that waited for the window');
});
