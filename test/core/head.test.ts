import t from 'tap';
import { FIELD_DATE, FIELD_NAMES, FIELD_SERVER } from '../../src/core/fields.ts';
import { fieldId, Head } from '../../src/core/head.ts';
import { parseRequestHead } from '../../src/http/h1-parser.ts';
import { DEFAULT_HEAD_LIMITS } from '../../src/http/h1-state.ts';

function headOf(lines: readonly string[], head = new Head()): Head {
  const bytes = Buffer.from(`..GET / HTTP/1.1\r\nHost: a\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n..`, 'latin1');
  t.ok(parseRequestHead(head, bytes, 2, bytes.length - 2, { ...DEFAULT_HEAD_LIMITS, maxFields: 2000 }) > 0);
  return head;
}

t.test('fields by name: letter case aside, in order, with those that were added', async (t) => {
  const head = headOf(['X-A: 1', 'x-b: 2', 'X-a: 3', 'X-AB: 4']);
  t.equal(head.get('x-a'), '1,3');
  t.equal(head.get('x'), undefined);
  head.add('X-A', '5');
  t.equal(head.get('x-a'), '1,3,5');
  head.set('x-A', '6');
  t.equal(head.get('x-a'), '6');
  t.same([head.get('x-ab'), head.get('x-b')], ['4', '2']);
  head.remove('x-a');
  t.equal(head.get('x-a'), undefined);
  t.equal(head.find('x-a'), -1);
});

t.test('fields by id', async (t) => {
  const head = headOf(['Date: one', 'X: y', 'date: two', 'User-Agent: s']);
  t.equal(head.known(FIELD_DATE), 'one');
  head.dropId(FIELD_DATE);
  head.dropId(FIELD_SERVER);
  t.equal(head.get('date'), undefined);
  t.equal(head.get('user-agent'), 's');
  t.equal(new Set(FIELD_NAMES).size, FIELD_NAMES.length);
  FIELD_NAMES.forEach((name, id) => t.equal(fieldId(name), id));
  t.equal(fieldId('x-unknown'), 0);
});

t.test('retain: the bytes it came in may go', async (t) => {
  const bytes = Buffer.from('....GET /p HTTP/1.1\r\nHost: a\r\nX-A: caf\xe9\r\n\r\n', 'latin1');
  const head = new Head();
  t.ok(parseRequestHead(head, bytes, 4, bytes.length, DEFAULT_HEAD_LIMITS) > 0);
  head.retain();
  head.retain();
  bytes.fill(0);
  t.same([head.get('x-a'), head.get('host'), head.buf.latin1Slice(head.base + head.targetStart, head.base + head.targetEnd)], ['caf\xe9', 'a', '/p']);
});

t.test('append: pieces of every size make the same head', async (t) => {
  const text = 'GET / HTTP/1.1\r\nHost: a\r\nX-Long: ' + 'y'.repeat(5000) + '\r\n\r\n';
  for (const step of [1, 7, 1000, 4096]) {
    const head = new Head();
    for (let at = 0; at < text.length; at += step) {
      const piece = Buffer.from(text.slice(at, at + step), 'latin1');
      head.append(piece, 0, piece.length);
      piece.fill(0);
    }
    t.equal(head.kept, text.length);
    t.equal(head.buf.latin1Slice(0, head.kept), text);
  }
});

t.test('reset: as new, and what was large is given back', async (t) => {
  const head = headOf(Array.from({ length: 1000 }, (_, i) => `X-${i}: ${'v'.repeat(50)}`));
  head.retain();
  head.add('x', 'y');
  t.equal(head.count, 1001);
  head.reset();
  const fresh = new Head();
  for (const key of Object.keys(fresh) as (keyof Head)[]) {
    if (key !== 'first') t.same(head[key], fresh[key], key);
  }
  t.same([...head.first], [...fresh.first]);
  t.equal(head.spans.length, fresh.spans.length);
  headOf(['Date: x'], head);
  t.same([head.count, head.get('date'), head.get('x')], [2, 'x', undefined]);
});
