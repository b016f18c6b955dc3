// The TCP proxy over real sockets: bytes and ends both ways, back-pressure, what fails, what is logged and counted.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import t, { type Test } from 'tap';

import { residentBytes } from '../support/memory.ts';
import { sleep, waitFor } from '../support/deadline.ts';
import { byteEngines, runProxy, scratchDirectory, wholeConfig, type Json, type Proxy } from '../support/run-proxy.ts';
import { assertQuiet } from '../support/stage.ts';
import type { Peer} from '../support/tcp-peers.ts';
import { call, closedAddress, PeerServer } from '../support/tcp-peers.ts';

t.setTimeout(110_000);

const LOG = '%UPSTREAM_CLUSTER% %UPSTREAM_HOST% %RESPONSE_FLAGS% %BYTES_RECEIVED%/%BYTES_SENT% %REQUESTED_SERVER_NAME% %DOWNSTREAM_REMOTE_ADDRESS% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %PROTOCOL% %RESPONSE_CODE%\n';

interface Scene {
  readonly server: PeerServer;
  readonly other: PeerServer;
  readonly proxy: Proxy;
  readonly config: Json;
  call(listener?: string): Promise<Peer>;
  logLine(part: string): Promise<string>;
}

function onEachEngine(name: string, body: (t: Test, scene: Scene) => Promise<void>): void {
  for (const engine of byteEngines) {
    t.test(`${engine}: ${name}`, async (t) => {
      const server = await PeerServer.start();
      const other = await PeerServer.start();
      t.teardown(() => [server, other].forEach((one) => one.stop()));
      const path = join(scratchDirectory(t), 'tcp.log');
      const nobody = await closedAddress();
      const listener = (name: string, tcp: Json, part: Json = {}): Json => ({ name, address: '127.0.0.1:0', tcp: { accessLog: [{ path, format: LOG }], ...tcp }, ...part });
      const config = {
        listeners: [
          listener('plain', { cluster: 'app' }),
          listener('dead', { cluster: 'dead', maxConnectAttempts: 2 }),
          listener('half', { cluster: 'half', maxConnectAttempts: 2 }),
          listener('empty', { cluster: 'empty' }),
          listener('one', { cluster: 'one' }),
          listener('few', { cluster: 'app' }, { maxConnections: 1 }),
          listener('split', { clusters: [{ name: 'app', weight: 1 }, { name: 'other', weight: 1 }] }),
          listener('idle', { cluster: 'app', idleTimeout: '300ms' }),
        ],
        clusters: [
          { name: 'app', endpoints: [server.address] },
          { name: 'other', endpoints: [other.address] },
          { name: 'dead', endpoints: [nobody] },
          { name: 'half', endpoints: [nobody, server.address] },
          { name: 'empty', endpoints: [] },
          { name: 'one', endpoints: [server.address], circuitBreakers: { maxConnections: 1 } },
        ],
      };
      const proxy = await runProxy(t, config, { engine });
      const lines = (): string[] => (existsSync(path) ? readFileSync(path, 'latin1').split('\n') : []);
      await body(t, {
        server, other, proxy, config,
        call: (listener = 'plain') => call(proxy.listener(listener)),
        logLine: (part) => waitFor(`a log line with ${part}`, () => lines().find((line) => line.includes(part))),
      });
      for (const { socket } of [...server.peers, ...other.peers]) socket.destroy();
      await assertQuiet(t, proxy);
      t.equal((await proxy.stop()).code, 0);
      t.notMatch(proxy.run.stderr, /error|    at /, 'nothing broke');
    });
  }
}

