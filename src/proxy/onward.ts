// @hot
// From the matched route to the request that goes upstream: which cluster, and the edits of path, host and fields.
// Worker thread; works on the Journey only.

import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import type { CompiledRoute } from '../route/compiled-route.ts';
import type { Journey } from './journey.ts';

export function editRequest(journey: Journey, route: CompiledRoute, host: Host): void {
  const { reqHead } = journey;
  if (route.timeoutMs > 0) reqHead.add('x-envoy-expected-rq-timeout-ms', route.timeoutText);
  if (route.rewritesPath) {
    const rewritten = route.rewritePath(journey);
    if (rewritten !== null) {
      reqHead.set('x-envoy-original-path', journey.path);
      journey.upstreamPath = rewritten;
    }
  }
  if (route.hostRewrite !== '') journey.upstreamAuthority = route.hostRewrite;
  else if (route.hostFromUpstream) journey.upstreamAuthority = host.text;
  if (route.requestEdits !== null) route.requestEdits.apply(reqHead, journey);
}

export function chooseCluster(journey: Journey, route: CompiledRoute): Cluster | null {
  if (route.clusterHeader !== '') {
    const name = journey.reqHead.get(route.clusterHeader);
    return name === undefined ? null : (journey.runtime.clusters.get(name) ?? null);
  }
  return route.clusterRefs[route.chooseCluster(journey.runtime.tools.random)] as Cluster;
}
