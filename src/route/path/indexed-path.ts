// Which text of a route goes into the path index: the whole path, its prefix, or what a pattern surely begins with.
// At load on any thread; pure.

import type { CompiledRoute } from '../compiled-route.ts';
import { PATH_CONNECT, PATH_EXACT, PATH_PREFIX, PATH_REGEX, PATH_SEPARATED, PATH_TEMPLATE } from '../compiled-route.ts';
import { literalPrefix } from '../rule/regex-syntax.ts';
import type { PathIndexBuilder } from './path-index-builder.ts';

export function indexRoute(route: CompiledRoute, builder: PathIndexBuilder): void {
  switch (route.pathKind) {
    case PATH_EXACT:
      return builder.addExact(route.pathText, route);
    case PATH_PREFIX:
    case PATH_SEPARATED:
      return builder.addPrefix(route.pathText, route);
    case PATH_REGEX:
      return builder.addPrefix(literalPrefix(route.regex?.pattern ?? ''), route);
    case PATH_TEMPLATE:
      return builder.addPrefix(route.template?.prefix ?? '', route);
    case PATH_CONNECT:
      return; // a request with a path is none of its
    default:
      return builder.addPrefix('', route);
  }
}