onEachEngine('bytes and ends go both ways', async (t, { server, call, proxy, logLine }) => {
  const client = await call();
  const peer = await server.peer(0);
  peer.send('hello first'); // the server may speak first
  await client.hears('hello first');
  client.send('ping');
  await peer.hears('ping');
  client.end(' last');
  await peer.hearsEnd();
  t.equal(peer.text, 'ping last');
  t.notOk(client.ended, 'the other direction is open');
  peer.send(', and more').end(' at last');
  await client.isGone();
  t.equal(client.text, 'hello first, and more at last');
  t.equal(client.error, '');

  const second = await call();
  const far = await server.peer(1);
  far.end('only this');
  await second.hearsEnd();
  t.notOk(second.closed);
  second.send('an answer to an end').end();
  await far.isGone();
  t.equal(far.text, 'an answer to an end');
  await second.isGone();
  t.match(await logLine('9/29'), new RegExp(`^app ${server.address} - 9/29 - 127.0.0.1:\\d+ 1 - 0$`));
  await proxy.statBecomes('tcp.plain.downstream_cx_total', 2);
  await proxy.statBecomes('tcp.plain.downstream_cx_rx_bytes_total', 28);
  await proxy.statBecomes('tcp.plain.downstream_cx_tx_bytes_total', 38);
  await proxy.statBecomes('cluster.app.upstream_cx_total', 2);
  await proxy.statBecomes('cluster.app.upstream_rq_total', 2);
  await proxy.statBecomes('cluster.app.upstream_cx_destroy', 2);
});

onEachEngine('bytes that come before there is a connection are not lost, nor an early end', async (t, { server, call }) => {
  const clients = await Promise.all(Array.from({ length: 20 }, () => call()));
  clients.forEach((client, i) => client.end(`number ${i}`));
  for (let i = 0; i < clients.length; i++) await (await server.peer(i)).hearsEnd();
  t.same(server.peers.map(({ text }) => text).sort(), clients.map((_, i) => `number ${i}`).sort());
  for (const peer of server.peers) peer.end(peer.text);
  for (const [i, client] of clients.entries()) {
    await client.isGone();
    t.equal(client.text, `number ${i}`);
  }
});

onEachEngine('a reset is passed on as one, each way', async (t, { server, call }) => {
  const client = await call();
  const peer = await server.peer(0);
  client.send('x');
  await peer.hears('x');
  peer.socket.resetAndDestroy();
  await client.isGone();
  t.equal(client.error, 'ECONNRESET');
  const second = await call();
  const far = await server.peer(1);
  second.send('y');
  await far.hears('y');
  second.socket.resetAndDestroy();
  await far.isGone();
  t.equal(far.error, 'ECONNRESET');
});

onEachEngine('large amounts arrive whole while memory stays flat behind a slow reader', async (t, { server, call, proxy }) => {
  const total = 96 * 1024 * 1024;
  const chunk = Buffer.alloc(1024 * 1024, 'abcdefgh');
  const client = await call();
  const peer = await server.peer(0);
  client.keepText = peer.keepText = false;
  client.socket.pause();
  await sleep(50);
  const before = residentBytes(proxy.pid);
  let sent = 0;
  const pump = (): void => {
    while (sent < total) {
      sent += chunk.length;
      if (!peer.socket.write(chunk)) {
        peer.socket.once('drain', pump);
        return;
      }
    }
    peer.end();
  };
  pump();
  await waitFor('the proxy to hold its source back', async () => (await proxy.stat('cluster.app.upstream_flow_control_paused_reading_total')) > 0);
  t.ok(sent < total, `held back after ${sent}`);
  t.ok(residentBytes(proxy.pid) - before < 40 * 1024 * 1024, `memory grew by ${residentBytes(proxy.pid) - before}`);
  client.socket.resume();
  await client.hearsEnd();
  t.equal(client.bytes, total);
  client.end();
  await peer.isGone();

  const up = await call();
  const far = await server.peer(1);
  far.keepText = false;
  for (let i = 0; i < 16; i++) up.send(chunk);
  up.end();
  await far.hearsEnd();
  t.equal(far.bytes, 16 * chunk.length);
  far.end();
  await up.isGone();
});

