// Compiles `hashOn` and `stickySession`. At load, any thread; pure.

import type { ForwardConfig, HashOnConfig, StickySessionConfig } from '../../config/snapshot.ts';
import { HASH_COOKIE, HASH_HEADER, HASH_QUERY, HASH_SOURCE_IP, type HashRule } from '../request-hash.ts';
import { toByteString } from '../rule/byte-string.ts';
import type { StickyRule } from '../sticky-session.ts';
import type { CompiledRoute } from '../compiled-route.ts';

const SOURCES: Readonly<Record<HashOnConfig['source'], number>> = { header: HASH_HEADER, cookie: HASH_COOKIE, sourceIp: HASH_SOURCE_IP, query: HASH_QUERY };

export function compileAffinity(route: CompiledRoute, config: ForwardConfig): void {
  route.hashRules = config.hashOn.map(compileHashOn);
  route.sticky = config.stickySession === null ? null : compileSticky(config.stickySession);
}

function compileHashOn({ source, name, terminal, ttlSeconds, path, attributes }: HashOnConfig): HashRule {
  const cookie = source !== 'cookie' || ttlSeconds === null ? null : { name, ttlSeconds, path: toByteString(path), attributes };
  return { source: SOURCES[source], name: toByteString(name), terminal, cookie };
}

function compileSticky({ carrier, name, ttlSeconds, path, strict }: StickySessionConfig): StickyRule {
  if (carrier === 'header') return { cookie: null, header: name, strict };
  return { cookie: { name, ttlSeconds, path: toByteString(path), attributes: [] }, header: '', strict };
}
