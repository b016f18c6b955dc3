// A process with few descriptors and an echo server on the epoll loop; `report` on stdin is answered with a line of
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

createInterface({ input: process.stdin }).on('line', () => {
  const before = process.cpuUsage();
  const client = new Recorder();
  const conn = loop.connect(listener.address, client);
  setTimeout(() => {
    const used = process.cpuUsage(before);
    const cpuMs = (used.user + used.system) / 1000;
    process.stdout.write(`${JSON.stringify({ conns: loop.openConns, connectError: conn.error, cpuMs })}\n`);
    conn.close();
  }, 500);
});
