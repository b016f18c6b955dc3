// Heads as they are seen in the wild, and a stopwatch, for the micro-benchmarks of room http.

export const TINY_REQUEST = Buffer.from('GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n', 'latin1');

export const BROWSER_REQUEST = Buffer.from(
  'GET /assets/app/main.3f2a1b.js?v=20261123 HTTP/1.1\r\n' +
    'Host: www.example.com\r\n' +
    'Connection: keep-alive\r\n' +
    'sec-ch-ua: "Chromium";v="130", "Google Chrome";v="130", "Not?A_Brand";v="99"\r\n' +
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n' +
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n' +
    'Sec-Fetch-Site: same-origin\r\n' +
    'Sec-Fetch-Mode: navigate\r\n' +
    'Accept-Encoding: gzip, deflate, br, zstd\r\n' +
    'Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n' +
    'Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes\r\n' +
    'X-Request-Id: 4f8c2a10-7d3e-4b52-9c61-0a1b2c3d4e5f\r\n' +
    '\r\n',
  'latin1',
);

export const RESPONSE = Buffer.from(
  'HTTP/1.1 200 OK\r\n' +
    'Date: Mon, 23 Nov 2026 10:00:00 GMT\r\n' +
    'Server: origin/1.0\r\n' +
    'Content-Type: text/html; charset=utf-8\r\n' +
    'Content-Length: 68\r\n' +
    'Connection: keep-alive\r\n' +
    'Cache-Control: public, max-age=3600\r\n' +
    'ETag: "33a64df551425fcc55e4d42a148795d9f25f89d4"\r\n' +
    'Last-Modified: Sun, 22 Nov 2026 08:12:31 GMT\r\n' +
    'Vary: Accept-Encoding\r\n' +
    'X-Frame-Options: SAMEORIGIN\r\n' +
    'Strict-Transport-Security: max-age=63072000; includeSubDomains\r\n' +
    'Set-Cookie: session=0123456789abcdef; Path=/; HttpOnly; Secure\r\n' +
    '\r\n',
  'latin1',
);

// Many short rounds: on a machine with other work, the best of them is the one nobody interrupted.
const ROUNDS = 400;

/** Prints the best ns per call of `run(times)` over many rounds, and per byte, as `bench/micro.ts` reads them. */
export function measure(title: string, bytes: number, times: number, run: (times: number) => void): void {
  for (let warm = 0; warm < 10; warm++) run(times);
  const samples: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    run(times);
    samples.push(Number(process.hrtime.bigint() - start) / times);
  }
  const best = Math.min(...samples);
  console.log(`${title}: ${best.toFixed(1)} ns`);
  console.log(`${title}, a byte of ${bytes}: ${(best / bytes).toFixed(3)} ns`);
}
