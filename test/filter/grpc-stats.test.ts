// Messages of gRPC counted in a stream of bytes, cut anywhere.

import t from 'tap';

import { MessageCounter } from '../../src/filter/grpc-stats/message-counter.ts';

function message(size: number, flag = 0): Buffer {
  const bytes = Buffer.alloc(5 + size, 1);
  bytes[0] = flag;
  bytes.writeUInt32BE(size, 1);
  return bytes;
}

function count(...chunks: readonly Buffer[]): number {
  const counter = new MessageCounter();
  return chunks.reduce((sum, chunk) => sum + counter.count(chunk), 0);
}

t.test('wherever it is cut', async (t) => {
  const sizes = [0, 1, 5, 0, 0, 300, 4];
  const bytes = Buffer.concat(sizes.map((size, i) => message(size, i & 1)));
  t.equal(count(bytes), sizes.length);
  for (let cut = 0; cut <= bytes.length; cut++) t.equal(count(bytes.subarray(0, cut), bytes.subarray(cut)), sizes.length, String(cut));
  t.equal(count(...Array.from(bytes, (byte) => Buffer.of(byte))), sizes.length, 'byte by byte');
});

t.test('a message counts from its first byte on, and its payload is never taken for heads', async (t) => {
  t.equal(count(), 0);
  t.equal(count(Buffer.alloc(0)), 0);
  t.equal(count(Buffer.of(0)), 1);
  t.equal(count(Buffer.of(0, 0, 0, 0)), 1);
  t.equal(count(Buffer.of(0, 255, 255, 255, 255), Buffer.alloc(100_000)), 1, 'the length has 32 bits without a sign');
  const counter = new MessageCounter();
  counter.count(Buffer.of(0, 1, 0, 0, 1));
  for (let i = 0; i < 256; i++) t.equal(counter.count(Buffer.alloc(65_536)), 0);
  t.equal(counter.count(Buffer.alloc(1)), 0);
  t.equal(counter.count(message(0)), 1);
});
