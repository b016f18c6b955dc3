// The forms that text values of the language can have. Each says what it expects and what is wrong with a text; the
// schema names them with `format`, the generated validator calls them. Primary thread; pure.

import { RE2JS } from 're2js';

import { explainEndpointAddress, explainListenAddress, explainResolverAddress } from '../address.ts';
import type { ErrorCode } from '../error-codes.ts';
import { parseCidr, parseIp } from '../ip.ts';
import { explainTemplate } from '../template.ts';
import { explainDuration, explainSize, explainStatusFilter } from '../units.ts';

export interface Form {
  /** Completes "must be …". */
  readonly expects: string;
  readonly code: ErrorCode;
  /** What is wrong with the text, as the rest of a sentence that begins with it; null if nothing is. */
  readonly explain: (text: string) => string | null;
}

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
 
const CONTROL = /[\0-\x1F\x7F]/;
const BLANK = /[\0-\x20\x7F]/;
const UNSENDABLE = 'must not hold blanks, control characters or letters beyond ASCII: percent-encode them';
const HOST_LABELS = /^(?!-)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?$/;
/** What `route` can match like headers. */
const PSEUDO_HEADERS = [':method', ':path', ':authority', ':scheme'];
const STANDARD_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];
/** Nuncio writes these itself: framing, the connection's own affairs (RFC 9110 section 7.6.1), and the authority. */
const MANAGED_HEADERS = new Set([
  'connection', 'content-length', 'expect', 'host', 'http2-settings', 'keep-alive', 'proxy-connection', 'te', 'trailer',
  'transfer-encoding', 'upgrade',
]);

export const FORMS = {
  duration: { expects: 'a duration such as "15s"', code: 'bad-duration', explain: explainDuration },
  size: { expects: 'a number of bytes or a size such as "64KiB"', code: 'bad-size', explain: explainSize },
  listenAddress: { expects: 'an address such as "0.0.0.0:8080"', code: 'bad-listen-address', explain: explainListenAddress },
  endpointAddress: { expects: 'an address such as "127.0.0.1:3000"', code: 'bad-endpoint-address', explain: explainEndpointAddress },
  resolverAddress: { expects: 'the address of a DNS server such as "10.0.0.53:53"', code: 'bad-resolver', explain: explainResolverAddress },
  cidr: { expects: 'an address range such as "10.0.0.0/8"', code: 'bad-cidr', explain: explainCidr },
  domain: { expects: 'a domain such as "example.com", "*.example.com" or "*"', code: 'bad-domain', explain: explainDomain },
  serverNamePattern: { expects: 'a server name such as "example.com", "*.example.com" or "*"', code: 'bad-domain', explain: explainServerNamePattern },
  authority: { expects: 'a host such as "example.com"', code: 'bad-authority', explain: explainAuthority },
  optionalAuthority: { expects: 'a host such as "example.com"', code: 'bad-authority', explain: (text) => (text === '' ? null : explainAuthority(text)) },
  path: { expects: 'a path such as "/users"', code: 'bad-path', explain: explainPath },
  exactPath: { expects: 'a path such as "/users"', code: 'bad-path', explain: (text) => (text === '*' ? null : explainPath(text)) },
  separatedPrefix: { expects: 'a path such as "/users"', code: 'bad-separated-prefix', explain: explainSeparatedPrefix },
  target: { expects: 'a path such as "/users"', code: 'bad-path', explain: explainTarget },
  template: { expects: 'a path template such as "/users/{id}"', code: 'bad-template', explain: (text) => explainPath(text) ?? explainTemplate(text) },
  regex: { expects: 'a regular expression', code: 'bad-regex', explain: explainRegex },
  method: { expects: 'a method such as "GET"', code: 'bad-method', explain: explainMethod },
  grpcMethod: { expects: 'a gRPC method such as "helloworld.Greeter/SayHello"', code: 'bad-grpc-method', explain: explainGrpcMethod },
  upgrade: { expects: 'the name of a protocol such as "websocket"', code: 'bad-upgrade', explain: explainUpgrade },
  headerName: { expects: 'the name of a header', code: 'bad-header-name', explain: explainHeaderName },
  editedHeader: { expects: 'the name of a header', code: 'bad-edited-header', explain: explainEditedHeader },
  matchedHeader: { expects: 'the name of a header', code: 'bad-header-name', explain: explainMatchedHeader },
  substitution: { expects: 'text', code: 'bad-path', explain: explainSubstitution },
  serverName: { expects: 'the value of a header', code: 'bad-header-value', explain: explainServerName },
  headerValue: { expects: 'the value of a header', code: 'bad-header-value', explain: explainHeaderValue },
  statusFilter: { expects: 'a status filter such as ">=500"', code: 'bad-status-filter', explain: explainStatusFilter },
  hexBytes: { expects: 'bytes in hexadecimal such as "000000ff"', code: 'bad-hex', explain: (text) => (/^(?:[0-9A-Fa-f]{2})+$/.test(text) ? null : 'must be pairs of hexadecimal digits') },
  serverNameRule: { expects: 'a host name or "*.example.com"', code: 'bad-server-name', explain: explainServerNameRule },
  cipherName: { expects: 'the name of a cipher suite', code: 'bad-cipher', explain: (text) => (/^[A-Za-z0-9_-]+$/.test(text) ? null : 'must be one name of letters, digits, - and _') },
  alpnName: { expects: 'a protocol such as "h2"', code: 'bad-alpn', explain: (text) => (/^[\x21-\x7E]{1,255}$/.test(text) ? null : 'must be 1 to 255 printable characters') },
  name: { expects: 'text', code: 'bad-name', explain: explainName },
} as const satisfies Readonly<Record<string, Form>>;

export type FormName = keyof typeof FORMS;

