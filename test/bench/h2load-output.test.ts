import t from 'tap';
import { readH2load } from '../../bench/wire/load/h2load-output.ts';

const summary = (finished: string, requests: string): string => `starting benchmark...
progress: 100% of clients started
Application protocol: h2c
Process Request Failure:2
${finished}, 8000.00 req/s, 539.58KB/s
requests: ${requests}
status codes: 8000 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 539.58KB (552528) total, 375.00KB (384000) headers (space savings 51.02%), 23.44KB (24000) data
                     min         max         mean         sd        +/- sd
time for request:      177us     34.09ms     10.17ms      4.92ms    67.33%
`;
const CLEAN = '8256 total, 8300 started, 8256 done, 8256 succeeded, 0 failed, 0 errored, 0 timeout';
const SPOILT = '8156 total, 8248 started, 8156 done, 8000 succeeded, 156 failed, 150 errored, 3 timeout';

t.test('a clean window', async (t) => {
  const log = Array.from({ length: 1000 }, (_, i) => `1795479977601693\t200\t${1000 - i}\n`).join('');
  t.same(readH2load(summary('finished in 1.02s', CLEAN), log), {
    requests: 8256, durationUs: 1.02e6, p50Us: 500, p99Us: 990, p999Us: 999, errors: { failed: 0, timeout: 0 },
  });
});

t.test('only what succeeded counts, the errored ones are among the failed', async (t) => {
  const result = readH2load(summary('finished in 1.00s', SPOILT), '1\t200\t5\n2\t-1\t90000\n3\t503\t7\n');
  t.equal(result?.requests, 8000);
  t.same(result?.errors, { failed: 156, timeout: 3 });
  t.equal(result?.p999Us, 7, 'a request without an answer has no latency');
});

t.test('durations in every unit', async (t) => {
  for (const [text, us] of [['345us', 345], ['12.50ms', 12_500], ['3.00s', 3e6], ['1.50m', 90e6]] as const) {
    t.equal(readH2load(summary(`finished in ${text}`, CLEAN), '')?.durationUs, us, text);
  }
});

t.test('no requests have no latencies', async (t) => {
  const none = '0 total, 0 started, 0 done, 0 succeeded, 0 failed, 0 errored, 0 timeout';
  t.match(readH2load(summary('finished in 1.00s', none), ''), { requests: 0, p50Us: 0, p999Us: 0 });
});

t.test('without its summary there is no result', async (t) => {
  t.equal(readH2load('', ''), null);
  t.equal(readH2load('Could not resolve host\n', ''), null);
  t.equal(readH2load('finished in 1.00s, 0 req/s, 0B/s\n', ''), null);
  t.equal(readH2load(`requests: ${CLEAN}\n`, ''), null);
});
