// What a listener looks at before a connection's first byte: the PROXY protocol header, then the ClientHello whose server
// name chooses the way. Worker thread; without state but for the counters.

import { PREAMBLE_MORE, PREAMBLE_REFUSE, type Conn, type Opening, type Preamble } from '../io/conn.ts';
import type { ServerTls } from '../security/tls-settings.ts';
import * as S from '../observe/stat-names.ts';
import { HELLO_FOUND, HELLO_MORE, HELLO_TOO_LARGE, parseClientHello, type ClientHello } from './client-hello.ts';
import { blankProxyHeader, parseProxyHeader, PROXY_BAD_V1, PROXY_BAD_V2, PROXY_MORE, PROXY_NONE, type ProxyHeader } from './proxy-header.ts';

// Filled anew by each look.
const header: ProxyHeader = blankProxyHeader();
const hello: ClientHello = { serverName: '', alpn: [] };

/** A listener's opening: the engine reads its fields for each connection, a reload writes them. */
export class ListenOpening implements Opening {
  preamble: Preamble | null = null;
  tls: ServerTls | null = null;

  get isNone(): boolean {
    return this.preamble === null && this.tls === null;
  }
}

export interface PreambleParts {
  readonly proxyProtocol: boolean;
  readonly serverName: boolean;
}

/** Null where there is nothing to look at. `at`: first cell of the listener's block. */
export function makePreamble(parts: PreambleParts, cells: Float64Array, at: number): Preamble | null {
  return parts.proxyProtocol || parts.serverName ? new ListenPreamble(parts, cells, at) : null;
}

class ListenPreamble implements Preamble {
  private readonly parts: PreambleParts;
  private readonly cells: Float64Array;
  private readonly at: number;

  constructor(parts: PreambleParts, cells: Float64Array, at: number) {
    this.parts = parts;
    this.cells = cells;
    this.at = at;
  }

  inspect(conn: Conn, buf: Buffer, start: number, end: number): number {
    const { proxyProtocol, serverName } = this.parts;
    const length = proxyProtocol ? parseProxyHeader(buf, start, end, header) : 0;
    if (length === PROXY_MORE) return PREAMBLE_MORE;
    if (length < 0) return this.refuse(length);
    hello.serverName = '';
    hello.alpn = [];
    const answer = serverName ? parseClientHello(buf, start + length, end, hello) : HELLO_FOUND;
    if (answer === HELLO_MORE) return PREAMBLE_MORE;
    if (serverName && !this.countHello(answer)) return PREAMBLE_REFUSE;
    if (proxyProtocol) this.takeAddresses(conn);
    conn.facts = { serverName: hello.serverName, alpn: hello.alpn, tlvs: proxyProtocol ? header.tlvs : [] };
    return length;
  }

  private takeAddresses(conn: Conn): void {
    this.count(header.version === 1 ? S.PROXY_PROTO_V1_FOUND : S.PROXY_PROTO_V2_FOUND);
    if (header.own) return;
    conn.readdress(header.sourceAddress, header.sourcePort, header.destinationAddress, header.destinationPort);
  }

  private refuse(why: number): number {
    if (why === PROXY_NONE) this.count(S.PROXY_PROTO_NOT_FOUND_DISALLOWED);
    else if (why === PROXY_BAD_V1) this.count(S.PROXY_PROTO_V1_ERROR);
    else if (why === PROXY_BAD_V2) this.count(S.PROXY_PROTO_V2_ERROR);
    return PREAMBLE_REFUSE;
  }

  /** As Envoy: what is no TLS goes on without a name. False where the connection is to be refused. */
  private countHello(answer: number): boolean {
    if (answer === HELLO_TOO_LARGE) {
      this.count(S.CLIENT_HELLO_TOO_LARGE);
      return false;
    }
    if (answer !== HELLO_FOUND) {
      hello.serverName = '';
      hello.alpn = [];
      this.count(S.TLS_NOT_FOUND);
      return true;
    }
    this.count(S.TLS_FOUND);
    this.count(hello.serverName === '' ? S.SNI_NOT_FOUND : S.SNI_FOUND);
    this.count(hello.alpn.length === 0 ? S.ALPN_NOT_FOUND : S.ALPN_FOUND);
    return true;
  }

  private count(slot: number): void {
    this.cells[this.at + slot]!++;
  }
}
