import t from 'tap';
import { Clock } from '../../src/core/clock.ts';
import { DateText } from '../../src/proxy/date-text.ts';
import { ManualTime } from '../support/manual-time.ts';

t.test('the date field follows the clock, second by second', async (t) => {
  const time = new ManualTime();
  const clock = new Clock(time);
  const date = new DateText(clock);
  t.equal(date.block().value('date'), 'Thu, 29 Feb 2024 12:00:00 GMT');
  time.advance(999);
  clock.refresh();
  t.equal(date.block().value('date'), 'Thu, 29 Feb 2024 12:00:00 GMT');
  time.advance(1);
  t.equal(date.block().value('date'), 'Thu, 29 Feb 2024 12:00:00 GMT', 'as of this turn');
  clock.refresh();
  t.equal(date.block().value('date'), 'Thu, 29 Feb 2024 12:00:01 GMT');
  time.advance(12 * 3_600_000);
  clock.refresh();
  t.equal(date.block().value('date'), 'Fri, 01 Mar 2024 00:00:01 GMT');
});

t.test('a clock that somebody sets is followed within a second, backwards too', async (t) => {
  const time = new ManualTime();
  const clock = new Clock(time);
  const date = new DateText(clock);
  time.stepWall(-86_400_000);
  time.advance(500);
  clock.refresh();
  t.equal(date.block().value('date'), 'Thu, 29 Feb 2024 12:00:00 GMT');
  time.advance(600);
  clock.refresh();
  t.equal(date.block().value('date'), 'Wed, 28 Feb 2024 12:00:01 GMT');
});
