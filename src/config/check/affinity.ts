// Checks of what a request is sent to its host by: one source each, cookies that browsers understand. Primary thread; pure.

import type { Problem } from '../errors.ts';
import type { Place } from '../place.ts';
import { HASH_SOURCES, STICKY_CARRIERS } from '../schema/affinity.ts';
import { explainDuration, parseDuration } from '../units.ts';
import type { CheckScope } from './check.ts';
import { exactlyOne } from './choices.ts';

const COOKIE_KEYS = ['ttl', 'path', 'attributes'];

export function checkAffinity(forward: Place, { problems, hashingClusters }: CheckScope): void {
  const names = [forward.at('cluster'), ...forward.at('clusters').items().map((item) => item.at('name'))].map((name) => name.text()).filter((name) => name !== null);
  if (forward.at('hashOn').items().length > 0 && names.length > 0 && !names.some((name) => hashingClusters.has(name))) {
    problems.push({ code: 'conflict', pointer: forward.at('hashOn').pointer, atKey: true, message: 'no cluster of this route looks at hashes: one needs the policy ringHash or maglev' });
  }
  for (const entry of forward.at('hashOn').items()) {
    if (!entry.isObject()) continue;
    exactlyOne(entry, 'hashOn', HASH_SOURCES, problems);
    checkCookie(entry, problems);
    if (entry.at('sourceIp').value === false) problems.push({ code: 'conflict', pointer: entry.at('sourceIp').pointer, message: 'hashes nothing: leave the entry away' });
    if (!entry.has('ttl')) refuseWithoutTtl(entry, problems);
  }
  const sticky = forward.at('stickySession');
  if (!sticky.isObject()) return;
  exactlyOne(sticky, 'stickySession', STICKY_CARRIERS, problems);
  checkCookie(sticky, problems);
}

function checkCookie(entry: Place, problems: Problem[]): void {
  const ttl = entry.at('ttl').text();
  if (!entry.has('cookie')) {
    for (const key of COOKIE_KEYS) if (entry.has(key)) problems.push({ code: 'conflict', pointer: entry.at(key).pointer, atKey: true, message: 'belongs to "cookie"' });
    return;
  }
  if (ttl !== null && explainDuration(ttl) === null && parseDuration(ttl) % 1000 !== 0) {
    problems.push({ code: 'out-of-range', pointer: entry.at('ttl').pointer, message: 'is finer than a second, as cookies count' });
  }
  for (const place of [entry.at('path'), ...entry.at('attributes').entries().map(([, value]) => value)]) {
    if (place.text()?.includes(';') === true) problems.push({ code: 'bad-header-value', pointer: place.pointer, message: 'must not hold a semicolon: it ends an attribute of a cookie' });
  }
}

function refuseWithoutTtl(entry: Place, problems: Problem[]): void {
  for (const key of ['path', 'attributes']) {
    if (!entry.has('cookie') || !entry.has(key)) continue;
    problems.push({ code: 'conflict', pointer: entry.at(key).pointer, atKey: true, message: 'is for the cookie that clients get, and without "ttl" they get none' });
  }
}
