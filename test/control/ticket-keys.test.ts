// The shared keys of session tickets: one more every twelve hours, three at most, and workers are told.

import t from 'tap';

import { TicketKeys } from '../../src/control/ticket-keys.ts';
import { HandTimers } from '../support/hand-timers.ts';

const HOUR_MS = 3_600_000;

t.test('a key makes tickets for twelve hours and opens them for a day more', async (t) => {
  const timers = new HandTimers();
  const told: (readonly Buffer[])[] = [];
  const keys = new TicketKeys(timers, (list) => told.push(list));
  const first = keys.current[0]!;
  t.equal(first.length, 80);
  t.equal(keys.current.length, 1);
  timers.advance(12 * HOUR_MS - 1);
  t.equal(told.length, 0);
  timers.advance(1);
  t.equal(told[0], keys.current);
  t.equal(keys.current.length, 2);
  t.notSame(keys.current[0], first, 'the newest is the first');
  timers.advance(24 * HOUR_MS - 1);
  t.ok(keys.current.includes(first));
  t.equal(keys.current.at(-1), first);
  timers.advance(1);
  t.notOk(keys.current.includes(first), 'retired');
  t.equal(keys.current.length, 3);
  t.equal(told.length, 3);
  keys.close();
  timers.advance(100 * HOUR_MS);
  t.equal(told.length, 3);
});
