import t from 'tap';
import type { Cluster } from '../../src/cluster/cluster.ts';
import * as S from '../../src/observe/stat-names.ts';
import type { FakeConn } from '../support/fake-conn.ts';
import { FakeHouse } from '../support/fake-house.ts';
import { readMessage, readMessages } from '../support/message-text.ts';
import { chunkedStream, TaggedStream } from '../support/tagged-stream.ts';

interface Stage {
  house: FakeHouse;
  cluster: Cluster;
  conn: FakeConn;
  /** Sends the request on the one connection, or lets it wait for it. */
  ask(stream: TaggedStream): TaggedStream;
}

/** A cluster of one host with one connection that is up and idle. */
function stageOf(): Stage {
  const house = new FakeHouse();
  const cluster = house.addCluster();
  const ask = (stream: TaggedStream): TaggedStream => {
    house.loop.turn(() => {
      cluster.poolFor(cluster.hosts[0]!, false, false).acquire(stream);
      house.out.flush();
    });
    return stream;
  };
  ask(new TaggedStream('warm'));
  const conn = house.lastConnect;
  conn.connectOk();
  conn.receive('HTTP/1.1 204 No Content\r\n\r\n');
  conn.takeSent();
  return { house, cluster, conn, ask };
}

const HEADS: [name: string, answer: string, body: string, story: string][] = [
  ['length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello', 'hello', 'ready,head 200,end'],
  ['chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: 1\r\n\r\n', 'hello', 'ready,head 200,end'],
  ['interim', 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx', 'x', 'ready,interim 100,interim 103,head 201,end'],
  ['no body', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\nETag: "x"\r\n\r\n', '', 'ready,head 304,end'],
  ['empty body', 'HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n', '', 'ready,head 500,end'],
];

t.test('an answer split at every byte is the same answer, and the connection is kept', async (t) => {
  for (const [name, answer, body, story] of HEADS) {
    for (let split = 1; split < answer.length; split++) {
      const { conn, ask } = stageOf();
      const stream = ask(new TaggedStream('s'));
      conn.receive(answer.slice(0, split));
      conn.receive(answer.slice(split));
      if (stream.story !== story || stream.body !== body || conn.state !== 'open') t.fail(`${name} at ${split}: ${stream.story} ${stream.body} ${conn.state}`);
    }
    const { conn, ask, house } = stageOf();
    const stream = ask(new TaggedStream('s'));
    for (const byte of answer) conn.receive(byte);
    t.same([stream.story, stream.body, conn.state], [story, body, 'open'], `${name}, byte by byte`);
    t.equal(ask(new TaggedStream('next')).story, 'ready');
    t.equal(house.loop.connects.length, 1);
  }
});

t.test('an answer until close', async (t) => {
  const { conn, ask, house } = stageOf();
  const stream = ask(new TaggedStream('s'));
  conn.receive('HTTP/1.1 200 OK\r\n\r\nhel');
  conn.receive('lo');
  t.equal(stream.story, 'ready,head 200');
  conn.end();
  t.same([stream.story, stream.body, conn.state], ['ready,head 200,end', 'hello', 'closed']);
  t.same(house.unrest(), {});
});

t.test('HEAD has no body, whatever the head announces', async (t) => {
  const { conn, ask } = stageOf();
  const stream = ask(new TaggedStream('s', { head: 'HEAD /s HTTP/1.1\r\nHost: o\r\n\r\n' }));
  conn.receive('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
  t.equal(stream.story, 'ready,head 200,end');
  t.equal(conn.state, 'open');
});

t.test('answers that break a rule: 502 material, and the connection is gone', async (t) => {
  const bad = [
    'HTTP/2 200 OK\r\n\r\n',
    'HTTP/1.1 99 Low\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx',
    'HTTP/1.1 200 OK\r\n folded: x\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n',
    'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello',
    `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(70_000)}\r\n\r\n`,
  ];
  for (const text of bad) {
    const { conn, ask, house, cluster } = stageOf();
    const stream = ask(new TaggedStream('s'));
    conn.receive(text);
    t.equal(stream.story, 'ready,reset upstreamProtocol', JSON.stringify(text.slice(0, 60)));
    t.equal(conn.peerSees, 'reset');
    t.equal(house.cells[cluster.stats + S.UP_CX_PROTOCOL_ERROR], 1);
    t.same(house.unrest(), {});
  }
});

t.test('a body that breaks a rule: what came before it is passed on', async (t) => {
  const { conn, ask } = stageOf();
  const stream = ask(new TaggedStream('s'));
  conn.receive('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nnonsense\r\n');
  t.same([stream.story, stream.body, conn.peerSees], ['ready,head 200,reset upstreamProtocol', 'ok', 'reset']);
});

t.test('trailers of an answer are there at its end', async (t) => {
  const { conn, ask } = stageOf();
  const stream = ask(new TaggedStream('s'));
  const waiting = new TaggedStream('waits');
  let seen = '';
  stream.onEvent = (event) => {
    if (event === 'end') seen = `${stream.resTrailers!.name(0)}=${stream.resTrailers!.value(0)}`;
  };
  ask(waiting);
  conn.receive('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 42\r\n\r\n');
  t.equal(seen, 'X-Sum=42', 'although the next request has the connection already');
  t.equal(waiting.story, 'ready');
});

t.test('head and body of a request leave together, chunks are framed', async (t) => {
  const { conn, ask } = stageOf();
  const stream = ask(chunkedStream('up', ['hello ', 'world']));
  const message = readMessage(conn.takeSent().toString('latin1'))!;
  t.equal(message.line, 'POST /up HTTP/1.1');
  t.equal(message.body, 'hello world');
  t.equal(conn.segments.length, 3, 'warm-up; head with the first chunk; second chunk with the end');
  t.ok(stream.upload);
  const counted = ask(new TaggedStream('n', { head: 'POST /n HTTP/1.1\r\nHost: o\r\nContent-Length: 5\r\n\r\n', upload: ['hello'] }));
  t.equal(counted.story, '', 'the connection is busy');
  conn.receive('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  t.equal(readMessage(conn.takeSent().toString('latin1'))!.body, 'hello');
});

t.test('bodies of every size around the limit of copying, in one write or in pieces', async (t) => {
  for (const size of [0, 1, 15, 16, 255, 16_383, 16_384, 16_385, 100_000, 300_000]) {
    for (const room of [Infinity, 1000]) {
      for (const kind of ['length', 'chunked'] as const) {
        const { conn, ask } = stageOf();
        const text = 'abcdefghij'.repeat(size / 10 + 1).slice(0, size);
        const head = kind === 'length' ? `Content-Length: ${size}` : 'Transfer-Encoding: chunked';
        conn.setRoom(room);
        const stream = ask(new TaggedStream('b', { head: `POST /b HTTP/1.1\r\nHost: o\r\n${head}\r\n\r\n`, upload: [text] }));
        conn.setRoom(Infinity);
        const message = readMessage(conn.takeSent().toString('latin1'));
        if (message?.body !== text) t.fail(`${kind} ${size} with room for ${room}`);
        conn.receive('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
        if (stream.events.at(-1) !== 'end' || conn.state !== 'open') t.fail(`${kind} ${size}: ${stream.story} ${conn.state}`);
      }
    }
  }
  t.pass();
});

t.test('a full socket says so, and tells when it takes bytes again', async (t) => {
  const { conn, ask } = stageOf();
  conn.setRoom(50);
  const stream = ask(chunkedStream('up'));
  t.equal(stream.send('x'.repeat(100), false), false);
  t.equal(stream.send('y', false), false, 'still');
  conn.setRoom(10);
  t.equal(stream.writable, 0);
  conn.setRoom(1000);
  t.equal(stream.writable, 1);
  t.equal(stream.send('z', true), true);
  t.equal(readMessage(conn.takeSent().toString('latin1'))!.body, 'x'.repeat(100) + 'yz');
});

t.test('trailers of a request', async (t) => {
  const { conn, ask } = stageOf();
  const stream = ask(chunkedStream('up'));
  const trailers = new TaggedStream('t', { head: 'GET / HTTP/1.1\r\nHost: o\r\nX-Sum: 42\r\nContent-Length: 3\r\n\r\n' }).reqHead;
  trailers.remove('host');
  trailers.remove('content-length');
  stream.reqTrailers = trailers;
  stream.send('ok', true);
  const message = readMessage(conn.takeSent().toString('latin1'))!;
  t.same([message.body, message.trailers], ['ok', [['X-Sum', '42']]]);
});

t.test('paused by the reader of one answer, read on for the next request', async (t) => {
  const { conn, ask } = stageOf();
  const stream = ask(new TaggedStream('slow'));
  let paused = false;
  const plain = stream.responseData.bind(stream);
  stream.responseData = (buf, start, end, last): void => {
    plain(buf, start, end, last);
    if (paused || last) return;
    paused = true;
    stream.up!.pause();
  };
  conn.receive('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n');
  t.same([paused, stream.story, stream.body], [true, 'ready,head 200,end', 'onetwo']);
  t.equal(conn.paused, false, 'the connection goes back to its pool reading');
  const next = ask(new TaggedStream('next'));
  conn.receive('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  t.equal(next.body, 'ok');
});

t.test('an aborted connection is not resumed, a closed one is not written to', async (t) => {
  const { conn, ask, house } = stageOf();
  const stream = ask(new TaggedStream('s'));
  const up = stream.up!;
  house.loop.turn(() => stream.giveUp());
  t.equal(conn.state, 'closed');
  up.resume();
  up.abort();
  t.same(house.unrest(), {});
  t.equal(readMessages(conn.takeSent().toString('latin1')).messages.length, 1);
});

t.test('a head that waits for its body does not mix with what another connection writes', async (t) => {
  const { house, cluster, conn, ask } = stageOf();
  ask(new TaggedStream('first'));
  ask(new TaggedStream('second'));
  const other = house.lastConnect;
  other.connectOk();
  conn.receive('HTTP/1.1 204 N\r\n\r\n');
  other.receive('HTTP/1.1 204 N\r\n\r\n');
  conn.takeSent();
  other.takeSent();
  const held = chunkedStream('held');
  held.upReady = function (up): void {
    this.up = up;
    up.writeHead(false, true);
  };
  house.loop.turn(() => {
    cluster.poolFor(cluster.hosts[0]!, false, false).acquire(held);
    t.equal(other.sentText, '', 'the head waits');
    cluster.poolFor(cluster.hosts[0]!, false, false).acquire(new TaggedStream('between'));
    t.match(other.sentText, /^POST \/held /, 'until somebody else writes');
    held.send('late', true);
  });
  t.equal(readMessage(other.sentText)!.body, 'late');
  t.match(conn.sentText, /^GET \/between HTTP\/1.1\r\n[^]*\r\n\r\n$/);
});
