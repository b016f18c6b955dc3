// Preambles: looked at before the owner's first byte, taken off exactly, refused, never sent. Real sockets, every engine.

import { connect as nodeConnect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { once } from 'node:events';
import { connect as tlsConnect } from 'node:tls';

import type { Conn, ConnOwner, Listener, Loop, Preamble } from '../../src/io/conn.ts';
import type { ServerTls } from '../../src/security/tls-settings.ts';
import { PREAMBLE_MORE, PREAMBLE_MOST_BYTES, PREAMBLE_REFUSE } from '../../src/io/conn.ts';
import { LOCALHOST, onEachEngine, turns } from '../support/engines.ts';
import { Recorder } from '../support/recorder.ts';
import { authority, serverTls } from '../support/tls-settings.ts';

/** A line that ends with a newline; a bang refuses. Keeps count of its looks. */
class LinePreamble implements Preamble {
  looks = 0;

  inspect(conn: Conn, buf: Buffer, start: number, end: number): number {
    this.looks++;
    const text = buf.latin1Slice(start, end);
    if (text.startsWith('!')) return PREAMBLE_REFUSE;
    const newline = text.indexOf('\n');
    if (newline < 0) return PREAMBLE_MORE;
    conn.readdress('192.0.2.1', 1111, '192.0.2.2', 2222);
    conn.facts = { serverName: text.slice(0, newline), alpn: [], tlvs: [] };
    return newline + 1;
  }
}

async function open(loop: Loop, preamble: Preamble, owner: ConnOwner, tls: ServerTls | null = null): Promise<{ listener: Listener; client: Socket }> {
  const listener = await loop.listen(LOCALHOST, -1, () => owner, { preamble, tls });
  const client = nodeConnect({ port: (listener.address as { port: number }).port, host: '127.0.0.1', allowHalfOpen: true });
  client.setNoDelay(true);
  client.on('error', () => undefined);
  await once(client, 'connect');
  return { listener, client };
}

onEachEngine('a preamble is taken off to the byte, at every split point', async (t, loop) => {
  const whole = 'hello\nrest of it';
  for (let split = 1; split < whole.length; split++) {
    const server = new Recorder();
    const preamble = new LinePreamble();
    const { client } = await open(loop, preamble, server);
    client.write(whole.slice(0, split));
    while (preamble.looks === 0) await turns(1);
    if (split <= 5) t.same(server.log, [], `nothing is told at ${split}`);
    client.end(whole.slice(split));
    await server.until('end');
    t.equal(server.text, 'rest of it', `split at ${split}`);
    t.equal(server.log[0], 'connect');
    t.equal(server.conn?.facts?.serverName, 'hello');
    t.equal(server.conn?.remoteAddress, '192.0.2.1');
    t.equal(server.conn?.remotePort, 1111);
    t.equal(server.conn?.localAddress, '192.0.2.2');
    t.equal(server.conn?.localPort, 2222);
    server.conn?.close();
    client.destroy();
  }
});

onEachEngine('TLS begins right behind a preamble, wherever the bytes are cut', async (t, loop) => {
  // Somebody stands before the engine who puts the line before what a TLS client sends, and so much of that goes with it.
  for (const together of [0, 1, 100, Infinity]) {
    const server = new Recorder({ data: (conn, buf, start, end) => void conn.write(buf, start, end), end: (conn) => conn.close() });
    const { listener, client: far } = await open(loop, new LinePreamble(), server, serverTls());
    const before = createServer((near) => {
      near.once('data', (hello: Buffer) => {
        near.pause(); // what follows is the pipe's
        far.write(Buffer.concat([Buffer.from('hello\n'), hello.subarray(0, together)]));
        setTimeout(() => {
          far.write(hello.subarray(Math.min(hello.length, together)));
          near.pipe(far);
        }, 5);
      });
      far.pipe(near);
    }).listen(0, '127.0.0.1');
    await once(before, 'listening');
    const client = tlsConnect({ port: (before.address() as AddressInfo).port, host: '127.0.0.1', ca: authority.cert, servername: 'a.test' });
    await once(client, 'secureConnect');
    client.write('ping');
    const [answer] = (await once(client, 'data')) as [Buffer];
    t.equal(answer.toString(), 'ping', `${together} bytes with the preamble`);
    t.match(server.conn, { remoteAddress: '192.0.2.1', facts: { serverName: 'hello' }, tls: { serverName: 'a.test' } });
    client.destroy();
    await server.until('close');
    before.close();
    await new Promise<void>((resolve) => listener.stop(resolve));
  }
});

onEachEngine('a partial preamble is looked at once for each arrival, not again and again', async (t, loop) => {
  const preamble = new LinePreamble();
  const server = new Recorder();
  const { client } = await open(loop, preamble, server);
  client.write('hel');
  while (preamble.looks === 0) await turns(1);
  await turns(50);
  t.equal(preamble.looks, 1);
  client.write('lo\n');
  await server.until('connect');
  t.equal(preamble.looks, 2);
  client.destroy();
});

onEachEngine('a preamble alone is enough: the owner may speak first', async (t, loop) => {
  const server = new Recorder({ connect: (conn) => void conn.write(Buffer.from('hi'), 0, 2) });
  const { client } = await open(loop, new LinePreamble(), server);
  client.write('hello\n');
  const [data] = (await once(client, 'data')) as [Buffer];
  t.equal(data.toString(), 'hi');
  t.same(server.log, ['connect']);
  client.destroy();
});

onEachEngine('a pause in onConnect holds what came behind the preamble', async (t, loop) => {
  const server = new Recorder({ connect: (conn) => conn.pauseRead() });
  const { client } = await open(loop, new LinePreamble(), server);
  client.end('hello\nrest');
  await server.until('connect');
  await turns(20);
  t.same(server.log, ['connect']);
  server.conn?.resumeRead();
  await server.until('end');
  t.equal(server.text, 'rest');
  client.destroy();
});

onEachEngine('a refused preamble, and one that ends too early, close the connection untold', async (t, loop) => {
  for (const [text, ends] of [['!', false], ['hel', true], ['', true]] as const) {
    const server = new Recorder();
    const { client } = await open(loop, new LinePreamble(), server);
    if (ends) client.end(text);
    else client.write(text);
    await server.until('close');
    t.equal(server.log.length, 1, `only the close: ${JSON.stringify(server.log)}`);
    client.destroy();
    await turns(3);
  }
  t.equal(loop.openConns, 0);
});

onEachEngine('a preamble that does not come to an end is cut off', async (t, loop) => {
  const server = new Recorder();
  const preamble = new LinePreamble();
  const { client } = await open(loop, preamble, server);
  client.write(Buffer.alloc(PREAMBLE_MOST_BYTES + 10, 'x'));
  await server.until('close');
  t.equal(server.log.length, 1);
  client.destroy();
});

onEachEngine('the owner may give up while it waits for a preamble; a reset is noticed', async (t, loop) => {
  let accepted: Conn | null = null;
  const server = new Recorder();
  const preamble = new LinePreamble();
  const listener = await loop.listen(LOCALHOST, -1, (conn) => {
    accepted = conn;
    return server;
  }, { preamble, tls: null });
  const client = nodeConnect({ port: (listener.address as { port: number }).port, host: '127.0.0.1' });
  client.on('error', () => undefined);
  client.write('hel');
  while (preamble.looks === 0) await turns(1);
  (accepted as Conn | null)?.reset();
  await server.until('close');
  t.same(server.log, ['close:0']);

  const other = new Recorder();
  const second = await open(loop, preamble, other);
  second.client.write('hel');
  while (preamble.looks === 1) await turns(1);
  second.client.resetAndDestroy();
  await other.until('close');
  t.equal(other.log.length, 1);
});
