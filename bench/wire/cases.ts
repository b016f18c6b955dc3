// What is measured: one request shape at one number of connections each. Bodies are the same through every proxy.

export interface WireCase {
  readonly name: string;
  readonly title: string;
  readonly connections: number;
  readonly path: string;
  /** `plain`: what the load generator sends by itself; `browser`: with the 11 headers of a browser. */
  readonly headers: 'plain' | 'browser';
  /** Bytes of a POST body; 0 makes it a GET. */
  readonly uploadBytes: number;
}

const small = (connections: number): WireCase => ({
  name: `small-${connections}`,
  title: `68 bytes down, ${connections} connection${connections === 1 ? '' : 's'}`,
  connections, path: '/small', headers: 'plain', uploadBytes: 0,
});

const down = (size: string, connections: number): WireCase => ({
  name: `down-${size}`,
  title: `${size.toUpperCase()}iB down, ${connections} connections`,
  connections, path: `/${size}`, headers: 'plain', uploadBytes: 0,
});

const up = (size: string, uploadBytes: number, connections: number): WireCase => ({
  name: `up-${size}`,
  title: `${size.toUpperCase()}iB up, ${connections} connections`,
  connections, path: '/upload', headers: 'plain', uploadBytes,
});

export const CASES: readonly WireCase[] = [
  small(1), small(8), small(64), small(256), small(1000),
  {
    name: 'browser', title: 'browser request (11 headers, 12 back), 64 connections',
    connections: 64, path: '/browser', headers: 'browser', uploadBytes: 0,
  },
  down('64k', 16), down('1m', 16), down('10m', 8),
  up('16k', 16 * 1024, 16), up('1m', 1024 * 1024, 16),
];

/** Idle keep-alive connections whose memory is measured, beyond the first that are open already. */
export const IDLE_CASE = 'idle';
export const IDLE_CONNECTIONS = 8000;
export const IDLE_BASE_CONNECTIONS = 1000;

/** 68 bytes with the line feed. */
export const SMALL_BODY = `{"ok":true,"text":"${'x'.repeat(46)}"}\n`;

export const FILES: Readonly<Record<string, number>> = {
  '64k': 64 * 1024,
  '1m': 1024 * 1024,
  '10m': 10 * 1024 * 1024,
};

/** With Server, Date, Content-Type, Content-Length and Connection: the 12 of the browser case. */
export const EXTRA_RESPONSE_HEADERS: readonly (readonly [string, string])[] = [
  ['Cache-Control', 'public, max-age=3600'],
  ['ETag', '"5e1f-60c4ab8f2d3c0"'],
  ['Vary', 'Accept-Encoding'],
  ['X-Frame-Options', 'SAMEORIGIN'],
  ['X-Content-Type-Options', 'nosniff'],
  ['Strict-Transport-Security', 'max-age=31536000; includeSubDomains'],
  ['Set-Cookie', 'sid=5f2a9c1e7b3d4f60; Path=/; HttpOnly; SameSite=Lax'],
];

/** A browser's request headers besides Host: with it, 11. */
export const BROWSER_HEADERS: readonly (readonly [string, string])[] = [
  ['Connection', 'keep-alive'],
  ['Accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8'],
  ['Accept-Encoding', 'gzip, deflate, br'],
  ['Accept-Language', 'en-GB,en;q=0.9,de;q=0.8'],
  ['Cache-Control', 'max-age=0'],
  ['Cookie', 'sid=5f2a9c1e7b3d4f60; theme=dark; consent=1; _ga=GA1.2.1122334455.1700000000'],
  ['Referer', 'https://www.example.com/products/index.html'],
  ['Sec-Fetch-Mode', 'navigate'],
  ['Upgrade-Insecure-Requests', '1'],
  ['User-Agent', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36'],
];
