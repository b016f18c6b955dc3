// What a request is sent to its host by → snapshot form. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { HashOnDocument, StickySessionDocument } from '../document.ts';
import type { HashOnConfig, StickySessionConfig } from '../snapshot.ts';
import { parseDuration } from '../units.ts';

export function buildHashOn(entries: readonly HashOnDocument[] = DEFAULTS.forward.hashOn): readonly HashOnConfig[] {
  return entries.map((entry) => ({
    ...sourceOf(entry),
    terminal: entry.terminal ?? DEFAULTS.hashOn.terminal,
    ttlSeconds: entry.ttl === undefined ? null : parseDuration(entry.ttl) / 1000,
    path: entry.path ?? '',
    attributes: Object.entries(entry.attributes ?? {}),
  }));
}

function sourceOf({ header, cookie, query }: HashOnDocument): Pick<HashOnConfig, 'source' | 'name'> {
  if (header !== undefined) return { source: 'header', name: header.toLowerCase() };
  if (cookie !== undefined) return { source: 'cookie', name: cookie };
  return query === undefined ? { source: 'sourceIp', name: '' } : { source: 'query', name: query };
}

export function buildStickySession(document: StickySessionDocument | undefined): StickySessionConfig | null {
  if (document === undefined) return null;
  const defaults = DEFAULTS.stickySession;
  return {
    carrier: document.cookie === undefined ? 'header' : 'cookie',
    name: document.cookie ?? (document.header ?? '').toLowerCase(),
    ttlSeconds: parseDuration(document.ttl ?? defaults.ttl) / 1000,
    path: document.path ?? '',
    strict: document.strict ?? defaults.strict,
  };
}
