import t from 'tap';
import type { OpenSockets } from '../../src/control/listen-sockets.ts';
import { ListenSockets } from '../../src/control/listen-sockets.ts';
import type { Address } from '../../src/core/address.ts';
import { formatAddress } from '../../src/core/address.ts';

function ip(port: number, host = '127.0.0.1'): Address {
  return { kind: 'ip', host, port };
}

function listener(name: string, address: Address, bindsItself = false) {
  return { name, address, bindsItself };
}

/** A door that gives out numbers, and fails for port 666. */
function setUp(fdsThere = true) {
  const book: string[] = [];
  let fd = 10;
  const sockets = new ListenSockets(
    {
      open: (address, count, beside): OpenSockets => {
        if (address.kind === 'ip' && address.port === 666) throw Object.assign(new Error('bind: no'), { code: 'EACCES' });
        book.push(`open ${formatAddress(address)}${beside ? ' beside' : ''}`);
        const real = address.kind === 'ip' && address.port === 0 ? { ...address, port: 40_000 + fd } : address;
        return { address: real, fds: Array.from({ length: count }, () => (fdsThere ? fd++ : -1)) };
      },
      hold: (address, count, beside): OpenSockets => {
        book.push(`hold ${formatAddress(address)} for ${count}${beside ? ' beside' : ''}`);
        const real = address.kind === 'ip' && address.port === 0 ? { ...address, port: 50_000 + fd } : address;
        return { address: real, fds: fdsThere && address.kind === 'ip' ? [fd++] : [] };
      },
      duplicate: ({ address, fds }) => {
        book.push(`duplicate ${fds.join()}`);
        return { address, fds: fds.map((one) => one + 100) };
      },
      close: ({ address, fds }, addressStays) => {
        book.push(`close ${formatAddress(address)}`);
        if (addressStays) book.push(`${fds.join()} only`);
      },
    },
    2,
  );
  return { sockets, book };
}

t.test('one descriptor for each worker; an engine that binds by itself gets none', async (t) => {
  const { sockets, book } = setUp();
  const { errors, table } = await sockets.prepare([listener('a', ip(1)), listener('b', ip(0)), listener('u', ip(2), true)]);
  t.same(errors, []);
  t.same(table, [
    { a: { address: ip(1), fd: 10 }, b: { address: ip(40_012), fd: 12 }, u: { address: ip(2), fd: -1 } },
    { a: { address: ip(1), fd: 11 }, b: { address: ip(40_012), fd: 13 }, u: { address: ip(2), fd: -1 } },
  ]);
  sockets.commit();
  sockets.closeAll();
  t.same(book, ['open 127.0.0.1:1', 'open 127.0.0.1:0', 'hold 127.0.0.1:2 for 2', 'close 127.0.0.1:1', 'close 127.0.0.1:40012', 'close 127.0.0.1:2']);
});

t.test('an unchanged listener keeps its sockets; port 0 keeps the port it got', async (t) => {
  const { sockets, book } = setUp();
  await sockets.prepare([listener('a', ip(1)), listener('any', ip(0))]);
  sockets.commit();
  book.length = 0;
  const { table } = await sockets.prepare([listener('a', ip(1)), listener('any', ip(0))]);
  sockets.commit();
  t.same(table[1], { a: { address: ip(1), fd: 11 }, any: { address: ip(40_012), fd: 13 } });
  t.same(book, []);
});

t.test('a listener that takes over an address gets the same sockets under descriptors of its own', async (t) => {
  const { sockets, book } = setUp();
  await sockets.prepare([listener('a', ip(1)), listener('self', ip(2), true)]);
  sockets.commit();
  const { table } = await sockets.prepare([listener('b', ip(1)), listener('other', ip(2), true)]);
  t.same(table[1], { b: { address: ip(1), fd: 111 }, other: { address: ip(2), fd: -1 } });
  sockets.abandon();
  t.same(book.slice(2), ['duplicate 10,11', 'close 127.0.0.1:1', '110,111 only'], 'abandoned');
  book.length = 0;
  await sockets.prepare([listener('b', ip(1))]);
  sockets.commit();
  t.same(book, ['duplicate 10,11', 'close 127.0.0.1:1', '10,11 only', 'close 127.0.0.1:2'], 'committed');
  book.length = 0;
  sockets.closeAll();
  t.same(book, ['close 127.0.0.1:1'], 'and the last one frees the address');
});

