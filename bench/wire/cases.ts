// What is measured: one shape of request on one road through the proxy, at one number of connections each.

/**
 * From protocol to protocol: which listener and which cluster a proxy needs. `http` is HTTP/1.1 on both sides, `tls` the
 * same behind TLS 1.3, `h2` HTTP/2 in the clear to HTTP/1.1, `grpc` HTTP/2 in the clear on both sides.
 */
export const ROADS = ['http', 'tls', 'h2', 'h1-to-h2', 'h2-to-h2', 'grpc', 'websocket', 'tcp'] as const;
export type Road = (typeof ROADS)[number];

/**
 * `keep-alive`: one request after another on each connection; `new`: each on one of its own; `streams`: several at one
 * time on each, by HTTP/2; `echo`: messages of a WebSocket, one after another on each.
 */
export type LoadKind = 'keep-alive' | 'new' | 'streams' | 'echo';

export interface WireCase {
  readonly name: string;
  readonly title: string;
  readonly road: Road;
  readonly load: LoadKind;
  readonly connections: number;
  /** Requests at one time on a connection. */
  readonly streams: number;
  readonly path: string;
  /** `plain`: what the load generator sends by itself; `browser`: with the 11 headers of a browser. */
  readonly headers: 'plain' | 'browser';
  /** Bytes of a POST body or of a WebSocket message; 0 makes it a GET. */
  readonly uploadBytes: number;
  /** The warm-up's length as a multiple of the usual: where requests are few, a JIT needs more time to see as many. */
  readonly warmUp: number;
}

const PLAIN = { road: 'http', load: 'keep-alive', streams: 1, headers: 'plain', uploadBytes: 0, warmUp: 1 } as const;

const small = (connections: number): WireCase => ({
  ...PLAIN, name: `small-${connections}`, path: '/small', connections,
  title: `68 bytes down, ${connections} connection${connections === 1 ? '' : 's'}`,
});

const down = (size: string, connections: number): WireCase => ({
  ...PLAIN, name: `down-${size}`, path: `/${size}`, connections,
  title: `${size.toUpperCase()}iB down, ${connections} connections`,
});

const up = (size: string, uploadBytes: number, connections: number): WireCase => ({
  ...PLAIN, name: `up-${size}`, path: '/upload', uploadBytes, connections,
  title: `${size.toUpperCase()}iB up, ${connections} connections`,
});

const streams = (name: string, road: Road, title: string): WireCase => ({
  ...PLAIN, name, road, load: 'streams', connections: 8, streams: 32, path: '/small',
  title: `${title}, 8 connections of 32 streams`,
});

const echo = (name: string, uploadBytes: number): WireCase => ({
  ...PLAIN, name, road: 'websocket', load: 'echo', connections: 64, path: '/echo', uploadBytes,
  title: `WebSocket, ${uploadBytes} bytes there and back as one request, 64 connections`,
});

export const CASES: readonly WireCase[] = [
  small(1), small(8), small(64), small(256), small(1000),
  {
    ...PLAIN, name: 'browser', title: 'browser request (11 headers, 12 back), 64 connections',
    connections: 64, path: '/browser', headers: 'browser',
  },
  down('64k', 16), down('1m', 16), down('10m', 8),
  up('16k', 16 * 1024, 16), up('1m', 1024 * 1024, 16),
  { ...PLAIN, name: 'tls-small', title: 'TLS 1.3, 68 bytes down, 64 connections', road: 'tls', connections: 64, path: '/small' },
  {
    ...PLAIN, name: 'tls-new', title: 'TLS 1.3, each request on a new connection with a full handshake, 16 at one time',
    road: 'tls', load: 'new', connections: 16, path: '/small', warmUp: 5,
  },
  streams('h2-small', 'h2', 'HTTP/2 → HTTP/1.1, 68 bytes down'),
  { ...PLAIN, name: 'h1-to-h2', title: 'HTTP/1.1 → HTTP/2, 68 bytes down, 64 connections', road: 'h1-to-h2', connections: 64, path: '/small' },
  streams('h2-to-h2', 'h2-to-h2', 'HTTP/2 → HTTP/2, 68 bytes down'),
  streams('grpc', 'grpc', 'gRPC, unary, 64 bytes each way'),
  echo('ws-64', 64), echo('ws-4k', 4096),
  { ...PLAIN, name: 'tcp-1m', title: 'TCP, 1MiB down by HTTP/1.1 inside, 16 connections', road: 'tcp', connections: 16, path: '/1m' },
];

export function caseNamed(name: string): WireCase {
  const found = CASES.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no case ${name}`);
  return found;
}

/** Idle keep-alive connections whose memory is measured, beyond the first that are open already. */
export interface IdleCase {
  readonly name: string;
  readonly title: string;
  readonly road: 'http' | 'tls';
  /** The load beforehand. */
  readonly busy: string;
  readonly connections: number;
  readonly baseConnections: number;
}

export const IDLE_CASES: readonly IdleCase[] = [
  { name: 'idle', title: 'idle connections', road: 'http', busy: 'small-64', connections: 8000, baseConnections: 1000 },
  // a handshake is dear, and a session is tens of times as big as a plain connection: fewer tell as much
  { name: 'idle-tls', title: 'idle TLS 1.3 connections', road: 'tls', busy: 'tls-small', connections: 2000, baseConnections: 500 },
];
