// What the requests and the answers carry, the same through every proxy.

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

/** A message of 64 bytes with gRPC's prefix of five: not compressed, length. The request's and the answer's. */
export const GRPC_MESSAGE = Buffer.concat([Buffer.from([0, 0, 0, 0, 64]), Buffer.alloc(64, 'g')]);
export const GRPC_PATH = '/bench.Echo/Unary';
/** Besides `:method` POST and the pseudo-headers. */
export const GRPC_HEADERS: readonly (readonly [string, string])[] = [
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
];
