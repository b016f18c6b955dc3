// Checks of retry policies: conditions that can be met, time-outs that fit into the route's, tries that can race.
// Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { Problem } from '../errors.ts';
import type { Place } from '../place.ts';
import { explainDuration, parseDuration } from '../units.ts';

/** `inherited`: the policy of the virtual host; a place that does not exist where there is none. */
export function checkForwardRetry(forward: Place, inherited: Place, problems: Problem[]): void {
  const own = forward.at('retry');
  checkPolicy(own, problems);
  const policy = own.exists ? own : inherited;
  checkPerTry(forward, policy, problems);
  checkHedge(forward, policy, problems);
}

export function checkPolicy(retry: Place, problems: Problem[]): void {
  const seen = new Set<string>();
  for (const condition of retry.at('on').items()) {
    const name = condition.text();
    if (name === null) continue;
    if (name === 'http3-post-connect-failure') {
      problems.push({ code: 'wrong-value', pointer: condition.pointer, message: 'can never be met: endpoints are not spoken to in HTTP/3' });
    } else if (seen.has(name)) {
      problems.push({ code: 'conflict', pointer: condition.pointer, message: `${JSON.stringify(name)} is given twice` });
    }
    seen.add(name);
  }
  checkBackOff(retry.at('backOff'), problems);
  const after = retry.at('respectRetryAfter');
  if (after.isObject() && after.at('headers').entries().length === 0) {
    problems.push({ code: 'out-of-range', pointer: after.at('headers').pointer, message: 'names no header: use true or false' });
  }
  if (duration(after.at('max')) === 0) problems.push({ code: 'out-of-range', pointer: after.at('max').pointer, message: 'no answer could be heeded: must be above "0s"' });
  if (retry.has('hostSelectionAttempts') && retry.at('previousHosts').value !== true) {
    problems.push({ code: 'conflict', pointer: retry.at('hostSelectionAttempts').pointer, atKey: true, message: 'has no effect without "previousHosts": true' });
  }
}

function checkBackOff(backOff: Place, problems: Problem[]): void {
  const base = duration(backOff.at('base'));
  const max = duration(backOff.at('max'));
  if (base === 0) problems.push({ code: 'out-of-range', pointer: backOff.at('base').pointer, message: 'must be at least "1ms"' });
  const least = base ?? parseDuration(DEFAULTS.backOff.base);
  if (max !== null && max < least) problems.push({ code: 'out-of-range', pointer: backOff.at('max').pointer, message: `must not be below "base", which is ${least} ms` });
}

/** A try that may take as long as all of them together never times out. */
function checkPerTry(forward: Place, policy: Place, problems: Problem[]): void {
  const perTry = duration(policy.at('perTryTimeout'));
  const whole = forward.has('timeout') ? duration(forward.at('timeout')) : parseDuration(DEFAULTS.forward.timeout);
  if (perTry === null || whole === null || perTry === 0 || whole === 0 || perTry < whole) return;
  const route = forward.at('retry').exists ? '' : ` (of ${forward.pointer})`;
  problems.push({ code: 'out-of-range', pointer: policy.at('perTryTimeout').pointer, message: `must be below the route's timeout${route}, which is ${whole} ms and covers all tries` });
}

function checkHedge(forward: Place, policy: Place, problems: Problem[]): void {
  const hedge = forward.at('hedge').at('onPerTryTimeout');
  if (hedge.value !== true) return;
  const asks = ['on', 'retriableStatusCodes'].some((key) => policy.at(key).items().length > 0) || policy.at('retriableHeaders').entries().length > 0;
  if (!asks || !((duration(policy.at('perTryTimeout')) ?? 0) > 0)) {
    problems.push({ code: 'conflict', pointer: hedge.pointer, message: 'needs a retry policy with "on" and "perTryTimeout": that is when the next try begins' });
  }
}

/** null: absent, or refused by the schema. */
function duration(place: Place): number | null {
  const text = place.text();
  return text === null || explainDuration(text) !== null ? null : parseDuration(text);
}
