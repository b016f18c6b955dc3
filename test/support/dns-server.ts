// A DNS server on loopback UDP that answers what a test has written down, and keeps what it was asked. Test code only.

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';

import { parseIp } from '../../src/config/ip.ts';

export type Said =
  /** A name with neither exists and has no address. */
  | { readonly a?: readonly string[]; readonly aaaa?: readonly string[]; readonly ttl?: number }
  | 'NXDOMAIN' | 'SERVFAIL' | 'silence';

const RCODES = { NXDOMAIN: 3, SERVFAIL: 2 } as const;
const TYPES: Readonly<Record<number, 'a' | 'aaaa'>> = { 1: 'a', 28: 'aaaa' };
const HEADER_BYTES = 12;

interface Teardown {
  teardown(fn: () => unknown): void;
}

export class DnsServer {
  /** As `dnsResolvers` takes it. */
  address = '';
  /** `a app.test`, `aaaa app.test`, in the order of arrival. */
  readonly asked: string[] = [];
  private readonly names = new Map<string, Said>();
  private readonly socket: Socket = createSocket('udp4');

  static async start(t: Teardown): Promise<DnsServer> {
    const server = new DnsServer();
    server.socket.on('message', (message, from) => server.answer(message, from));
    server.socket.bind(0, '127.0.0.1');
    await once(server.socket, 'listening');
    server.address = `127.0.0.1:${server.socket.address().port}`;
    t.teardown(() => server.socket.close());
    return server;
  }

  /** From now on. A name that nothing was said of does not exist. @param kind only to questions of this type. */
  say(name: string, said: Said, kind?: 'a' | 'aaaa'): void {
    this.names.set(kind === undefined ? name : `${kind} ${name}`, said);
  }

  private answer(message: Buffer, from: RemoteInfo): void {
    const labels: string[] = [];
    let at = HEADER_BYTES;
    for (let length = message[at]!; length > 0; length = message[at]!) {
      labels.push(message.toString('latin1', at + 1, at + 1 + length));
      at += length + 1;
    }
    const type = message.readUInt16BE(at + 1);
    const kind = TYPES[type];
    const name = labels.join('.').toLowerCase();
    this.asked.push(`${kind ?? type} ${name}`);
    const said = this.names.get(`${kind} ${name}`) ?? this.names.get(name) ?? 'NXDOMAIN';
    if (said === 'silence') return;
    const rcode = typeof said === 'string' ? RCODES[said] : 0;
    const records = typeof said === 'string' || kind === undefined ? [] : (said[kind] ?? []);
    const ttl = typeof said === 'string' ? 0 : (said.ttl ?? 1);
    const header = Buffer.alloc(HEADER_BYTES);
    message.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8580 | rcode, 2); // an answer, authoritative, recursion wanted and had
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    const question = message.subarray(HEADER_BYTES, at + 5);
    this.socket.send(Buffer.concat([header, question, ...records.map((address) => record(type, ttl, address))]), from.port, from.address);
  }
}

function record(type: number, ttl: number, address: string): Buffer {
  const data = Buffer.from(parseIp(address)!);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc000 | HEADER_BYTES, 0); // the name of the question
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(ttl, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}
