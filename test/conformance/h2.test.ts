// The vectors of RFC 9113 against a listener: in one read, byte by byte, and cut at every place (of the shorter ones).

import t from 'tap';

import { get, hello, settingsAck, story } from '../support/h2-bytes.ts';
import { H2Stage } from '../support/h2-stage.ts';
import { H2_VECTORS, type Vector } from './h2-vectors.ts';

/** What a fresh connection says to these reads, GOAWAY of its own end aside. */
function play(reads: readonly Buffer[]): H2Stage {
  const stage = new H2Stage();
  for (const read of reads) if (stage.conn.state === 'open') stage.conn.receive(read);
  return stage;
}

const OPENING = Buffer.concat([hello(), settingsAck()]);
const isFatal = ({ expect }: Vector): boolean => /GOAWAY [A-Z_]+/.test(expect);

t.ok(H2_VECTORS.length >= 140, `${H2_VECTORS.length} vectors`);

for (const vector of H2_VECTORS) {
  t.test(`${vector.section} ${vector.name}`, async (t) => {
    const bytes = Buffer.concat([OPENING, ...vector.send]);
    const stage = play([bytes]);
    t.equal(story(stage.take()), vector.expect, 'in one read');
    const upstream = stage.house.loop.connects.length;
    if (isFatal(vector)) {
      t.not(stage.conn.state, 'open', 'the connection ends');
    } else if (!vector.expect.includes(`${0x7fffffff}:`)) {
      stage.send(get(99));
      t.equal(stage.told(), '99:200', 'the connection lives on');
    }
    if (bytes.length > 4000) return;
    const slow = play([...bytes].map((byte) => Buffer.from([byte])));
    t.equal(story(slow.take()), vector.expect, 'byte by byte');
    t.equal(slow.house.loop.connects.length, upstream, 'and upstream the same');
    let wrong = -1;
    for (let at = 1; at < bytes.length && wrong < 0; at++) {
      const cut = play([bytes.subarray(0, at), bytes.subarray(at)]);
      if (story(cut.take()) !== vector.expect) wrong = at;
    }
    t.equal(wrong, -1, 'cut at every place');
  });
}

t.test('what is refused reaches no upstream', async (t) => {
  for (const vector of H2_VECTORS) {
    if (vector.expect !== 'RST 1 PROTOCOL_ERROR' || !/^8\.[23]/.test(vector.section)) continue;
    t.equal(play([OPENING, ...vector.send]).house.loop.connects.length, 0, vector.name);
  }
});

t.test('the preface', async (t) => {
  for (const bad of ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\rX', '\x16\x03\x01\x02\x00\x01']) {
    const stage = play([Buffer.from(bad, 'latin1')]);
    t.equal(story(stage.take()), 'GOAWAY PROTOCOL_ERROR', JSON.stringify(bad));
  }
  const early = play([Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), get(1)])]);
  t.equal(story(early.take()), 'GOAWAY PROTOCOL_ERROR', 'a request before SETTINGS');
  const acked = play([Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settingsAck()])]);
  t.equal(story(acked.take()), 'GOAWAY PROTOCOL_ERROR', 'an acknowledgement before SETTINGS');
});
