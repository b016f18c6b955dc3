// The filters there are, by the key of the configuration that names them. Worker thread; constants only.

import type { FilterConfig } from '../config/snapshot.ts';
import { FilterChain } from './chain.ts';
import type { Filter } from './filter.ts';
import { GrpcWeb } from './grpc-web/grpc-web.ts';

const MAKERS: Readonly<Record<FilterConfig['kind'], () => Filter>> = {
  grpcWeb: () => new GrpcWeb(),
};

/** Makes the chain of a new stream; null where no filters are configured. */
export type ChainMaker = (() => FilterChain) | null;

export function compileFilters(configs: readonly FilterConfig[]): ChainMaker {
  if (configs.length === 0) return null;
  const makers = configs.map(({ kind }) => MAKERS[kind]);
  return () => new FilterChain(makers.map((make) => make()));
}
