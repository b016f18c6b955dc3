// @hot
// From the matched route to the request that goes upstream: which cluster, and the edits of path, host and fields.
// Worker thread; works on the Journey only.

import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import { REWRITE_NONE, type CompiledRoute } from '../route/compiled-route.ts';
import { applyEdits } from '../route/header-edits.ts';
import { chooseCluster, clusterFromHeader } from '../route/random-choice.ts';
import { rewritePath } from '../route/rewrite.ts';
import type { Journey } from './journey.ts';

export function editRequest(journey: Journey, route: CompiledRoute, host: Host): void {
  const { reqHead } = journey;
  if (route.timeoutBlock !== null && !journey.callLimited) reqHead.addBlock(route.timeoutBlock);
  if (route.requestEdits.length > 0) applyEdits(route.requestEdits, journey, reqHead);
  if (route.rewriteKind !== REWRITE_NONE) {
    const rewritten = rewritePath(route, journey);
    if (rewritten !== null) {
      reqHead.set('x-envoy-original-path', journey.path);
      journey.upstreamPath = rewritten;
    }
  }
  if (route.hostRewrite !== '' || route.hostFromUpstream) {
    const own = host.hostname === '' ? host.text : host.hostname;
    journey.upstreamAuthority = route.hostRewrite === '' ? own : route.hostRewrite;
    reqHead.set('x-envoy-original-host', journey.authority);
  }
}

export function clusterOf(journey: Journey, route: CompiledRoute): Cluster | null {
  const place = chooseCluster(route, journey, journey.runtime.tools.random);
  if (place >= 0) return route.clusterRefs[place] as Cluster;
  return journey.runtime.clusters.get(clusterFromHeader(route, journey)) ?? null;
}
