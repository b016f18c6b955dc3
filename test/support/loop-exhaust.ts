// A process with few descriptors and an echo server on the epoll loop; `report` on stdin waits until a connection is
// refused and is answered with a line of
// JSON half a second later. Tests only.

import { createInterface } from 'node:readline';

import { createLoop } from '../../src/io/engine.ts';
import { LOCALHOST } from './engines.ts';
import { Recorder } from './recorder.ts';

const loop = createLoop('epoll');
loop.run();
const echo = (): Recorder =>
  new Recorder({ data: (conn, buf, start, end) => void conn.write(buf, start, end), end: (conn) => conn.close() });
const listener = await loop.listen(LOCALHOST, -1, echo);
process.stdout.write(`${JSON.stringify(listener.address)}\n`);

/** Connects until it is refused: the connections in the listener's queue may not all have been accepted yet. */
async function exhaust(): Promise<string> {
  for (;;) {
    const conn = loop.connect(listener.address, new Recorder());
    await new Promise((resolve) => setTimeout(resolve, 20));
    const { error } = conn;
    conn.close();
    if (error !== '') return error;
  }
}

createInterface({ input: process.stdin }).on('line', async () => {
  const connectError = await exhaust();
  const before = process.cpuUsage();
  setTimeout(() => {
    const used = process.cpuUsage(before);
    const cpuMs = (used.user + used.system) / 1000;
    process.stdout.write(`${JSON.stringify({ conns: loop.openConns, connectError, cpuMs })}\n`);
  }, 500);
});
