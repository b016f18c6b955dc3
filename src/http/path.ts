// @hot
// Path hygiene before routing: dot segments, escaped slashes, doubled slashes, as Envoy does them. Any thread; pure functions.
// Only the part before `?` is touched. A path that needs nothing comes back as the same string after one look at each character.

/** What a listener asks for (`normalizePath`, `mergeSlashes`, `pathWithEscapedSlashes` of LANGUAGE.md). */
export interface PathRules {
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly pathWithEscapedSlashes: 'keep' | 'reject' | 'unescapeAndRedirect' | 'unescapeAndForward';
}

const QUESTION = 63;
const SLASH = 47;
const BACKSLASH = 92;
const PERCENT = 37;
const DOT = 46;

/**
 * The path to route and forward, or '' when the request is to be refused (400, `path_normalization_failed`).
 * Escaped slashes first, then dot segments, then doubled slashes: Envoy's order. Targets that are no path (`*`) stay as they are.
 */
export function cleanPath(path: string, rules: PathRules): string {
  if (path.charCodeAt(0) !== SLASH || isClean(path)) return path;
  let clean = path;
  if (rules.pathWithEscapedSlashes !== 'keep' && hasEscapedSlash(clean)) {
    if (rules.pathWithEscapedSlashes === 'reject') return '';
    clean = unescapeSlashes(clean);
  }
  if (rules.normalizePath) {
    clean = normalizePath(clean);
    if (clean.length === 0) return '';
  }
  return rules.mergeSlashes ? mergeSlashes(clean) : clean;
}

/** Whether a request for `path` is answered 307 with its clean path instead of being forwarded. */
export function needsRedirect(path: string, rules: PathRules): boolean {
  return rules.pathWithEscapedSlashes === 'unescapeAndRedirect' && hasEscapedSlash(path);
}

/**
 * RFC 3986 section 6.2.2: escapes of unreserved characters are resolved (`%2e` and `%41` too, so that no rule on paths is
 * dodged by spelling), `\` counts as `/`, dot segments are removed. Other escapes keep their spelling.
 * @returns '' when the path holds `%00`
 */
export function normalizePath(path: string): string {
  const end = pathEnd(path);
  const plain = decodeUnreserved(path, end);
  if (plain.length === 0) return '';
  const clean = plain.includes('/.') ? removeDotSegments(plain) : plain;
  return end === path.length ? clean : clean + path.slice(end);
}

/** `//` and longer runs become `/`. */
export function mergeSlashes(path: string): string {
  const end = pathEnd(path);
  let merged = '';
  let from = 0;
  for (let i = 1; i < end; i++) {
    if (path.charCodeAt(i) !== SLASH || path.charCodeAt(i - 1) !== SLASH) continue;
    merged += path.slice(from, i);
    from = i + 1;
  }
  return from === 0 ? path : merged + path.slice(from);
}

/** `%2F` and `%5C` in either case: what Envoy calls escaped slashes. */
export function hasEscapedSlash(path: string): boolean {
  const end = pathEnd(path) - 2;
  for (let i = 0; i < end; i++) {
    if (path.charCodeAt(i) === PERCENT && escapedSlash(path, i) !== 0) return true;
  }
  return false;
}

/** Escaped slashes and backslashes as the characters they stand for. */
export function unescapeSlashes(path: string): string {
  const end = pathEnd(path) - 2;
  let result = '';
  let from = 0;
  for (let i = 0; i < end; i++) {
    const slash = path.charCodeAt(i) === PERCENT ? escapedSlash(path, i) : 0;
    if (slash === 0) continue;
    result += path.slice(from, i) + (slash === SLASH ? '/' : '\\');
    from = i + 3;
    i += 2;
  }
  return result + path.slice(from);
}

/** No rule has anything to do: no escape, no backslash, no `//`, no `/.`. */
function isClean(path: string): boolean {
  let previous = 0;
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code === QUESTION) return true;
    if (code === PERCENT || code === BACKSLASH) return false;
    if (previous === SLASH && (code === SLASH || code === DOT)) return false;
    previous = code;
  }
  return true;
}

function pathEnd(path: string): number {
  const query = path.indexOf('?');
  return query < 0 ? path.length : query;
}

/** SLASH or BACKSLASH when the escape at `i` stands for it, else 0. */
function escapedSlash(path: string, i: number): number {
  const high = path.charCodeAt(i + 1);
  const low = path.charCodeAt(i + 2) | 32;
  if (high === 50 && low === 102) return SLASH;
  return high === 53 && low === 99 ? BACKSLASH : 0;
}

/** `[0, end)` with escapes of unreserved characters resolved and `\` turned to `/`; '' when there is a `%00`. */
function decodeUnreserved(path: string, end: number): string {
  let result = '';
  let from = 0;
  for (let i = 0; i < end; i++) {
    const code = path.charCodeAt(i);
    if (code === BACKSLASH) {
      result += path.slice(from, i) + '/';
      from = i + 1;
    } else if (code === PERCENT && i + 2 < end) {
      const byte = escapedByte(path, i);
      if (byte === 0) return '';
      if (byte < 0 || !isUnreserved(byte)) continue;
      result += path.slice(from, i) + String.fromCharCode(byte);
      from = i + 3;
      i += 2;
    }
  }
  return result + path.slice(from, end);
}

/** The byte of the escape at `i`, or -1 when the two characters are not hexadecimal. */
function escapedByte(path: string, i: number): number {
  const high = hexDigit(path.charCodeAt(i + 1));
  const low = hexDigit(path.charCodeAt(i + 2));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** RFC 3986 section 2.3. */
function isUnreserved(byte: number): boolean {
  const lower = byte | 32;
  if (byte < 128 && lower >= 97 && lower <= 122) return true;
  return (byte >= 48 && byte <= 57) || byte === 45 || byte === DOT || byte === 95 || byte === 126;
}

/** RFC 3986 section 5.2.4; `..` above the root stays at the root. */
function removeDotSegments(path: string): string {
  const segments = path.split('/');
  const kept: string[] = [];
  for (let i = 1; i < segments.length; i++) {
    const segment = segments[i]!;
    if (segment === '..') kept.pop();
    else if (segment !== '.') kept.push(segment);
  }
  const last = segments[segments.length - 1]!;
  const directory = last === '.' || last === '..';
  if (kept.length === 0) return '/';
  return '/' + kept.join('/') + (directory ? '/' : '');
}
