// @hot
// What a complete request head, HTTP/1.1 or HTTP/2, must still pass before it may go on its way, and what routing sees of it:
// method, path, authority, scheme. Worker thread; pure but for the Stream it fills.

import { FIELD_HOST, FIELD_TE, FIELD_UPGRADE } from '../core/fields.ts';
import { SPAN, type Head } from '../core/head.ts';
import { UPGRADE_CONNECT, type Stream } from '../core/stream.ts';
import { describeError, ERR_HOST_MISSING, ERR_HTTP10_REFUSED, ERR_HTTPS_IN_PLAINTEXT } from '../http/h1-errors.ts';
import { H2_DROPPED_HEADERS_WITH_UNDERSCORES, H2_REQUESTS_REJECTED_WITH_UNDERSCORES } from '../http/h2-limits.ts';
import { targetAuthority, targetPath, targetScheme } from '../http/h1-target.ts';
import { methodOf } from '../http/method.ts';
import { cleanPath, needsRedirect } from '../http/path.ts';
import { wantedUpgrade } from '../http/upgrade.ts';
import * as S from '../observe/stat-names.ts';
import type { HttpDoor } from './http-door.ts';

const UNDERSCORE = 95;

/** Why a request is turned away, or sent elsewhere (`location`). */
export interface Refusal {
  readonly status: number;
  readonly details: string;
  /** '' but for a redirect to the cleaned path. */
  readonly location: string;
}

const HTTP10 = refusal(ERR_HTTP10_REFUSED);
const HTTPS = refusal(ERR_HTTPS_IN_PLAINTEXT);
const NO_HOST = refusal(ERR_HOST_MISSING);
const BAD_PATH: Refusal = { status: 400, details: 'path_normalization_failed', location: '' };
const UNDERSCORES: Refusal = { status: 400, details: 'http1.unexpected_underscore', location: '' };
const UNDERSCORES_IN_H2: Refusal = { status: 400, details: 'http2.unexpected_underscore', location: '' };

/** Fills method, path, authority of the stream. Returns null when it may pass. */
export function admitRequest(stream: Stream, listener: HttpDoor): Refusal | null {
  const head = stream.reqHead;
  const { config, tools, plan } = listener;
  stream.method = methodOf(head.buf, head.base + head.methodStart, head.base + head.methodEnd);
  stream.path = targetPath(head);
  stream.authority = targetAuthority(head);
  if (head.minor === 0 && !config.acceptHttp10) return HTTP10;
  if (head.authorityStart === 0 && head.first[FIELD_HOST]! < 0) return NO_HOST;
  if (head.authorityStart > head.targetStart) {
    tools.cells[plan.http + S.DOWN_RQ_NON_RELATIVE_PATH]!++;
    if (targetScheme(head) === 'https') return HTTPS;
  }
  if (config.headersWithUnderscores !== 'allow') {
    const http2 = stream.down!.protocol === 'HTTP/2';
    if (checkUnderscores(head, listener, http2)) return http2 ? UNDERSCORES_IN_H2 : UNDERSCORES;
  }
  if (head.first[FIELD_TE]! >= 0) passTrailersOn(head);
  if (head.first[FIELD_UPGRADE]! >= 0) stream.upgrade = wantedUpgrade(head);
  if (stream.method !== 'CONNECT') return admitPath(stream, listener);
  stream.upgrade = UPGRADE_CONNECT;
  return null;
}

function admitPath(stream: Stream, listener: HttpDoor): Refusal | null {
  const { config, tools, plan } = listener;
  const path = stream.path;
  const clean = cleanPath(path, config);
  if (clean === path) return null;
  if (clean === '') {
    tools.cells[plan.http + S.DOWN_RQ_FAILED_PATH_NORMALIZATION]!++;
    return BAD_PATH;
  }
  if (needsRedirect(path, config)) {
    tools.cells[plan.http + S.DOWN_RQ_REDIRECTED_WITH_NORMALIZED_PATH]!++;
    return { status: 307, details: 'path_normalization_redirect', location: clean };
  }
  stream.path = clean;
  stream.upstreamPath = clean;
  return null;
}

/** The codings of TE are this hop's affair, the willingness to take trailers goes on (RFC 9110 section 10.1.4). */
function passTrailersOn(head: Head): void {
  const at = head.first[FIELD_TE]!;
  if (head.dropped[at] === 0) return;
  const items = head.value(at).toLowerCase().split(',');
  for (let i = 0; i < items.length; i++) {
    if (items[i]!.trim() !== 'trailers') continue;
    head.add('te', 'trailers');
    return;
  }
}

/** True when the request must be refused; with `drop` the fields are taken off instead. */
function checkUnderscores(head: Head, listener: HttpDoor, http2: boolean): boolean {
  const { config, tools, plan } = listener;
  const rejected = http2 ? S.HTTP2_AT + H2_REQUESTS_REJECTED_WITH_UNDERSCORES : S.HTTP1_REQUESTS_REJECTED_WITH_UNDERSCORES_IN_HEADERS;
  const droppedFields = http2 ? S.HTTP2_AT + H2_DROPPED_HEADERS_WITH_UNDERSCORES : S.HTTP1_DROPPED_HEADERS_WITH_UNDERSCORES;
  for (let i = 0; i < head.count; i++) {
    if (!hasUnderscore(head, i)) continue;
    if (config.headersWithUnderscores === 'reject') {
      tools.cells[plan.http + rejected]!++;
      return true;
    }
    head.dropped[i] = 1;
    tools.cells[plan.http + droppedFields]!++;
  }
  return false;
}

function hasUnderscore(head: Head, i: number): boolean {
  const end = head.base + head.spans[i * SPAN + 1]!;
  for (let p = head.base + head.spans[i * SPAN]!; p < end; p++) if (head.buf[p]! === UNDERSCORE) return true;
  return false;
}

function refusal(code: number): Refusal {
  const error = describeError(code);
  return { status: error.status, details: error.details, location: '' };
}
