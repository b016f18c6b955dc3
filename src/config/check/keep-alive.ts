// PING on HTTP/2 connections, of listeners and clusters alike: without time for the answer every connection would end.
// Primary thread; pure.

import type { Problem } from '../errors.ts';
import type { Place } from '../place.ts';
import { explainDuration, parseDuration } from '../units.ts';

export function checkKeepAlive(http2: Place, problems: Problem[]): void {
  if (!http2.isObject()) return;
  const timeout = http2.at('keepAliveTimeout');
  const text = timeout.text();
  if (text === null || explainDuration(text) !== null || parseDuration(text) > 0) return;
  problems.push({ code: 'out-of-range', pointer: timeout.pointer, message: 'must be longer than 0s: "keepAliveInterval": "0s" turns it off' });
}