onEachEngine('what fails: flags, stats, retries', async (t, { server, call, proxy, logLine, config }) => {
  await (await call('dead')).hearsEnd();
  t.match(await logLine('dead'), /^dead 127\.0\.0\.1:\d+ UF,URX 0\/0 - 127\.0\.0\.1:\d+ 2 - 0$/);
  await proxy.statBecomes('cluster.dead.upstream_cx_connect_fail', 2);
  await proxy.statBecomes('cluster.dead.upstream_cx_connect_attempts_exceeded', 1);
  await (await call('empty')).hearsEnd();
  t.match(await logLine('empty'), /^empty - UH 0\/0/);
  await proxy.statBecomes('cluster.empty.upstream_cx_none_healthy', 1);
  for (let i = 0; i < 4; i++) {
    const client = await call('half');
    client.send('x');
    await (await server.peer(i)).hears('x');
    client.socket.destroy();
    (await server.peer(i)).end();
  }
  const first = await call('one');
  first.send('mine');
  await (await server.peer(4)).hears('mine');
  await (await call('one')).hearsEnd();
  t.match(await logLine(' UO '), /^one 127\.0\.0\.1:\d+ UO 0\/0/);
  await proxy.statBecomes('cluster.one.upstream_cx_overflow', 1);
  first.socket.destroy();
  (await server.peer(4)).end();
  await proxy.statBecomes('cluster.one.upstream_cx_active', 0);
  const again = await call('one');
  again.send('now');
  await (await server.peer(5)).hears('now');
  again.socket.destroy();
  t.ok(config);
});

onEachEngine('limits, weights, silence', async (t, { server, other, call, proxy }) => {
  const only = await call('few');
  await server.peer(0);
  const refused = await call('few').catch(() => null);
  if (refused !== null) await refused.hearsEnd();
  await proxy.statBecomes(`listener.${proxy.listener('few').replace(':', '_')}.downstream_cx_overflow`, 1);
  only.socket.destroy();
  const silent = await call('idle');
  await silent.hearsEnd();
  silent.end();
  await silent.isGone();
  await proxy.statBecomes('tcp.idle.idle_timeout', 1);
  const clients = await Promise.all(Array.from({ length: 60 }, () => call('split')));
  await waitFor('all to be connected', () => server.peers.length - 2 + other.peers.length === 60);
  t.ok(other.peers.length >= 10 && other.peers.length <= 50, `${other.peers.length} of 60 went to the other`);
  for (const client of clients) client.socket.destroy();
});

onEachEngine('a reload and a drain leave open connections alone', async (t, { server, other, call, proxy, config }) => {
  const client = await call();
  const peer = await server.peer(0);
  client.send('before');
  await peer.hears('before');
  const address = proxy.listener('plain');
  const listeners = (config['listeners'] as Json[]).map((one) => (one['name'] === 'plain' ? { ...one, tcp: { cluster: 'other' } } : one)).slice(0, 4);
  const clusters = (config['clusters'] as Json[]).filter((one) => one['name'] !== 'app');
  const applied = await proxy.stat('config.update_success');
  proxy.writeConfig(wholeConfig({ listeners, clusters }, proxy.engine, 2));
  proxy.signal('SIGHUP');
  await proxy.statBecomes('config.update_success', 1 + applied);
  const next = await (async (): Promise<Peer> => {
    const found = await call();
    await other.peer(0);
    return found;
  })();
  client.send(' after');
  await peer.hears('before after');
  peer.send('still here');
  await client.hears('still here');
  next.socket.destroy();
  for (const one of other.peers) one.socket.destroy();
  const stopped = proxy.stop();
  await waitFor('callers to be refused', () => callFails(address));
  for (const one of other.peers) one.socket.destroy();
  client.send(', and while draining');
  await peer.hears('before after, and while draining');
  client.end();
  peer.end();
  await client.isGone();
  t.equal((await stopped).code, 0);
});

async function callFails(address: string): Promise<boolean> {
  try {
    const peer = await call(address);
    peer.socket.destroy();
    return false;
  } catch {
    return true;
  }
}
