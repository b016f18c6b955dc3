// Socket addresses to bytes and back.

import t from 'tap';

import type { Address } from '../../src/core/address.ts';
import { readSockaddr, writeSockaddr } from '../../src/io/epoll/sockaddr.ts';

const memory = Buffer.alloc(128);

function there(address: Address): Address | null {
  memory.fill(0xaa);
  const length = writeSockaddr(address, memory);
  return length < 0 ? null : readSockaddr(memory, length);
}

t.test('there and back', async (t) => {
  for (const host of ['127.0.0.1', '0.0.0.0', '255.255.255.255', '10.1.2.3', '::', '::1', '2001:db8::1', 'fe80::1:0:0:2', '1:2:3:4:5:6:7:8', '1:0:0:4::8', '1::', 'abcd:ef01::']) {
    const address: Address = { kind: 'ip', host, port: 65_535 };
    t.same(there(address), address);
  }
  for (const path of ['/run/x.sock', 'relative', '@abstract', 'ünïcode', 'x'.repeat(107)]) {
    t.same(there({ kind: 'unix', path }), { kind: 'unix', path });
  }
});

t.test('one text per address (RFC 5952)', async (t) => {
  const cases = { '2001:DB8:0:0:0:0:0:1': '2001:db8::1', '0:0:1:0:0:0:0:0': '0:0:1::', '2001:db8:0:1:1:1:1:1': '2001:db8:0:1:1:1:1:1', '1:0:0:2:0:0:0:3': '1:0:0:2::3', '::ffff:1.2.3.4': '1.2.3.4', '64:ff9b::1.2.3.4': '64:ff9b::102:304' };
  for (const [host, text] of Object.entries(cases)) t.same(there({ kind: 'ip', host, port: 1 }), { kind: 'ip', host: text, port: 1 });
});

t.test('what is no address', async (t) => {
  for (const host of ['', 'localhost', '1.2.3', '1.2.3.4.5', '256.1.1.1', '01.2.3.4', '::1::', '12345::', ':', '1:2:3:4:5:6:7']) {
    t.equal(there({ kind: 'ip', host, port: 1 }), null, host);
  }
  for (const port of [-1, 65_536]) t.equal(there({ kind: 'ip', host: '127.0.0.1', port }), null);
  for (const path of ['', 'x'.repeat(108), 'ü'.repeat(54)]) t.equal(there({ kind: 'unix', path }), null);
});

t.test('an unnamed peer', async (t) => {
  memory.writeUInt16LE(1, 0);
  t.same(readSockaddr(memory, 2), { kind: 'unix', path: '' });
  t.same(readSockaddr(memory, 0), { kind: 'unix', path: '' });
});

t.end();
