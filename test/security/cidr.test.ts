import t from 'tap';
import { compileCidrs, isAddress } from '../../src/security/cidr.ts';

t.test('ranges and single addresses', async (t) => {
  const set = compileCidrs(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1', '172.16.5.4/12']);
  for (const inside of ['10.0.0.0', '10.255.255.255', '192.0.2.7', '2001:db8::', '2001:db8:ffff::1', '::1', '172.31.255.255']) t.equal(set.contains(inside), true, inside);
  for (const outside of ['9.255.255.255', '11.0.0.0', '192.0.2.6', '192.0.2.8', '2001:db9::', '::2', '172.32.0.0', '172.15.255.255']) t.equal(set.contains(outside), false, outside);
});

t.test('the widest and the narrowest range', async (t) => {
  t.equal(compileCidrs(['0.0.0.0/0']).contains('255.1.2.3'), true);
  t.equal(compileCidrs(['0.0.0.0/0']).contains('2001:db8::1'), false, 'the families are apart');
  t.equal(compileCidrs(['::/0']).contains('2001:db8::1'), true);
  t.equal(compileCidrs(['192.0.2.7/32']).contains('192.0.2.8'), false);
  t.equal(compileCidrs(['2001:db8::7/128']).contains('2001:db8::8'), false);
  t.equal(compileCidrs(['192.0.2.254/31']).contains('192.0.2.255'), true);
  t.equal(compileCidrs([]).contains('192.0.2.7'), false);
});

t.test('an IPv4 address in IPv6 clothes is that address', async (t) => {
  const set = compileCidrs(['10.0.0.0/8']);
  t.equal(set.contains('::ffff:10.1.2.3'), true);
  t.equal(set.contains('::ffff:11.1.2.3'), false);
});

t.test('what is no address is in no set, whatever a caller sends', async (t) => {
  const set = compileCidrs(['0.0.0.0/0', '::/0']);
  for (const text of ['', ' ', 'unknown', '10.0.0', '10.0.0.256', '10.0.0.1:80', '[::1]', '::1]', '1.2.3.4 ', '010.0.0.1', '0x7f.1', '10.0.0.1\0', 'fe80::1%', '/run/a.sock']) {
    t.equal(isAddress(text), false, JSON.stringify(text));
    t.equal(set.contains(text), false, JSON.stringify(text));
  }
  t.doesNotThrow(() => set.contains('fe80::1%eth0'));
  t.doesNotThrow(() => set.contains('fe80::1%' + 'x'.repeat(5000)));
});

t.test('texts that are no range', async (t) => {
  for (const text of ['', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/8/8', '10.0.0.0/ 8', '10.0.0.0/1e1', '10.0.0.0/0x8', '10.0.0.0/8.0', '10.0.0.0/08a', '10/8', '::/129', '::1/', 'localhost/8', '/8']) {
    t.throws(() => compileCidrs(['::1', text]), { name: 'RangeError', message: `"${text}" is not an address range` }, JSON.stringify(text));
  }
});
