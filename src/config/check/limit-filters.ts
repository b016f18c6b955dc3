// Values of limits that cannot be meant. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { Problem } from '../errors.ts';
import { MAX_RATE_BYTES, MAX_TOKENS_PER_MS, MAX_WINDOW_MS, MIN_FILL_MS } from '../limits.ts';
import type { Place } from '../place.ts';
import { DESCRIPTOR_ENTRIES } from '../schema/filters.ts';
import { explainDuration, explainSize, parseDuration, parseSize } from '../units.ts';
import { atMostOne, exactlyOne } from './choices.ts';

/** @param filters an object with the filters' names as keys */
export function checkLimits(filters: Place, problems: Problem[]): void {
  checkLocalRateLimit(filters.at('localRateLimit'), problems);
  checkAdaptiveConcurrency(filters.at('adaptiveConcurrency'), problems);
  checkAdmissionControl(filters.at('admissionControl'), problems);
  checkBandwidthLimit(filters.at('bandwidthLimit'), problems);
}

function checkLocalRateLimit(limit: Place, problems: Problem[]): void {
  if (!limit.isObject()) return;
  const descriptors = limit.at('descriptors');
  if (!limit.has('maxTokens') && descriptors.items().length === 0) {
    problems.push({ code: 'one-of', pointer: limit.pointer, message: 'localRateLimit needs one of maxTokens, descriptors', wanted: ['maxTokens', 'descriptors'] });
  }
  for (const key of ['tokensPerFill', 'fillInterval']) {
    if (limit.has(key) && !limit.has('maxTokens')) problems.push({ code: 'conflict', pointer: limit.at(key).pointer, atKey: true, message: 'says nothing without maxTokens' });
  }
  checkBucket(limit, problems);
  for (const descriptor of descriptors.items()) checkDescriptor(descriptor, problems);
}

function checkBucket(bucket: Place, problems: Problem[]): void {
  const interval = duration(bucket.at('fillInterval')) ?? parseDuration(DEFAULTS.localRateLimit.fillInterval);
  if (interval < MIN_FILL_MS) {
    problems.push({ code: 'out-of-range', pointer: bucket.at('fillInterval').pointer, message: `must be at least ${MIN_FILL_MS}ms` });
    return;
  }
  const fill = bucket.has('tokensPerFill') ? bucket.at('tokensPerFill') : bucket.at('maxTokens');
  if ((fill.number() ?? 0) / interval > MAX_TOKENS_PER_MS) {
    problems.push({ code: 'out-of-range', pointer: fill.pointer, message: `more than ${MAX_TOKENS_PER_MS} tokens a millisecond are no limit` });
  }
}

function checkDescriptor(descriptor: Place, problems: Problem[]): void {
  let open = false;
  checkBucket(descriptor, problems);
  for (const entry of descriptor.at('entries').items()) {
    const kind = exactlyOne(entry, 'an entry', DESCRIPTOR_ENTRIES, problems);
    if (entry.has('value') && kind !== 'header') {
      problems.push({ code: 'conflict', pointer: entry.at('value').pointer, atKey: true, message: 'is the value of a header: it goes with header only' });
    }
    open ||= (kind === 'header' && !entry.has('value')) || entry.at('remoteAddress').value === true;
  }
  const values = descriptor.at('maxValues');
  if (values.exists && !open) {
    problems.push({ code: 'conflict', pointer: values.pointer, atKey: true, message: 'says nothing here: no entry leaves its value open' });
  }
  if ((values.number() ?? 0) % 8 !== 0) problems.push({ code: 'out-of-range', pointer: values.pointer, message: 'must be a multiple of 8' });
}

function checkAdaptiveConcurrency(limit: Place, problems: Problem[]): void {
  const rtt = limit.at('minRtt');
  atMostOne(rtt, 'minRtt', ['interval', 'fixed'], problems);
  for (const place of [limit.at('concurrencyUpdateInterval'), rtt.at('interval'), rtt.at('fixed')]) {
    if (duration(place) === 0) problems.push({ code: 'out-of-range', pointer: place.pointer, message: 'must be at least 1ms' });
  }
  if (rtt.has('fixed')) {
    for (const key of ['requestCount', 'jitterPercent']) {
      if (rtt.has(key)) problems.push({ code: 'conflict', pointer: rtt.at(key).pointer, atKey: true, message: 'is about measuring, and a fixed minRtt is not measured' });
    }
  }
  const least = rtt.at('minConcurrency').number() ?? DEFAULTS.minRtt.minConcurrency;
  const most = limit.at('maxConcurrencyLimit');
  if (most.number() !== null && most.number()! < least) {
    problems.push({ code: 'out-of-range', pointer: most.pointer, message: `must be at least ${least}, which is minRtt.minConcurrency` });
  }
}

function checkAdmissionControl(limit: Place, problems: Problem[]): void {
  const window = limit.at('window');
  const ms = duration(window);
  if (ms !== null && (ms < 1000 || ms > MAX_WINDOW_MS || ms % 1000 !== 0)) {
    problems.push({ code: 'out-of-range', pointer: window.pointer, message: 'must be whole seconds, from 1s to 5m' });
  }
  const rate = limit.at('successRatePercent');
  if (rate.number() === 0) problems.push({ code: 'out-of-range', pointer: rate.pointer, message: 'must be above 0: at 0 nothing is ever refused' });
}

function checkBandwidthLimit(limit: Place, problems: Problem[]): void {
  if (!limit.isObject()) return;
  const rates = ['requestRate', 'responseRate'];
  if (!rates.some((key) => limit.has(key))) problems.push({ code: 'one-of', pointer: limit.pointer, message: `bandwidthLimit needs one of ${rates.join(', ')}`, wanted: rates });
  for (const rate of rates.map((key) => limit.at(key))) {
    const { value } = rate;
    if (typeof value !== 'number' && (typeof value !== 'string' || explainSize(value) !== null)) continue;
    const bytes = parseSize(value);
    if (bytes < 1 || bytes > MAX_RATE_BYTES) problems.push({ code: 'out-of-range', pointer: rate.pointer, message: `must be from 1 to ${MAX_RATE_BYTES} bytes a second: leave the key out for no limit` });
  }
  const interval = duration(limit.at('fillInterval'));
  if (interval !== null && (interval < 20 || interval > 1000)) problems.push({ code: 'out-of-range', pointer: limit.at('fillInterval').pointer, message: 'must be from 20ms to 1s' });
}

/** null: it is not there, or no duration. */
function duration(place: Place): number | null {
  const text = place.text();
  return text === null || explainDuration(text) !== null ? null : parseDuration(text);
}
