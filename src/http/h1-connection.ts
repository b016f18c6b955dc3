// @hot
// The Connection field (RFC 9110 section 7.6.1): its options, and the fields it names, which go no further than this hop.
// Worker thread; runs once a head is complete, so that a name counts before and after the field that nominates it.
//
// A caller must not be able to strip what others rely on ("abusing hop-by-hop headers"): a nomination of any field that
// Nuncio itself acts on (core/fields.ts) or of one in KEPT below is ignored. Fields that Nuncio adds are out of reach anyway.

import type { Head } from '../core/head.ts';
import { SPAN } from '../core/head.ts';
import { FIELD_CONNECTION, FIELD_KEEP_ALIVE, FIELD_OTHER, FIELD_UPGRADE } from '../core/fields.ts';
import { equalsText, HTAB, skipToken, SP } from './byte-class.ts';
import { viewOf } from './byte-view.ts';
import { ERR_CONNECTION } from './h1-errors.ts';
import { lookupField } from './field-lookup.ts';

/** Options in all Connection fields together, Envoy's bound: each nomination costs a walk over the fields. */
const MAX_OPTIONS = 9;
const COMMA = 44;
const CLOSE = Buffer.from('close', 'latin1');

/** End-to-end fields that carry identity, representation or the trace, and have no id of their own. */
const KEPT: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'set-cookie',
  'forwarded',
  'via',
  'x-real-ip',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'content-encoding',
  'content-range',
  'cache-control',
  'traceparent',
  'tracestate',
]);

/** Sets the flags and drops the nominated fields. Returns 0, or ERR_CONNECTION. */
export function applyConnection(head: Head, buf: Buffer): number {
  let options = 0;
  for (let i = head.first[FIELD_CONNECTION]!; i < head.count; i++) {
    if (head.ids[i]! !== FIELD_CONNECTION) continue;
    let p = head.base + head.spans[i * SPAN + 2]!;
    const end = head.base + head.spans[i * SPAN + 3]!;
    while (p < end) {
      const start = p;
      p = skipToken(buf, p, end);
      if (p > start) {
        if (++options > MAX_OPTIONS) return ERR_CONNECTION;
        applyOption(head, buf, start, p);
      }
      p = skipSpace(buf, p, end);
      if (p < end && buf[p]! !== COMMA) return ERR_CONNECTION;
      p = skipSpace(buf, p + 1, end);
    }
  }
  return 0;
}

function applyOption(head: Head, buf: Buffer, start: number, end: number): void {
  const id = lookupField(buf, viewOf(buf), start, end);
  if (id === FIELD_KEEP_ALIVE) {
    head.connectionKeepAlive = true;
  } else if (id === FIELD_UPGRADE) {
    head.connectionUpgrade = true;
  } else if (equalsText(buf, start, end, CLOSE)) {
    head.connectionClose = true;
  } else if (id === FIELD_OTHER) {
    const option = buf.latin1Slice(start, end).toLowerCase();
    if (KEPT.has(option)) return;
    for (let k = head.find(option); k >= 0; k = head.find(option, k + 1)) head.dropped[k] = 1;
  }
}

function skipSpace(buf: Buffer, p: number, end: number): number {
  while (p < end && (buf[p]! === SP || buf[p]! === HTAB)) p++;
  return p;
}
