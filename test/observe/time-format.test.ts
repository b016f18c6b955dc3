import t from 'tap';
import { TimeFormat } from '../../src/observe/time-format.ts';

const at = (format: string, wall: string | number): string => new TimeFormat(format).format(typeof wall === 'string' ? Date.parse(wall) : wall);

t.test('conversions at the edges of day and year', async (t) => {
  t.equal(at('%I %l %k %H %p', '2026-01-01T00:05:09Z'), '12 12  0 00 AM');
  t.equal(at('%I %l %k %H %p', '2026-01-01T12:05:09Z'), '12 12 12 12 PM');
  t.equal(at('%j %e|%d %u %w', '2028-12-31T23:59:59Z'), '366 31|31 7 0');
  t.equal(at('%e|%h %y %C', '2005-02-03T00:00:00Z'), ' 3|Feb 05 20');
  t.equal(at('%U %W', '2026-01-01T00:00:00Z'), '00 00');
  t.equal(at('%U %W', '2026-01-04T00:00:00Z'), '01 00');
  t.equal(at('%U %W', '2026-01-05T00:00:00Z'), '01 01');
  t.equal(at('%c|%x|%X|%r|%Ez', '2026-11-23T18:22:15Z'), 'Mon Nov 23 18:22:15 2026|11/23/26|18:22:15|06:22:15 PM|+00:00');
});

t.test('fractions are cut, not rounded', async (t) => {
  const wall = Date.parse('2026-11-23T18:22:15Z') + 999.9375;
  t.equal(at('%S.%3f %1f %6f %f %E3S %E0S', wall), '15.999 9 999937 999937000 15.999 15');
});

t.test('one format over time: the text of a second is not kept beyond it', async (t) => {
  const format = new TimeFormat('%T.%3f');
  const start = Date.parse('2026-12-31T23:59:58.500Z');
  t.same([0, 499, 500, 1500, 1499, -600].map((ms) => format.format(start + ms)), ['23:59:58.500', '23:59:58.999', '23:59:59.000', '00:00:00.000', '23:59:59.999', '23:59:57.900']);
});

t.test('one format within a millisecond: the last text is used again only where it cannot differ', async (t) => {
  const start = Date.parse('2026-11-23T18:22:15Z');
  const coarse = new TimeFormat('%3f');
  t.same([0.25, 0.75, 1.25, 0.5].map((ms) => coarse.format(start + ms)), ['000', '000', '001', '000']);
  const fine = new TimeFormat('%3f %6f');
  t.same([0.25, 0.75].map((ms) => fine.format(start + ms)), ['000 000250', '000 000750']);
});
