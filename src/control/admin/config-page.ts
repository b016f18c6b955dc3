// /config_dump: the configuration that the workers carry, in the sections that Envoy has: as the user wrote it (bootstrap),
// and checked, with every default filled in. Private keys and ticket keys are left out. Primary thread; read only.

import type { Answer, CompileMatcher, Page, TextMatcher } from './page.ts';
import { json, text } from './page.ts';
import type { AdminView, Published } from './view.ts';

/** Our own types, so they do not claim to be Envoy's. */
const TYPE = 'type.nuncio/admin.v1.';

export function configPages(view: AdminView, compile: CompileMatcher): Page[] {
  return [
    {
      path: '/config_dump',
      mutates: false,
      help: 'dump current configuration',
      params: [
        ['resource', 'The resource to dump; One of (bootstrap, static_clusters, static_listeners, static_route_configs)'],
        ['name_regex', 'Dump only configurations whose names match this regular expression (Google re2)'],
      ],
      answer: (query) => configDump(view, compile, query),
    },
  ];
}

function configDump(view: AdminView, compile: CompileMatcher, query: URLSearchParams): Answer {
  let matches: TextMatcher = () => true;
  try {
    if (query.get('name_regex')) matches = compile(query.get('name_regex')!);
  } catch (error) {
    return text(`Error while parsing name_regex from ${query.get('name_regex')}: ${error instanceof Error ? error.message : ''}\n`, 400);
  }
  if (view.published === null) return json({ configs: [] });
  const { bootstrap, clusters, listeners, routes } = withoutSecrets(sections(view.published, matches));
  const resource = query.get('resource');
  if (!resource) {
    return json({
      configs: [
        { '@type': `${TYPE}BootstrapConfigDump`, ...bootstrap },
        { '@type': `${TYPE}ClustersConfigDump`, ...clusters },
        { '@type': `${TYPE}ListenersConfigDump`, ...listeners },
        { '@type': `${TYPE}RoutesConfigDump`, ...routes },
      ],
    });
  }
  const all: Record<string, unknown> = { ...clusters, ...listeners, ...routes, bootstrap: [bootstrap] };
  const found = Object.hasOwn(all, resource) ? all[resource] : undefined;
  if (!Array.isArray(found)) return text(`${resource} not found in config dump`, 404);
  return json({ configs: found });
}

/** In a snapshot, what begins with `secret` is one. */
function withoutSecrets<T>(value: T): T {
  return JSON.parse(JSON.stringify(value, (key, item: unknown) => (/^secret[A-Z]/.test(key) ? '[redacted]' : item))) as T;
}

function sections(published: Published, matches: TextMatcher): Record<'bootstrap' | 'clusters' | 'listeners' | 'routes', object> {
  const { snapshot, document } = published;
  const last_updated = new Date(published.publishedAt).toISOString();
  const listeners = snapshot.listeners.filter((listener) => matches(listener.name));
  return {
    bootstrap: { bootstrap: document, version_info: snapshot.version, last_updated },
    clusters: {
      version_info: snapshot.version,
      static_clusters: snapshot.clusters.filter((cluster) => matches(cluster.name)).map((cluster) => ({ cluster, last_updated })),
    },
    listeners: { version_info: snapshot.version, static_listeners: listeners.map((listener) => ({ listener, last_updated })) },
    routes: {
      static_route_configs: listeners.flatMap(({ name, http }) => (http === null ? [] : [{ route_config: { name, virtual_hosts: http.virtualHosts }, last_updated }])),
    },
  };
}
