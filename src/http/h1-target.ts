// @hot
// The pieces of a parsed request target as strings: scheme, authority, and the path that routing sees. Worker thread; pure.
// RFC 9112 section 3.2; the target's authority wins over Host (section 3.2.2).

import { SPAN, type Head } from '../core/head.ts';
import { FIELD_HOST } from '../core/fields.ts';
import { textOf } from './text-cache.ts';

/** `http` or `https` when the target is absolute, else ''. */
export function targetScheme(head: Head): '' | 'http' | 'https' {
  if (head.authorityStart <= head.targetStart) return '';
  // The parser let only these two pass: they differ in length.
  return head.authorityStart - head.targetStart === 'https://'.length ? 'https' : 'http';
}

/** The host the request is for: of the target where it names one, else of Host; '' when there is none (HTTP/1.0). */
export function targetAuthority(head: Head): string {
  if (head.authorityEnd > 0) return head.buf.latin1Slice(head.base + head.authorityStart, head.base + head.authorityEnd);
  const host = head.first[FIELD_HOST]!;
  if (host < 0) return '';
  return textOf(head.buf, head.base + head.spans[host * SPAN + 2]!, head.base + head.spans[host * SPAN + 3]!);
}

/** Path with query; `*` as it is; '' for CONNECT. An absolute target without a path has `/`, for OPTIONS `*` (section 3.2.4). */
export function targetPath(head: Head): string {
  const { buf, base, authorityEnd, targetStart, targetEnd } = head;
  if (authorityEnd === 0) return textOf(buf, base + targetStart, base + targetEnd);
  if (head.authorityStart === targetStart) return '';
  if (authorityEnd === targetEnd) return isOptions(head) ? '*' : '/';
  const path = buf.latin1Slice(base + authorityEnd, base + targetEnd);
  return path.charCodeAt(0) === 47 ? path : '/' + path;
}

/** Whether the method is OPTIONS. */
function isOptions(head: Head): boolean {
  return head.buf.latin1Slice(head.base + head.methodStart, head.base + head.methodEnd) === 'OPTIONS';
}
