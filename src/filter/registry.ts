// The filters there are, by the key of the configuration that names them. Worker thread; constants only.

import type { FilterConfig } from '../config/snapshot.ts';
import { FilterChain } from './chain.ts';
import type { Filter, FilterTools } from './filter.ts';
import { GrpcMethods, GrpcStats } from './grpc-stats/grpc-stats.ts';
import { GrpcWeb } from './grpc-web/grpc-web.ts';

/** Makes the chain of a new stream; null where no filters are configured. */
export type ChainMaker = (() => FilterChain) | null;

/** A listener's filters, as a worker makes them. The primary rehearses without. */
export type FilterSetup = (tools: FilterTools) => ChainMaker;

export function compileFilters(configs: readonly FilterConfig[]): FilterSetup {
  return (tools) => {
    if (configs.length === 0) return null;
    const makers = configs.map((config) => makerOf(config, tools));
    return () => new FilterChain(makers.map((make) => make()));
  };
}

function makerOf(config: FilterConfig, tools: FilterTools): () => Filter {
  if (config.kind === 'grpcWeb') return () => new GrpcWeb();
  const methods = new GrpcMethods(config.methods, tools);
  return () => new GrpcStats(methods);
}
