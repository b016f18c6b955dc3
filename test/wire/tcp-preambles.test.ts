// What comes before a connection's first byte, over real sockets: PROXY protocol in and out, the server name of TLS clients.

import { once } from 'node:events';
import { connect as netConnect } from 'node:net';
import { connect as tlsConnect, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { AddressInfo } from 'node:net';

import t from 'tap';

import { waitFor } from '../support/deadline.ts';
import { byteEngines, runProxy, type Json } from '../support/run-proxy.ts';
import { assertQuiet } from '../support/stage.ts';
import { call, PeerServer } from '../support/tcp-peers.ts';

t.setTimeout(60_000);

const V1 = 'PROXY TCP4 203.0.113.7 198.51.100.9 4321 443\r\n';
const V2 = Buffer.concat([Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1'), Buffer.from([0x21, 0x11, 0, 12, 203, 0, 113, 7, 198, 51, 100, 9, 0x10, 0xe1, 1, 0xbb])]);
/** TLS without certificates. */
const PSK = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const;
const SECRET = Buffer.alloc(16, 3);

for (const engine of byteEngines) {
  t.test(`${engine}: PROXY protocol`, async (t) => {
    const server = await PeerServer.start();
    t.teardown(() => server.stop());
    const http = { routes: [{ match: { prefix: '/' }, forward: { cluster: 'v1' } }] };
    const proxy = await runProxy(t, {
      listeners: [
        ...['none', 'v1', 'v2'].map((name): Json => ({ name, address: '127.0.0.1:0', proxyProtocol: true, tcp: { cluster: name } })),
        { name: 'web', address: '127.0.0.1:0', proxyProtocol: true, http },
      ],
      clusters: [
        { name: 'none', endpoints: [server.address] },
        { name: 'v1', endpoints: [server.address], proxyProtocol: 'v1' },
        { name: 'v2', endpoints: [server.address], proxyProtocol: 'v2' },
      ],
    }, { engine });
    let n = 0;
    const cases: [listener: string, header: string | Buffer, heard: string][] = [
      ['none', V1, 'hello'], ['none', V2, 'hello'], ['none', 'PROXY UNKNOWN\r\n', 'hello'],
      ['v1', V2, `${V1}hello`], ['v2', V1, `${V2.toString('latin1')}hello`],
    ];
    for (const [listener, header, heard] of cases) {
      const client = await call(proxy.listener(listener));
      client.send(Buffer.from(header).subarray(0, 5));
      client.send(Buffer.from(header).subarray(5)).send('hello');
      const peer = await server.peer(n++);
      await peer.hears(heard);
      peer.end('bye');
      await client.hearsEnd();
      t.equal(client.text, 'bye', `${listener} of ${JSON.stringify(header.toString('latin1').slice(0, 14))}`);
      client.end();
      await peer.isGone();
    }
    for (let i = 0; i < 2; i++) {
      const client = await call(proxy.listener('web'));
      client.send(`${V1}GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`);
      const peer = await server.peer(n++);
      await waitFor('the request', () => peer.text.endsWith('\r\n\r\n'));
      t.equal(peer.text.split('\r\n')[0], V1.trimEnd(), 'each caller has a connection of its own');
      t.match(peer.text, /\r\nx-forwarded-for: 203\.0\.113\.7\r\n/);
      peer.send('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
      await peer.hearsEnd();
      peer.end();
      client.socket.destroy();
    }
    for (const bad of ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'PROXY TCP4 1.2.3.4\r\n', '\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0']) {
      for (const listener of ['none', 'web']) {
        const client = await call(proxy.listener(listener));
        client.send(Buffer.from(bad, 'latin1'));
        await client.hearsEnd();
        t.equal(client.text, '', 'nothing is answered');
        client.socket.destroy();
      }
    }
    t.equal(server.peers.length, n, 'and nobody behind has heard of it');
    await proxy.statBecomes('proxy_proto.not_found_disallowed', 2);
    await proxy.statBecomes('proxy_proto.versions.v1.error', 2);
    await proxy.statBecomes('proxy_proto.versions.v2.error', 2);
    await proxy.statBecomes('downstream_cx_proxy_proto_error', 6);
    await proxy.statBecomes('proxy_proto.versions.v2.found', 2);
    const silent = await call(proxy.listener('none'));
    silent.send('PROXY TC');
    const stopped = proxy.stop();
    await silent.hearsEnd();
    silent.socket.destroy();
    t.equal((await stopped).code, 0, 'who has said nothing yet does not hold up a drain');
  });

  t.test(`${engine}: server names`, async (t) => {
    const servers = ['exact', 'suffix', 'rest'].map((name) => {
      const server = createTlsServer({ ...PSK, pskCallback: () => SECRET, ALPNProtocols: [name] });
      server.on('secureConnection', (socket) => socket.end(`${name} ${String(socket.servername || '-')}`));
      server.on('tlsClientError', () => undefined);
      return server.listen(0, '127.0.0.1');
    });
    t.teardown(() => servers.forEach((server) => server.close()));
    await Promise.all(servers.map((server) => (server.listening ? null : once(server, 'listening'))));
    const proxy = await runProxy(t, {
      listeners: [
        { name: 'all', address: '127.0.0.1:0', tcp: { sniRoutes: { 'db.example.com': 'exact', '*.example.com': 'suffix', 'no.example.com': 'reject', '*': 'rest' } } },
        { name: 'some', address: '127.0.0.1:0', tcp: { sniRoutes: { 'db.example.com': [{ name: 'exact', weight: 1 }] } } },
      ],
      clusters: ['exact', 'suffix', 'rest'].map((name, i) => ({ name, endpoints: [`127.0.0.1:${(servers[i]!.address() as AddressInfo).port}`] })),
    }, { engine });
    const ask = async (listener: string, servername: string): Promise<string> => {
      const [host = '', port] = proxy.listener(listener).split(':');
      const socket: TLSSocket = tlsConnect({
        ...PSK, socket: netConnect(Number(port), host), servername, pskCallback: () => ({ psk: SECRET, identity: 'x' }), checkServerIdentity: () => undefined,
      });
      let text = '';
      socket.on('data', (data: Buffer) => (text += data.toString()));
      socket.on('error', () => undefined);
      await new Promise((resolve) => socket.on('close', resolve));
      return text;
    };
    t.equal(await ask('all', 'DB.example.com'), 'exact DB.example.com');
    t.equal(await ask('all', 'a.b.example.com'), 'suffix a.b.example.com');
    t.equal(await ask('all', 'example.com'), 'rest example.com');
    t.equal(await ask('all', ''), 'rest -');
    t.equal(await ask('all', 'no.example.com'), '');
    t.equal(await ask('some', 'db.example.com'), 'exact db.example.com');
    t.equal(await ask('some', 'other.example.com'), '');
    t.equal(await ask('some', ''), '');
    await proxy.statBecomes('tcp.all.downstream_cx_no_route', 1);
    await proxy.statBecomes('tcp.some.downstream_cx_no_route', 2);
    await proxy.statBecomes('tls_inspector.sni_found', 6);
    await proxy.statBecomes('tls_inspector.sni_not_found', 2);
    await assertQuiet(t, proxy);
    t.equal((await proxy.stop()).code, 0);
  });
}
