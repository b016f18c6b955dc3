// The filters there are, by the key of the configuration that names them, and the chains that the routes of a listener
// have. Worker thread; what is made here lives as long as its configuration.

import type { FilterConfig, HttpConfig } from '../config/snapshot.ts';
import { Adaptation, AdaptiveConcurrency } from './adaptive-concurrency/adaptive-concurrency.ts';
import { Admission, AdmissionControl } from './admission-control/admission-control.ts';
import { Bandwidth, BandwidthLimit } from './bandwidth-limit/bandwidth-limit.ts';
import { FilterChain, type ChainOwner } from './chain.ts';
import { ConcurrencyLimit, Places } from './concurrency-limit/concurrency-limit.ts';
import type { Filter, FilterTools, RouteFacts } from './filter.ts';
import { GrpcMethods, GrpcStats } from './grpc-stats/grpc-stats.ts';
import { GrpcWeb } from './grpc-web/grpc-web.ts';
import { LocalRateLimit, TellingRateLimit } from './local-rate-limit/local-rate-limit.ts';

/** Makes the chain of a new stream; null where there are no filters. */
export type ChainMaker = ((owner: ChainOwner, route: RouteFacts | null) => FilterChain) | null;

/** The chains of a listener. */
export interface ListenerChains {
  /** Of requests that no route takes. */
  readonly listener: ChainMaker;
  /** In the order of all routes of all virtual hosts. */
  readonly routes: readonly ChainMaker[];
}

/** A listener's filters, as a worker makes them. The primary rehearses without. */
export type FilterSetup = (tools: FilterTools) => ListenerChains;

type FilterMaker = () => Filter;

export function compileFilters({ filters, virtualHosts }: Pick<HttpConfig, 'filters' | 'virtualHosts'>): FilterSetup {
  return (tools) => {
    // A filter that routes have from above is one for all of them, and so is a list that is not changed.
    const makers = new Map<FilterConfig, FilterMaker>();
    const chains = new Map<readonly FilterConfig[], ChainMaker>();
    const chainOf = (list: readonly FilterConfig[]): ChainMaker => {
      let chain = chains.get(list);
      if (chain === undefined) chains.set(list, (chain = makeChain(list, makers, tools)));
      return chain;
    };
    return { listener: chainOf(filters), routes: virtualHosts.flatMap(({ routes }) => routes.map((route) => chainOf(route.filters ?? filters))) };
  };
}

function makeChain(list: readonly FilterConfig[], known: Map<FilterConfig, FilterMaker>, tools: FilterTools): ChainMaker {
  if (list.length === 0) return null;
  const makers = list.map((config) => {
    let maker = known.get(config);
    if (maker === undefined) known.set(config, (maker = makerOf(config, tools)));
    return maker;
  });
  return (owner, route) => {
    const filters: Filter[] = [];
    for (let i = 0; i < makers.length; i++) filters.push(makers[i]!());
    return new FilterChain(filters, owner, route);
  };
}

function makerOf(config: FilterConfig, tools: FilterTools): FilterMaker {
  switch (config.kind) {
    case 'grpcWeb':
      return () => new GrpcWeb();
    case 'grpcStats': {
      const methods = new GrpcMethods(config.methods, tools);
      return () => new GrpcStats(methods);
    }
    case 'localRateLimit': {
      const limit = new LocalRateLimit(config, tools);
      return config.rateLimitHeaders ? () => new TellingRateLimit(limit) : () => limit;
    }
    case 'concurrencyLimit': {
      const places = new Places(config, tools);
      return () => new ConcurrencyLimit(places);
    }
    case 'adaptiveConcurrency': {
      const adaptation = new Adaptation(config, tools);
      return () => new AdaptiveConcurrency(adaptation);
    }
    case 'admissionControl': {
      const admission = new Admission(config, tools);
      return () => new AdmissionControl(admission);
    }
    case 'bandwidthLimit': {
      const bandwidth = new Bandwidth(config, tools);
      return () => new BandwidthLimit(bandwidth);
    }
  }
}
