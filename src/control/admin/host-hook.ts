// A page for tests only, there when NUNCIO_TEST_HOOKS=1: says of a host what checks or its answers would say of it.
// Primary thread.

import type { HostTable } from '../../shared/host-table.ts';
import type { Page } from './page.ts';
import { text } from './page.ts';
import type { AdminView } from './view.ts';

/** All flags that a host can have. */
const ALL = -1;

export function hostHookPages(view: AdminView, table: HostTable): Page[] {
  return [
    {
      path: '/hooks/host',
      mutates: true,
      help: 'for tests: set the flags of a host',
      params: [
        ['cluster', 'its cluster'],
        ['endpoint', 'its address, as the configuration has it'],
        ['flags', 'their sum (HOST_… in shared/host-table.ts); others are cleared'],
      ],
      answer: (query) => {
        const name = query.get('cluster') ?? '';
        const { snapshot, plan } = view.published!;
        const place = snapshot.clusters.find((cluster) => cluster.name === name)?.endpoints.findIndex((endpoint) => endpoint.text === query.get('endpoint')) ?? -1;
        const cluster = plan.clusters[name];
        const host = cluster?.hosts[place];
        const flags = Number(query.get('flags') ?? NaN);
        if (cluster === undefined || host === undefined || !Number.isInteger(flags)) return text('usage: /hooks/host?cluster=NAME&endpoint=ADDRESS&flags=NUMBER\n', 400);
        table.raise(cluster.row, host.row, flags);
        table.lower(cluster.row, host.row, ALL ^ flags);
        return text('OK\n');
      },
    },
  ];
}
