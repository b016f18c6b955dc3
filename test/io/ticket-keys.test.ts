// Session tickets of node's servers where a Node has no callback per ticket: one key at a time, and still no failure.
// With the callback both engines are tested together in `tls-conn.test.ts`.

import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';

import t from 'tap';

import { useTicketKeys } from '../../src/io/node/ticket-keys.ts';
import { authority, serverPair } from '../support/tls-settings.ts';

t.test('without the callback the first key counts', async (t) => {
  const server = createServer({ cert: serverPair.cert, key: serverPair.key }, (socket) => socket.end('x'));
  const { context } = (server as unknown as { _sharedCreds: { context: object } })._sharedCreds;
  Object.defineProperty(context, 'enableTicketKeyCallback', { value: undefined });
  const keys = [randomBytes(80)];
  useTicketKeys(server, keys);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const visit = async (session?: Buffer): Promise<{ reused: boolean; ticket: Buffer }> => {
    const socket: TLSSocket = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', ca: authority.cert, servername: 'a.test', ...(session === undefined ? {} : { session }) });
    let ticket: Buffer = Buffer.alloc(0);
    socket.on('session', (fresh: Buffer) => (ticket = fresh));
    socket.resume();
    await once(socket, 'end'); // tickets come before it
    const reused = socket.isSessionReused();
    socket.destroy();
    return { reused, ticket };
  };
  const first = await visit();
  t.equal((await visit(first.ticket)).reused, true);
  keys.unshift(randomBytes(80));
  const second = await visit(first.ticket);
  t.equal(second.reused, false, 'a full handshake');
  t.equal((await visit(second.ticket)).reused, true);
});
