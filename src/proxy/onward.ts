// @hot
// From the matched route to the request that goes upstream: which cluster, and the edits of path, host and fields.
// Worker thread; works on the Journey only.

import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import { REWRITE_NONE, type CompiledRoute } from '../route/compiled-route.ts';
import { applyEdits } from '../route/header-edits.ts';
import { chooseCluster, clusterFromHeader } from '../route/random-choice.ts';
import { rewritePath } from '../route/rewrite.ts';
import type { Attempts } from './attempts.ts';
import type { Journey } from './journey.ts';
import type { RetryState } from './retry-state.ts';

const EXPECTED_TIMEOUT = 'x-envoy-expected-rq-timeout-ms';

/** Once for each request, whatever the number of its attempts. */
export function editRequest(journey: Journey, route: CompiledRoute, host: Host): void {
  const { reqHead, retry } = journey;
  if (retry !== null) addExpectedTimeout(journey, retry);
  else if (route.timeoutBlock !== null && !journey.callLimited) reqHead.addBlock(route.timeoutBlock);
  if (route.requestEdits.length > 0) applyEdits(route.requestEdits, journey, reqHead);
  if (route.rewriteKind !== REWRITE_NONE) {
    const rewritten = rewritePath(route, journey);
    if (rewritten !== null) {
      reqHead.set('x-envoy-original-path', journey.path);
      journey.upstreamPath = rewritten;
    }
  }
  if (route.hostRewrite !== '' || route.hostFromUpstream) {
    journey.upstreamAuthority = route.hostRewrite === '' ? host.authority : route.hostRewrite;
    reqHead.set('x-envoy-original-host', journey.authority);
  }
}

/** What another attempt says otherwise than the one before. */
export function editAttempt(journey: Attempts, host: Host, retry: RetryState): void {
  const { reqHead, route } = journey;
  const { policy } = retry;
  if (policy.countUp) reqHead.set('x-envoy-attempt-count', String(journey.attempts));
  if (policy.tellTimeout) reqHead.set('x-envoy-is-timeout-retry', retry.late ? 'true' : 'false');
  addExpectedTimeout(journey, retry);
  if (route!.hostFromUpstream) journey.upstreamAuthority = host.authority;
}

/** As Envoy: how long the host has, for this attempt or, where tries race, for what is left of the whole. */
function addExpectedTimeout(journey: Attempts, retry: RetryState): void {
  const whole = journey.callLimited ? 0 : journey.timeoutMs;
  let expected = retry.hedge || retry.perTryMs === 0 ? whole : retry.perTryMs;
  if (expected === 0) return;
  if (whole > 0 && journey.requestEndAt > 0) {
    const left = whole - Math.trunc(journey.runtime.tools.clock.now - journey.requestEndAt);
    // 0 would say that there is no limit.
    expected = Math.max(1, Math.min(expected, left));
  }
  journey.reqHead.set(EXPECTED_TIMEOUT, String(expected));
}

export function clusterOf(journey: Journey, route: CompiledRoute): Cluster | null {
  journey.subset = route.subset;
  const place = chooseCluster(route, journey, journey.runtime.tools.random);
  if (place >= 0) return route.clusterRefs[place] as Cluster;
  return journey.runtime.clusters.get(clusterFromHeader(route, journey)) ?? null;
}
