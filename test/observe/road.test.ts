import t from 'tap';
import { Random } from '../../src/core/random.ts';
import { AccessLogBatch } from '../../src/observe/access-log-batch.ts';
import { writeRequestId } from '../../src/observe/request-id.ts';

function requestId(random: Random): string {
  const buf = Buffer.alloc(36);
  writeRequestId(random, buf, 0);
  return buf.latin1Slice();
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

t.test('request ids: version 4 in its own layout, all different', async (t) => {
  const random = new Random([1, 2, 3, 4]);
  const ids = Array.from({ length: 10_000 }, () => requestId(random));
  t.equal(ids.filter((id) => UUID.test(id)).length, ids.length);
  t.equal(new Set(ids).size, ids.length);
  for (let at = 0; at < 36; at++) {
    const seen = new Set(ids.map((id) => id[at])).size;
    t.equal(seen, [8, 13, 18, 23, 14].includes(at) ? 1 : at === 19 ? 4 : 16, `every digit at ${at}`);
  }
});

t.test('request ids follow the generator they are asked of', async (t) => {
  const a = requestId(new Random([1, 2, 3, 4]));
  const other = requestId(new Random([9, 9, 9, 9]));
  t.not(a, other);
  t.equal(requestId(new Random([1, 2, 3, 4])), a);
  const buf = Buffer.alloc(40, 0x2e);
  t.equal(writeRequestId(new Random([1, 2, 3, 4]), buf, 2), 38);
  t.equal(buf.toString('latin1'), `..${a}..`);
});

function batch(): { logs: AccessLogBatch; sent: [path: string, text: string][] } {
  const sent: [string, string][] = [];
  return { logs: new AccessLogBatch((path, bytes) => sent.push([path, Buffer.from(bytes).toString('latin1')])), sent };
}

t.test('lines leave together, in order, per file', async (t) => {
  const { logs, sent } = batch();
  logs.add('/a', 'one\n', 0);
  logs.add('/b', 'other\n', 0);
  logs.add('/a', 'caf\xe9\n', 5);
  t.same(sent, []);
  logs.flush();
  t.same(sent, [['/a', 'one\ncaf\xe9\n'], ['/b', 'other\n']]);
  logs.flush();
  t.equal(sent.length, 2, 'nothing twice, nothing empty');
});

t.test('a line waits a second at most', async (t) => {
  const { logs, sent } = batch();
  logs.add('/a', 'x\n', 1000);
  logs.tick(1999);
  t.same(sent, []);
  logs.add('/a', 'y\n', 1999);
  logs.tick(2000);
  t.same(sent, [['/a', 'x\ny\n']]);
  logs.tick(60_000);
  logs.add('/a', 'z\n', 60_001);
  logs.tick(61_001);
  t.same(sent[1], ['/a', 'z\n'], 'a file that was quiet for long goes on');
});

t.test('a batch is bounded, and no byte is lost at its edge', async (t) => {
  const { logs, sent } = batch();
  const lines = Array.from({ length: 5000 }, (_, i) => `${String(i).padStart(60, '.')}\n`);
  for (const line of lines) logs.add('/a', line, 0);
  t.ok(sent.length >= 4);
  t.ok(sent.every(([, text]) => text.length <= 65_536 && text.endsWith('\n')));
  logs.add('/a', `${'x'.repeat(100_000)}\n`, 0);
  logs.add('/a', 'end\n', 0);
  logs.flush();
  t.equal(sent.map(([, text]) => text).join(''), `${lines.join('')}${'x'.repeat(100_000)}\nend\n`);
});

t.test('what was sent belongs to the receiver', async (t) => {
  const kept: Uint8Array[] = [];
  const logs = new AccessLogBatch((_, bytes) => kept.push(bytes));
  for (const size of [10, 40_000]) {
    logs.add('/a', 'a'.repeat(size), 0);
    logs.flush();
    logs.add('/a', 'b'.repeat(size), 0);
    logs.flush();
  }
  t.same(kept.map((bytes) => String.fromCharCode(bytes[0]!, bytes[bytes.length - 1]!)), ['aa', 'bb', 'aa', 'bb']);
  t.equal(new Set(kept.map(({ buffer }) => buffer)).size, 4, 'each may be transferred');
});
