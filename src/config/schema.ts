// The JSON Schema of the language: the one source of `nuncio schema`, config/nuncio.schema.json and the generated
// validator. Primary thread; constants only. Draft 7, which every editor completes from.

import { DEFAULTS } from './defaults.ts';
import { MAX_WORKERS } from './limits.ts';
import { clusterSchema } from './schema/cluster.ts';
import { ownPlace } from './schema/host-sets.ts';
import { engineChoice, listenerSchema } from './schema/listener.ts';
import { overloadSchema } from './schema/overload.ts';
import { choice, described, either, flag, freeText, integer, list, object, text } from './schema/parts.ts';
import type { Schema } from './schema/parts.ts';
import { routeSchema } from './schema/route.ts';

const defaults = DEFAULTS.top;

const admin = object('admin', {
  address: text('Where the admin pages are served: IP:port, [v6]:port, unix:/path or unix:@name.', 'listenAddress', { default: DEFAULTS.admin.address }),
});

export const CONFIG_SCHEMA: Schema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  ...object('configuration', {
    $schema: freeText('Where editors find this schema. Default: none.'),
    workers: either('How many threads carry requests: "auto" is one for each CPU that the process may use. NUNCIO_WORKERS overrides it.', [
      { const: 'auto' },
      integer('A number of threads.', { minimum: 1, maximum: MAX_WORKERS }),
    ], { default: defaults.workers }),
    pinWorkers: flag('Keep each worker on a CPU of its own (Linux).', { default: defaults.pinWorkers }),
    engine: engineChoice('What carries bytes: auto takes epoll where it loads, else node; uws serves HTTP/1.1 listeners on uWebSockets.js. NUNCIO_ENGINE overrides it, and that of every listener.', { default: defaults.engine }),
    admin: either('The admin pages; false turns them off. NUNCIO_ADMIN overrides the address, or turns them off with "false".', [{ const: false }, admin], { default: DEFAULTS.admin }),
    logLevel: choice('The least important messages to print. NUNCIO_LOG_LEVEL overrides it.', ['trace', 'debug', 'info', 'warn', 'error', 'off'], { default: defaults.logLevel }),
    drainTimeout: text('How long a stopping worker waits for its requests; "0s": not at all.', 'duration', { default: defaults.drainTimeout }),
    watch: flag('Reload when the file, or a link above it, changes.', { default: defaults.watch }),
    ...ownPlace(),
    overload: described('What is done before connections or memory run out.', overloadSchema(), { default: {} }),
    listeners: list('Where requests come in.', described('A listener.', listenerSchema()), { minItems: 1 }),
    clusters: list('Where requests go to.', described('A cluster.', clusterSchema()), { default: defaults.clusters }),
  }, ['listeners']),
  definitions: { route: described('A route.', routeSchema()) },
};

/** What `nuncio schema` prints and config/nuncio.schema.json holds. */
export function schemaText(): string {
  return `${JSON.stringify(CONFIG_SCHEMA, null, 2)}\n`;
}
