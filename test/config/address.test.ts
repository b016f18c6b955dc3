import { isIP } from 'node:net';

import t from 'tap';

import { formatAddress } from '../../src/core/address.ts';
import { explainEndpointAddress, explainListenAddress, parseAddress } from '../../src/config/address.ts';
import { formatCidr, formatIp, parseCidr, parseIp } from '../../src/config/ip.ts';

t.test('addresses come out in one canonical form', (t) => {
  const right: [string, string][] = [
    ['127.0.0.1:80', '127.0.0.1:80'],
    ['0.0.0.0:65535', '0.0.0.0:65535'],
    ['10.0.0.1:0080', '10.0.0.1:80'],
    ['[::]:80', '[::]:80'],
    ['[0:0:0:0:0:0:0:1]:80', '[::1]:80'],
    ['[2001:DB8:0:0:1::1]:80', '[2001:db8::1:0:0:1]:80'],
    ['[::ffff:1.2.3.4]:80', '[::ffff:1.2.3.4]:80'],
    ['unix:/run/a b.sock', 'unix:/run/a b.sock'],
    ['unix:@name', 'unix:@name'],
    [`unix:/${'x'.repeat(106)}`, `unix:/${'x'.repeat(106)}`],
  ];
  for (const [text, canonical] of right) {
    t.equal(explainListenAddress(text), null, text);
    t.equal(explainEndpointAddress(text), null, text);
    t.equal(formatAddress(parseAddress(text)), canonical, text);
  }
  t.equal(explainListenAddress('[::1]:0'), null, 'port 0 is a free port to listen on');
  t.match(explainEndpointAddress('[::1]:0'), /port from 1/, 'but nothing to connect to');
  t.match(explainListenAddress(`unix:/${'é'.repeat(54)}`), /107 bytes/, 'bytes, not letters');
  t.end();
});

t.test('IP literals: the same as the system takes, but for zone ids', (t) => {
  const texts = [
    '0.0.0.0', '255.255.255.255', '1.2.3', '1.2.3.4.5', '1.2.3.256', '01.2.3.4', '1.2.3.-4', '1.2.3.4 ', '1.2.3.', '0x1.2.3.4', '',
    '::', '::1', '1::', '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1::8', '1:2:3:4:5:6:7::', '::2:3:4:5:6:7:8',
    '1:2:3:4::5:6:7:8', ':::', '::1::', ':1', '1:', '12345::', 'g::', '::1.2.3.4', '::ffff:1.2.3.4', '1:2:3:4:5:6:1.2.3.4',
    '1:2:3:4:5:6:7:1.2.3.4', '1.2.3.4::', '::1.2.3.4:5', '::1.2.3', 'FE80::AbCd', '1:2:3:4:5:6:7:', '::1 ',
  ];
  for (const text of texts) {
    const bytes = parseIp(text);
    t.equal(bytes === null ? 0 : bytes.length === 4 ? 4 : 6, isIP(text), JSON.stringify(text));
    if (bytes !== null) t.same(parseIp(formatIp(bytes)), bytes, `${text} there and back`);
  }
  t.equal(parseIp('fe80::1%eth0'), null);
  t.end();
});

t.test('IPv6 text is RFC 5952', (t) => {
  // RFC 5952 section 4, and the URL parser of Node as a second opinion.
  for (const text of ['2001:db8::1', '2001:0db8::0001', '2001:db8:0:0:0:0:2:1', '2001:db8:0:1:1:1:1:1', '2001:0:0:1:0:0:0:1', '2001:db8:0:0:1:0:0:1', '1:0:0:2:3:4:5:6', '0:0:1::', '::1:0:0:0:0:0:0', 'A::']) {
    t.equal(`[${formatIp(parseIp(text) ?? [])}]`, new URL(`http://[${text}]/`).hostname, text);
  }
  t.end();
});

t.test('CIDR ranges lose the bits beyond their prefix', (t) => {
  const right: [string, string][] = [
    ['10.1.2.3/8', '10.0.0.0/8'], ['10.1.2.3/32', '10.1.2.3/32'], ['1.2.3.255/25', '1.2.3.128/25'], ['1.2.3.4/0', '0.0.0.0/0'],
    ['FD12::1/8', 'fd00::/8'], ['::1/128', '::1/128'], ['2001:db8:ffff::/33', '2001:db8:8000::/33'],
  ];
  for (const [text, canonical] of right) {
    const cidr = parseCidr(text);
    t.equal(cidr && formatCidr(cidr), canonical, text);
  }
  for (const text of ['10.0.0.0', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/08', '::/129', '/8', 'a/8', '10.0.0.0/8/8', '10.0.0.0/-1', '[::]/8']) {
    t.equal(parseCidr(text), null, text);
  }
  t.end();
});
