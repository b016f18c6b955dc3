// The whole road without the kernel: a request's bytes go into H1Down, come out of H1Up, the answer's the other way, over
// connections that take everything. What remains is what Nuncio itself costs per request.

import type { Conn, ConnOwner } from '../../../src/io/conn.ts';
import { FakeHouse } from '../../../test/support/fake-house.ts';
import type { RouteConfig } from '../../../src/config/snapshot.ts';
import { clusterConfig } from '../../../test/support/snapshots.ts';
import { measure } from '../../measure.ts';

class NullConn implements Conn {
  owner: ConnOwner;
  readonly id = 1;
  readonly error = '';
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort = 40_000;
  readonly localAddress = '127.0.0.1';
  readonly localPort = 18_080;
  readonly tls = null;
  facts = null;
  readonly pending = 0;
  sent = 0;

  constructor(owner: ConnOwner) {
    this.owner = owner;
  }

  write(_buf: Buffer, start: number, end: number): boolean {
    this.sent += end - start;
    return true;
  }

  readonly originalDestination = null;
  readdress(): void {}
  pauseRead(): void {}
  resumeRead(): void {}
  shutdownWrite(): void {}
  close(): void {}
  closeLingering(): void {}
  reset(): void {}
}

const BROWSER = [
  'GET /shop/items?page=2&sort=price HTTP/1.1', 'Host: www.example.com', 'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8', 'Accept-Language: en-US,en;q=0.5', 'Accept-Encoding: gzip, deflate, br, zstd',
  'Referer: https://www.example.com/shop', 'Connection: keep-alive', 'Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=1', 'Upgrade-Insecure-Requests: 1',
  'Sec-Fetch-Dest: document', 'Priority: u=0, i', '', '',
].join('\r\n');

const CASES: Readonly<Record<string, readonly [request: string, answer: string]>> = {
  small: ['GET / HTTP/1.1\r\nHost: 127.0.0.1:18080\r\n\r\n', `HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 06:50:53 GMT\r\nContent-Type: text/plain\r\nContent-Length: 68\r\nConnection: keep-alive\r\n\r\n${'x'.repeat(68)}`],
  browser: [BROWSER, `HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 06:50:53 GMT\r\n${Array.from({ length: 10 }, (_, i) => `X-Answer-Field-${i}: some value of usual length ${i}\r\n`).join('')}Content-Length: 68\r\n\r\n${'x'.repeat(68)}`],
};

const NO_EDITS = { set: [], add: [], remove: [] };
const ROUTE: RouteConfig = {
  name: 'all',
  match: { path: { kind: 'prefix', value: '/' }, caseSensitive: true, methods: [], headers: [], query: [], fraction: 1, clientCertificate: null },
  action: {
    kind: 'forward', highPriority: false,
    clusters: [{ name: 'app', weight: 1 }],
    clusterHeader: '',
    subset: null,
    timeoutMs: 15_000,
    idleTimeoutMs: null,
    grpcTimeoutHeaderMaxMs: null,
    upgrades: null,
    hashOn: [],
    stickySession: null,
    retry: null,
    hedgeOnPerTryTimeout: false,
    rewrite: { prefix: null, regex: null, path: null, host: null, hostFrom: null },
    requestHeaders: NO_EDITS,
    responseHeaders: NO_EDITS,
  },
  filters: null,
};

for (const [name, [request, answer]] of Object.entries(CASES)) {
  const house = new FakeHouse();
  house.addCluster(clusterConfig('app', [13_000]));
  const door = house.addListener([ROUTE]);
  const ups: NullConn[] = [];
  Object.assign(house.loop, {
    connect: (_to: unknown, owner: ConnOwner) => {
      const conn = new NullConn(owner);
      ups.push(conn);
      return conn;
    },
  });
  const downs = Array.from({ length: 64 }, () => {
    const conn = new NullConn({} as ConnOwner);
    conn.owner = door.listener.accept(conn)!;
    return conn;
  });
  const asked = Buffer.from(request, 'latin1');
  const answered = Buffer.from(answer, 'latin1');
  const read = Buffer.allocUnsafeSlow(65_536);
  const turn = (): void => {
    for (const conn of downs) {
      read.set(asked, 0);
      conn.owner.onData(conn, read, 0, asked.length);
    }
    for (const conn of ups) {
      read.set(answered, 0);
      conn.owner.onData(conn, read, 0, answered.length);
    }
  };
  for (const conn of downs) conn.owner.onData(conn, asked, 0, asked.length);
  for (const conn of ups) conn.owner.onConnect(conn);
  for (const conn of ups) conn.owner.onData(conn, answered, 0, answered.length);
  let left = 0;
  measure(`${name} request and answer`, (times) => {
    for (left += times; left >= downs.length; left -= downs.length) turn();
  });
  const served = downs.reduce((sum, conn) => sum + conn.sent, 0);
  if (served === 0 || ups.length !== downs.length) throw new Error(`nothing was measured: ${served} bytes, ${ups.length} connections`);
}
