// PROXY protocol headers, versions 1 and 2: vectors at every split point, what is refused, what is written.

import t from 'tap';

import { proxyHeader } from '../../src/cluster/proxy-header.ts';
import { crc32c } from '../../src/listen/crc32c.ts';
import { blankProxyHeader, parseProxyHeader, PROXY_BAD_V1, PROXY_BAD_V2, PROXY_MORE, PROXY_NONE, type ProxyHeader } from '../../src/listen/proxy-header.ts';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const TAIL = Buffer.from('GET / HTTP/1.1\r\n');

function binary(command: number, family: number, ...parts: readonly (Buffer | readonly number[])[]): Buffer {
  const rest = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const head = Buffer.from([command, family, 0, 0]);
  head.writeUInt16BE(rest.length, 2);
  return Buffer.concat([SIGNATURE, head, rest]);
}

const IPV4 = [1, 2, 3, 4, 5, 6, 7, 8, 0x12, 0x34, 0, 80];
const IPV6 = [...Buffer.from('20010db8000000000000000000000001', 'hex'), ...Buffer.from('fe800000000000000000000000000002', 'hex'), 0, 1, 0xff, 0xff];
const tlv = (type: number, value: string): Buffer => Buffer.concat([Buffer.from([type, 0, value.length]), Buffer.from(value)]);
const path = (name: string): Buffer => Buffer.concat([Buffer.from(name), Buffer.alloc(108)]).subarray(0, 108);

/** With the sum over all of it in its last TLV. */
function summed(wrong = 0): Buffer {
  const header = binary(0x21, 0x11, IPV4, tlv(0x02, 'example.com'), [0x03, 0, 4, 0, 0, 0, 0]);
  header.writeUInt32BE((crc32c(header) ^ wrong) >>> 0, header.length - 4);
  return header;
}

