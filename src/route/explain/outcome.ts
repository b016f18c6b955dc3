// What a matched route would do with a request: for people. Any thread; pure; not for the road.

import type { Metadata } from '../../config/cluster-snapshot.ts';
import { describeMetadata, parseSubsetKey } from '../../config/subset-key.ts';
import { ROUTE_FORWARD, ROUTE_REDIRECT } from '../compiled-route.ts';
import type { CompiledRoute } from '../compiled-route.ts';
import { clusterFromHeader } from '../random-choice.ts';
import { redirectLocation, rewritePath } from '../rewrite.ts';
import type { RoutedRequest } from '../routed-request.ts';
import { fromByteString } from '../rule/byte-string.ts';
import { quote } from './verdict.ts';

export type Outcome =
  | {
      readonly kind: 'forward';
      readonly clusters: readonly { readonly name: string; readonly percent: number }[];
      /** The header that names the cluster, or null. */
      readonly clusterHeader: string | null;
      /** Which hosts of the cluster may be chosen; null: the route does not say. */
      readonly subset: Metadata | null;
      readonly path: string;
      /** The Host sent upstream; null: the chosen endpoint's own. */
      readonly host: string | null;
      /** 0: no limit. */
      readonly timeoutMs: number;
    }
  | { readonly kind: 'redirect'; readonly status: number; readonly location: string }
  | { readonly kind: 'respond'; readonly status: number; readonly bodyBytes: number };

export function outcomeOf(route: CompiledRoute, request: RoutedRequest): Outcome {
  if (route.kind === ROUTE_REDIRECT) {
    return { kind: 'redirect', status: route.status, location: fromByteString(redirectLocation(route, request)) };
  }
  if (route.kind !== ROUTE_FORWARD) return { kind: 'respond', status: route.status, bodyBytes: route.respondBody.length };
  const host = route.hostRewrite === '' ? request.authority : route.hostRewrite;
  return {
    kind: 'forward',
    clusters: clustersOf(route, request),
    clusterHeader: route.clusterHeader === '' ? null : route.clusterHeader,
    subset: parseSubsetKey(route.subset),
    path: fromByteString(rewritePath(route, request) ?? request.path),
    host: route.hostFromUpstream ? null : host,
    timeoutMs: route.timeoutMs,
  };
}

function clustersOf(route: CompiledRoute, request: RoutedRequest): { name: string; percent: number }[] {
  if (route.clusterHeader !== '') {
    const name = clusterFromHeader(route, request);
    return name === '' ? [] : [{ name, percent: 100 }];
  }
  return route.clusterNames.map((name, k) => {
    const share = (route.clusterWeights[k]! / route.totalWeight) * 100;
    return { name, percent: Math.round(share * 1000) / 1000 };
  });
}

/** Sentences without a full stop. */
export function describeOutcome(outcome: Outcome, request: RoutedRequest): string[] {
  if (outcome.kind === 'redirect') return [`answers ${outcome.status} with location ${outcome.location}`];
  if (outcome.kind === 'respond') return [`answers ${outcome.status} with a body of ${outcome.bodyBytes} bytes`];
  const lines = [describeClusters(outcome)];
  if (outcome.subset !== null) lines.push(`asks for endpoints with ${describeMetadata(outcome.subset)}`);
  if (outcome.path !== request.path) lines.push(`the path goes up as ${quote(outcome.path)}`);
  if (outcome.host === null) lines.push("the host goes up as the chosen endpoint's name");
  else if (outcome.host !== request.authority) lines.push(`the host goes up as ${quote(outcome.host)}`);
  lines.push(outcome.timeoutMs === 0 ? 'there is no time-out' : `the answer must be complete within ${outcome.timeoutMs} ms`);
  return lines;
}

function describeClusters({ clusters, clusterHeader }: Extract<Outcome, { kind: 'forward' }>): string {
  const names = clusters.map(({ name, percent }) => (percent === 100 ? quote(name) : `${quote(name)} (${percent} %)`)).join(', ');
  if (clusterHeader === null) return `goes to the cluster ${names}`;
  if (clusters.length === 0) return `goes nowhere: the header ${clusterHeader}, which names the cluster, is missing`;
  return `goes to the cluster ${names}, named by the header ${clusterHeader}`;
}
