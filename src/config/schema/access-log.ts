// The schema of access logs. Primary thread; constants only.

import { described, freeText, object, text } from './parts.ts';
import type { Schema } from './parts.ts';

export function accessLogSchema(): Schema {
  const one = 'At most one of format, json.';
  const filter = object('accessLogFilter', {
    status: text('The statuses to log: "404", ">=500", "200-299". Default: all.', 'statusFilter', { examples: ['>=500'] }),
  });
  return object('accessLog', {
    path: text('The file to append to, relative to the configuration file; /dev/stdout and /dev/stderr are the process\'s own.', 'name'),
    format: freeText(`${one} A line with %OPERATORS%. Default: Envoy's default format.`),
    json: { description: `${one} An object of texts with %OPERATORS%, one JSON line per request. Default: text.`, type: 'object' },
    filter: described('Which requests to log. Default: all.', filter, { default: {} }),
  }, ['path']);
}