type Ends = [source: string, port: number, destination: string, port: number] | null;
const GOOD: [name: string, header: Buffer, ends: Ends, tlvs?: [number, string][]][] = [
  ['TCP4', Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n'), ['192.0.2.1', 56324, '198.51.100.2', 443]],
  ['TCP6', Buffer.from('PROXY TCP6 2001:DB8::1 ::1 1 65535\r\n'), ['2001:db8::1', 1, '::1', 65535]],
  ['TCP6, mapped', Buffer.from('PROXY TCP6 ::ffff:1.2.3.4 ::ffff:5.6.7.8 0 1\r\n'), ['1.2.3.4', 0, '5.6.7.8', 1]],
  ['the longest TCP6', Buffer.from('PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n'), ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 65535, 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 65535]],
  ['UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), null],
  ['UNKNOWN with a rest', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(91)}\r\n`), null],
  ['v2 LOCAL', binary(0x20, 0x00), null],
  ['v2 LOCAL with bytes to skip', binary(0x20, 0x11, IPV4, [0xff, 0xff, 0xff]), null],
  ['v2 UNSPEC', binary(0x21, 0x00), null],
  ['v2 IPv4', binary(0x21, 0x11, IPV4), ['1.2.3.4', 0x1234, '5.6.7.8', 80]],
  ['v2 IPv6', binary(0x21, 0x21, IPV6), ['2001:db8::1', 1, 'fe80::2', 65535]],
  ['v2 unix', binary(0x21, 0x31, path('/run/a'), path('\0name')), ['/run/a', 0, '@name', 0]],
  ['v2 TLVs', binary(0x21, 0x11, IPV4, tlv(0x02, 'a.example'), tlv(0xea, ''), tlv(0x04, 'xx')), ['1.2.3.4', 0x1234, '5.6.7.8', 80], [[2, 'a.example'], [0xea, ''], [4, 'xx']]],
  ['v2 with a right checksum', summed(), ['1.2.3.4', 0x1234, '5.6.7.8', 80]],
  ['v2, the largest', binary(0x21, 0x11, IPV4, Buffer.concat([Buffer.from([0x04, 0xff, 0xf0]), Buffer.alloc(0xfff0)])), ['1.2.3.4', 0x1234, '5.6.7.8', 80]],
];

const parse = (bytes: Buffer, into: ProxyHeader = blankProxyHeader()): number => parseProxyHeader(bytes, 0, bytes.length, into);

t.test('what is right is read, at every split point and at any place', async (t) => {
  for (const [name, header, ends, tlvs] of GOOD) {
    const step = header.length > 1000 ? 997 : 1;
    let early = 0;
    for (let end = 0; end < header.length; end += step) if (parse(header.subarray(0, end)) !== PROXY_MORE) early++;
    t.equal(early, 0, `${name}: more is wanted before the end`);
    for (const rest of [Buffer.alloc(0), TAIL]) {
      const into = blankProxyHeader();
      const shifted = Buffer.concat([Buffer.from('##'), header, rest]);
      t.equal(parseProxyHeader(shifted, 2, shifted.length, into), header.length, name);
      t.equal(into.own, ends === null, name);
      if (ends !== null) t.same([into.sourceAddress, into.sourcePort, into.destinationAddress, into.destinationPort], ends, name);
      if (tlvs !== undefined) t.same(into.tlvs.map(({ type, value }) => [type, value.toString()]), tlvs);
    }
  }
});

const BAD: [name: string, bytes: Buffer, answer: number][] = [
  ['HTTP', TAIL, PROXY_NONE],
  ['lower case', Buffer.from('proxy TCP4 '), PROXY_NONE],
  ['POST', Buffer.from('PO'), PROXY_NONE],
  ['no blank', Buffer.from('PROXY\r\n'), PROXY_NONE],
  ['a broken signature', Buffer.from('\r\n\r\n\0\r\nQUIT\r'), PROXY_NONE],
  ...[
    'TCP4 1.2.3.4 5.6.7.8 99', 'TCP4 1.2.3.4 5.6.7.8 99 100 1', 'TCP4 1.2.3.4  5.6.7.8 99 100', 'TCP4 1.2.3.4 5.6.7.8 99 100 ', ' TCP4 1.2.3.4 5.6.7.8 1 2',
    'TCP4 1.2.3 5.6.7.8 99 100', 'TCP4 1.2.3.04 5.6.7.8 99 100', 'TCP4 1.2.3.256 5.6.7.8 9 1', 'TCP4 ::1 ::1 99 100', 'TCP6 1.2.3.4 5.6.7.8 99 100', 'TCP6 ::1 1.2.3.4 1 2',
    'TCP6 fe80::1%eth0 ::1 1 2', 'TCP6 :::1 ::1 1 2', 'TCP4 1.2.3.4 5.6.7.8 65536 1', 'TCP4 1.2.3.4 5.6.7.8 01 1', 'TCP4 1.2.3.4 5.6.7.8 -1 1', 'TCP4 1.2.3.4 5.6.7.8 +1 1',
    'TCP4 1.2.3.4 5.6.7.8 1 0x1', 'TCP5 1.2.3.4 5.6.7.8 1 2', 'UDP4 1.2.3.4 5.6.7.8 1 2', 'tcp4 1.2.3.4 5.6.7.8 1 2', 'UNKNOWNS', '', 'TCP4\t1.2.3.4 5.6.7.8 1 2', 'TCP4 1.2.3.4\0 5.6.7.8 1 2',
  ].map((line): [string, Buffer, number] => [`v1 ${line}`, Buffer.from(`PROXY ${line}\r\n`), PROXY_BAD_V1]),
  ['v1 with a bare LF', Buffer.from('PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n'), PROXY_BAD_V1],
  ['v1 with a CR inside', Buffer.from('PROXY TCP4 1.2.3.4 5.6.7.8 1\r2\r\n'), PROXY_BAD_V1],
  ['v1 without an end', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(93)}`), PROXY_BAD_V1],
  ['v1 of 108 bytes', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(92)}\r\n`), PROXY_BAD_V1],
  ['v2 of another version', binary(0x31, 0x11, IPV4), PROXY_BAD_V2],
  ['v2, another version told by one byte', Buffer.concat([SIGNATURE, Buffer.from([0x11])]), PROXY_BAD_V2],
  ['v2 of an unknown command', binary(0x22, 0x11, IPV4), PROXY_BAD_V2],
  ['v2 of an unknown family', binary(0x21, 0x41, IPV4), PROXY_BAD_V2],
  ['v2 of an unknown transport', binary(0x21, 0x13, IPV4), PROXY_BAD_V2],
  ['v2 of datagrams', binary(0x21, 0x12, IPV4), PROXY_BAD_V2],
  ['v2 shorter than its addresses', binary(0x21, 0x11, IPV4.slice(1)), PROXY_BAD_V2],
  ['v2 IPv6 shorter than its addresses', binary(0x21, 0x21, IPV4), PROXY_BAD_V2],
  ['v2 with a TLV beyond its end', binary(0x21, 0x11, IPV4, [0x04, 0, 3, 1, 2]), PROXY_BAD_V2],
  ['v2 with half a TLV head', binary(0x21, 0x11, IPV4, [0x04, 0]), PROXY_BAD_V2],
  ['v2 with a wrong checksum', summed(1), PROXY_BAD_V2],
  ['v2 with a short checksum', binary(0x21, 0x11, IPV4, [0x03, 0, 3, 1, 2, 3]), PROXY_BAD_V2],
];

t.test('what is wrong is refused, however it arrives', async (t) => {
  for (const [name, bytes, answer] of BAD) {
    t.equal(parse(bytes), answer, name);
    for (let end = 0; end < bytes.length; end++) {
      const early = parse(bytes.subarray(0, end));
      if (early !== PROXY_MORE && early !== answer) t.fail(`${name}: ${early} after ${end} bytes`);
    }
  }
});

t.test('a refusal leaves nothing of the header before it', async (t) => {
  const into = blankProxyHeader();
  parse(GOOD[0]![1], into);
  parse(binary(0x20, 0), into);
  t.ok(into.own);
  t.same(into.tlvs, []);
});

t.test('crc32c: the vectors of RFC 3720', async (t) => {
  t.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  t.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
  t.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
});

t.test('what is written is read again', async (t) => {
  const pairs: [string, string, Ends, Ends][] = [
    ['192.0.2.1', '198.51.100.2', ['192.0.2.1', 1, '198.51.100.2', 2], ['192.0.2.1', 1, '198.51.100.2', 2]],
    ['2001:db8::1', '::1', ['2001:db8::1', 1, '::1', 2], ['2001:db8::1', 1, '::1', 2]],
    ['fe80::1%eth0', 'fe80::2', ['fe80::1', 1, 'fe80::2', 2], ['fe80::1', 1, 'fe80::2', 2]],
    ['192.0.2.1', '::1', null, ['192.0.2.1', 1, '::1', 2]],
    ['', '/run/x', null, null],
  ];
  for (const [remoteAddress, localAddress, v1, v2] of pairs) {
    for (const [version, ends] of [['v1', v1], ['v2', v2]] as const) {
      const bytes = proxyHeader(version, { remoteAddress, remotePort: 1, localAddress, localPort: 2 });
      const into = blankProxyHeader();
      t.equal(parse(bytes, into), bytes.length);
      t.equal(into.own, ends === null);
      if (ends !== null) t.same([into.sourceAddress, into.sourcePort, into.destinationAddress, into.destinationPort], ends);
    }
  }
});