/** For the generated validator: whether a text has the form. */
export const FORMATS = Object.fromEntries(
  Object.entries(FORMS).map(([name, form]) => [name, (text: string): boolean => form.explain(text) === null]),
) as Record<FormName, (text: string) => boolean>;

function explainCidr(text: string): string | null {
  if (parseCidr(text) !== null) return null;
  const bytes = parseIp(text);
  return bytes === null ? 'must be an address range such as "10.0.0.0/8"' : `has no prefix length: write "${text}/${bytes.length * 8}"`;
}

/** The path of a call without its first slash. The names are part of names of stats. */
function explainGrpcMethod(text: string): string | null {
  if (/^\w+(?:\.\w+)*\/\w+$/.test(text)) return null;
  return text.startsWith('/') ? 'has no slash in front' : 'is not a service, a slash and a method';
}

/** RFC 9110 section 7.8: a name, perhaps with a version. */
function explainUpgrade(text: string): string | null {
  const name = text.toLowerCase();
  if (name === 'h2c' || name === 'http' || name.startsWith('http/')) return 'cannot be tunnelled: requests inside would pass every rule by';
  if (name === 'connect') return 'is no protocol: use a route with "match": { "connect": true }';
  return text.split('/').length <= 2 && text.split('/').every((part) => TOKEN.test(part)) ? null : 'is not the name of a protocol';
}

function explainDomain(text: string): string | null {
  if (text === '*') return null;
  if (text.includes('://') || text.includes('/')) return 'must be a host only, without scheme or path';
  const stars = text.split('*').length - 1;
  if (stars === 0) return isAuthority(text) ? null : 'is not a host name';
  const rest = text.startsWith('*.') ? text.slice(2) : text.endsWith('.*') ? text.slice(0, -2) : '';
  return stars === 1 && isAuthority(rest) ? null : 'may hold one *, as "*.suffix", "prefix.*" or alone';
}

/** What a TLS client asks for holds no port and is no address. */
function explainServerNamePattern(text: string): string | null {
  if (text === '*') return null;
  const name = text.startsWith('*.') ? text.slice(2) : text;
  return HOST_LABELS.test(name) && parseIp(name) === null ? null : 'must be a server name, "*.suffix" or "*"';
}

function explainAuthority(text: string): string | null {
  return isAuthority(text) ? null : 'must be a host, or host:port, without scheme or path';
}

function isAuthority(text: string): boolean {
  const [, host, port] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (host === undefined || Number(port ?? 1) > 65_535) return false;
  return host.startsWith('[') ? parseIp(host.slice(1, -1))?.length === 16 : HOST_LABELS.test(host);
}

function explainPath(text: string): string | null {
  if (text.includes('?') || text.includes('#')) return 'must not hold ? or #: only the path is compared, not the query';
  return explainTarget(text);
}

/** It becomes part of a path. */
function explainSubstitution(text: string): string | null {
  if (text.includes('#')) return 'must not hold #';
  return BLANK.test(text) || !isAscii(text) ? UNSENDABLE : null;
}

function explainSeparatedPrefix(text: string): string | null {
  return text.endsWith('/') ? 'must not end with /: the segments are separated already' : explainPath(text);
}

/** A path to send: a query is allowed. */
function explainTarget(text: string): string | null {
  if (!text.startsWith('/')) return 'must start with /';
  if (text.includes('#')) return 'must not hold #';
   
  return BLANK.test(text) || !isAscii(text) ? UNSENDABLE : null;
}

function explainRegex(text: string): string | null {
  if (text === '') return 'is empty';
  try {
    RE2JS.compile(text);
    return null;
  } catch (error) {
    const reason = (error as Error).message.replace(/^error parsing regexp: /, '');
    return `is not a regular expression of the RE2 kind: ${reason}`;
  }
}

function explainMethod(text: string): string | null {
  if (!TOKEN.test(text)) return 'is not a method';
  const upper = text.toUpperCase();
  return text !== upper && STANDARD_METHODS.includes(upper) ? `must be written "${upper}": methods are case-sensitive` : null;
}

function explainHeaderName(text: string): string | null {
  return TOKEN.test(text) ? null : 'is not the name of a header';
}

function explainMatchedHeader(text: string): string | null {
  if (text.startsWith(':')) return PSEUDO_HEADERS.includes(text.toLowerCase()) ? null : `is none of the pseudo-headers: ${PSEUDO_HEADERS.join(', ')}`;
  return explainHeaderName(text);
}

function explainEditedHeader(text: string): string | null {
  if (text.startsWith(':')) return 'is a pseudo-header, which cannot be edited: use "rewrite"';
  if (!TOKEN.test(text)) return 'is not the name of a header';
  const name = text.toLowerCase();
  if (name === 'host') return 'cannot be edited: use "rewrite": { "host": … }';
  return MANAGED_HEADERS.has(name) ? 'cannot be edited: Nuncio writes it itself' : null;
}

function explainHeaderValue(text: string): string | null {
  if (CONTROL.test(text.replaceAll('\t', ' '))) return 'must not hold line breaks or other control characters';
  return text !== text.trim() ? 'must not begin or end with a blank' : null;
}

function explainServerName(text: string): string | null {
  if (text === '') return 'is empty; write false to pass on what the upstream sends';
  return isAscii(text) ? explainHeaderValue(text) : 'must be ASCII';
}

function explainName(text: string): string | null {
  if (text === '') return 'must not be empty';
  return CONTROL.test(text) ? 'must not hold control characters' : null;
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length;
}

function explainServerNameRule(text: string): string | null {
  const host = text.startsWith('*.') ? text.slice(2) : text;
  return HOST_LABELS.test(host) && !host.endsWith('.') ? null : 'must be a host name, or "*." and a host name';
}
