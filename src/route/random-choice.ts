// @hot
// The random choices of routing: whether a request falls into a route's fraction, and which of several clusters it goes to.
// One number is drawn per request and kept in it; each choice mixes that number with a salt of its own. So asking again
// gives the same answer, and no choice leans on another. (Envoy uses the number unmixed for all: there, two routes of 50 %
// in a row leave the second one nothing.) Worker thread.

import type { Random } from '../core/random.ts';
import type { RoutedRequest } from './routed-request.ts';
import type { CompiledRoute } from './compiled-route.ts';

const TWO_32 = 4294967296;
const CLUSTER_SALT = 0x5bd1e995;

export function passesFraction(route: CompiledRoute, stream: RoutedRequest, random: Random): boolean {
  return mixed(stream, random, route.id) < route.fraction * TWO_32;
}

/** The place of the chosen cluster in `clusterNames`; -1 when a header names it (`clusterFromHeader`). */
export function chooseCluster(route: CompiledRoute, stream: RoutedRequest, random: Random): number {
  if (route.clusterHeader !== '') return -1;
  const weights = route.clusterWeights;
  if (weights.length === 1) return 0;
  let left = (mixed(stream, random, route.id ^ CLUSTER_SALT) / TWO_32) * route.totalWeight;
  const last = weights.length - 1;
  for (let k = 0; k < last; k++) {
    left -= weights[k]!;
    if (left < 0) return k;
  }
  return lastWithWeight(weights);
}

/** The cluster that the request's own header names: the first value; '' when there is none. */
export function clusterFromHeader(route: CompiledRoute, stream: RoutedRequest): string {
  const at = stream.reqHead.find(route.clusterHeader);
  if (at >= 0) return stream.reqHead.value(at);
  return stream.reqHead.get(route.clusterHeader) ?? '';
}

/** Uniform in [0, 2^32), the same for the same request and salt. */
function mixed(stream: RoutedRequest, random: Random, salt: number): number {
  while (stream.routeDraw === 0) stream.routeDraw = random.int32();
  let x = stream.routeDraw ^ Math.imul(salt + 1, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Sums of floating numbers may leave a hair behind the last weight: it must not fall on a weight of 0. */
function lastWithWeight(weights: readonly number[]): number {
  let k = weights.length - 1;
  while (k > 0 && weights[k] === 0) k--;
  return k;
}
