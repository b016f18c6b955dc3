import t from 'tap';

import { explainDuration, explainSize, explainStatusFilter, MAX_DURATION_MS, parseDuration, parseSize, parseStatusFilter } from '../../src/config/units.ts';

t.test('durations', (t) => {
  const right: [string, number][] = [
    ['0s', 0], ['250ms', 250], ['15s', 15_000], ['5m', 300_000], ['1h', 3_600_000], ['1.5s', 1500], ['0.001s', 1],
    ['0.25m', 15_000], ['1.1s', 1100], ['8.2s', 8200], ['596h', 2_145_600_000], [`${MAX_DURATION_MS}ms`, MAX_DURATION_MS],
  ];
  for (const [text, ms] of right) {
    t.equal(explainDuration(text), null, text);
    t.equal(parseDuration(text), ms, text);
  }
  for (const text of ['', 's', '15', '15 s', ' 15s', '15S', '1.s', '.5s', '1,5s', '-1s', '+1s', '1e3s', '1h30m', '1d', '1us', '0.5ms', '1.0001s', `${MAX_DURATION_MS + 1}ms`, '99999999999999999999h', 'toStrings', '1toString', '15s\n']) {
    t.not(explainDuration(text), null, JSON.stringify(text));
  }
  t.end();
});

t.test('sizes', (t) => {
  const right: [string | number, number][] = [[0, 0], [1, 1], [65_536, 65_536], ['64KiB', 65_536], ['1MiB', 1_048_576], ['1GiB', 1_073_741_824], ['1.5KiB', 1536], ['0KiB', 0]];
  for (const [size, bytes] of right) {
    if (typeof size === 'string') t.equal(explainSize(size), null, size);
    t.equal(parseSize(size), bytes, String(size));
  }
  for (const text of ['', '64', '64KB', '64kb', '64k', '64M', '64 KiB', '64kib', '1TiB', '-1KiB', '0.0001KiB', '1e3KiB', '9007199254740993GiB', '1constructor']) {
    t.not(explainSize(text), null, JSON.stringify(text));
  }
  t.end();
});

t.test('status filters', (t) => {
  const right: [string, number, number][] = [['404', 404, 404], ['>=500', 500, 599], ['>499', 500, 599], ['<=399', 100, 399], ['<400', 100, 399], ['200-299', 200, 299], ['100-599', 100, 599]];
  for (const [text, min, max] of right) {
    t.equal(explainStatusFilter(text), null, text);
    t.same(parseStatusFilter(text), { min, max }, text);
  }
  for (const text of ['', '4xx', '=404', '> 400', '299-200', '>599', '<100', '99', '600', '1000', '200-', '200-600', '>=200-299']) {
    t.not(explainStatusFilter(text), null, JSON.stringify(text));
  }
  t.end();
});
