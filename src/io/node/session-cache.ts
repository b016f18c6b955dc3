// Resumption by session id, for clients of TLS 1.2 that take no tickets: the sessions of one listener in one worker.
// Worker thread. Only this file knows `tls-session-cache`, which has no types; without it those clients make a full handshake each time.

import { createRequire } from 'node:module';
import type { Server } from 'node:tls';

type SessionCache = (server: Server, options: { maxCachedSessions: number }) => void;

/** A session is 1 to 2 KB. */
const MOST_SESSIONS = 1000;

let cache: SessionCache | null = null;
let looked = false;

export function cacheSessions(server: Server): void {
  if (!looked) cache = load();
  looked = true;
  cache?.(server, { maxCachedSessions: MOST_SESSIONS });
}

function load(): SessionCache | null {
  try {
    return createRequire(import.meta.url)('tls-session-cache') as SessionCache;
  } catch {
    return null;
  }
}