t.test('a table stays what it was when another one is prepared', async (t) => {
  const { sockets } = setUp();
  const { table } = await sockets.prepare([listener('a', ip(1))]);
  sockets.commit();
  await sockets.prepare([listener('b', ip(2))]);
  t.same(table[0], { a: { address: ip(1), fd: 10 } });
});

t.test('when one cannot be opened nothing stays open that was not, and every trouble is named', async (t) => {
  const { sockets, book } = setUp();
  await sockets.prepare([listener('a', ip(1))]);
  sockets.commit();
  book.length = 0;
  const { errors } = await sockets.prepare([listener('a', ip(1)), listener('b', ip(2)), listener('low', ip(666)), listener('[::1]:666', ip(666, '::1'))]);
  t.same(errors, [
    'listener "low" on 127.0.0.1:666: not permitted; ports below 1024 need CAP_NET_BIND_SERVICE (EACCES)',
    'listener [::1]:666: not permitted; ports below 1024 need CAP_NET_BIND_SERVICE (EACCES)',
  ]);
  t.same(book, ['open 127.0.0.1:2', 'close 127.0.0.1:2']);
});

t.test('two listeners on one address are refused', async (t) => {
  const { sockets } = setUp();
  const { errors } = await sockets.prepare([listener('a', ip(1)), listener('b', ip(1))]);
  t.match(errors, [/listener "b" on 127.0.0.1:1: another listener/]);
});

t.test('abandon closes what only the abandoned one had opened', async (t) => {
  const { sockets, book } = setUp();
  await sockets.prepare([listener('a', ip(1)), listener('b', ip(2))]);
  sockets.commit();
  book.length = 0;
  await sockets.prepare([listener('a', ip(1)), listener('c', ip(3))]);
  sockets.abandon();
  t.same(book, ['open 127.0.0.1:3', 'close 127.0.0.1:3']);
  sockets.closeAll();
  t.same(book.slice(2), ['close 127.0.0.1:1', 'close 127.0.0.1:2']);
});

t.test('where no descriptors can be made there is nothing to close', async (t) => {
  const { sockets, book } = setUp(false);
  const { table } = await sockets.prepare([listener('a', ip(1)), listener('u', ip(2), true)]);
  t.equal(table[0]!['a']!.fd, -1);
  t.equal(table[0]!['u']!.fd, -1);
  sockets.commit();
  sockets.closeAll();
  t.same(book, ['open 127.0.0.1:1', 'hold 127.0.0.1:2 for 2', 'close 127.0.0.1:1', 'close 127.0.0.1:2'], 'but perhaps a socket file to remove');
});

t.test('an engine that binds by itself gets one port for all workers, and keeps it', async (t) => {
  const { sockets } = setUp();
  const { table } = await sockets.prepare([listener('u', ip(0), true)]);
  sockets.commit();
  t.same(table.map((one) => one['u']), [{ address: ip(50_010), fd: -1 }, { address: ip(50_010), fd: -1 }]);
  t.same((await sockets.prepare([listener('u', ip(0), true)])).table, table);
});

t.test('a listener that changes between an engine that binds by itself and another keeps its address', async (t) => {
  for (const port of [1, 0]) {
    const { sockets, book } = setUp();
    const first = await sockets.prepare([listener('a', ip(port))]);
    sockets.commit();
    const { address } = first.table[0]!['a']!;
    const where = formatAddress(address);
    book.length = 0;
    const { table } = await sockets.prepare([listener('a', ip(port), true)]);
    t.same(table[1]!['a'], { address, fd: -1 });
    sockets.commit();
    t.same(book, [`hold ${where} for 2 beside`, `close ${where}`, '10,11 only']);
    book.length = 0;
    const back = await sockets.prepare([listener('a', ip(port))]);
    t.same(back.table[1]!['a'], { address, fd: 14 });
    sockets.abandon();
    t.same(book, [`open ${where} beside`, `close ${where}`, '13,14 only'], 'and the one that stays is not harmed');
  }
});

t.test('on a unix socket that waits for the next start', async (t) => {
  const { sockets } = setUp();
  await sockets.prepare([listener('a', { kind: 'unix', path: '/a' })]);
  sockets.commit();
  const { errors } = await sockets.prepare([listener('a', { kind: 'unix', path: '/a' }, true)]);
  t.match(errors, [/"a" on unix:\/a: .*next start/]);
});
