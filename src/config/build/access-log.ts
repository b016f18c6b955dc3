// An access log → snapshot form. Primary thread; pure.

import { dirname, isAbsolute, join } from 'node:path';

import type { AccessLogDocument } from '../document.ts';
import { ENVOY_DEFAULT_LOG } from '../snapshot.ts';
import type { AccessLogConfig } from '../snapshot.ts';
import { parseStatusFilter } from '../units.ts';

/** @param file of the configuration: paths are relative to it. */
export function buildAccessLog(log: AccessLogDocument, file: string): AccessLogConfig {
  const format = log.format ?? ENVOY_DEFAULT_LOG;
  const status = log.filter?.status;
  return {
    path: isAbsolute(log.path) ? log.path : join(dirname(file), log.path),
    format: log.json ? null : format.endsWith('\n') ? format : `${format}\n`,
    json: log.json ?? null,
    filter: status === undefined ? null : { status: parseStatusFilter(status) },
  };
}
