// The operators that read heads and the path: REQ, RESP, TRAILER, REQ_WITHOUT_QUERY, PATH, QUERY_PARAM.
// Compiled at load on any thread; the readers run on workers and see a head as it is sent on, added fields included.

import { FIELD_X_ENVOY_ORIGINAL_PATH } from '../core/fields.ts';
import type { Head } from '../core/head.ts';
import { fieldId } from '../core/head.ts';
import type { StreamRecord } from '../core/stream.ts';
import { type Command, FormatError } from './format-syntax.ts';
import type { Needs, Operator, Read } from './operators.ts';

type ReadText = (stream: StreamRecord) => string | undefined;

const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

const REQUEST_PARTS: Readonly<Record<string, ReadText>> = {
  ':method': (s) => present(s.method),
  ':path': (s) => present(s.path),
  ':authority': (s) => present(s.authority),
  ':scheme': (s) => (s.method === '' ? undefined : s.scheme),
};

/** null when the operator is none of these. @throws FormatError */
export function compileHeader(command: Command): Operator | null {
  switch (command.name) {
    case 'REQ':
    case 'REQUEST_HEADER':
      return compile(command, 'request', requestField);
    case 'RESP':
    case 'RESPONSE_HEADER':
      return compile(command, 'response', responseField);
    case 'TRAILER':
    case 'RESPONSE_TRAILER':
      return compile(command, 'trailers', trailerField);
    case 'REQ_WITHOUT_QUERY': {
      return compile(command, 'request', (lower) => {
        const read = requestField(lower);
        return (s) => withoutQuery(read(s));
      });
    }
    default:
      return null;
  }
}

/** `%PATH(WQ:ORIG)%`: with or without query; the original path, the one sent on, or the first of both that there is. */
export function compilePath(args: string | null, length: number | null): Operator {
  const [query = '', which = ''] = (args ?? '').split(':');
  if (!['', 'WQ', 'NQ'].includes(query) || !['', 'ORIG', 'PATH', 'ORIG_OR_PATH'].includes(which)) {
    throw new FormatError(`PATH takes (WQ or NQ:ORIG, PATH or ORIG_OR_PATH), not (${args})`);
  }
  const original: ReadText = (s) => fieldValue(s.reqHead, 'x-envoy-original-path', FIELD_X_ENVOY_ORIGINAL_PATH);
  const path = REQUEST_PARTS[':path']!;
  const read: ReadText = which === 'ORIG' ? original : which === 'PATH' ? path : (s) => original(s) ?? path(s);
  return { read: cut(query === 'NQ' ? (s) => withoutQuery(read(s)) : read, length), needs: 'request' };
}

export function compileQueryParam(args: string | null, length: number | null): Operator {
  if (args === null || args === '') throw new FormatError('QUERY_PARAM requires parameters');
  const wanted = args;
  return { read: cut((s) => queryParam(s.path, wanted), length), needs: null };
}

/** The first field of this name that is sent on, as Envoy's formatters read it; then those that were added. */
export function fieldValue(head: Head, lowerName: string, id: number): string | undefined {
  let i: number;
  if (id === 0) {
    i = head.find(lowerName);
  } else {
    i = head.first[id]!;
    if (i >= 0 && head.dropped[i] !== 0) i = head.find(lowerName, i + 1);
  }
  if (i >= 0) return head.value(i);
  const ready = head.readyValue(lowerName);
  if (ready !== undefined) return ready;
  const added = head.pairs;
  for (let k = 0; k < added.length; k += 2) {
    const name = added[k]!;
    if (name === lowerName || (name.length === lowerName.length && name.toLowerCase() === lowerName)) return added[k + 1];
  }
  return undefined;
}

function compile(command: Command, needs: Needs, field: (lowerName: string) => ReadText): Operator {
  const { name, args, length } = command;
  if (args === null || args === '') throw new FormatError(`${name} requires parameters`);
  const names = args.toLowerCase().split('?');
  if (names.length > 2) throw new FormatError(`More than 1 alternative header specified in token: ${args}`);
  const readers = names.filter((one) => one !== '').map(field);
  const [first, second] = readers;
  if (first === undefined) throw new FormatError(`${name} requires parameters`);
  return { read: cut(second === undefined ? first : (s) => first(s) ?? second(s), length), needs };
}

function requestField(lower: string): ReadText {
  if (lower.startsWith(':')) return REQUEST_PARTS[lower] ?? noSuchField(lower);
  const id = checkedId(lower);
  return (s) => fieldValue(s.reqHead, lower, id);
}

function responseField(lower: string): ReadText {
  if (lower === ':status') return (s) => (s.status === 0 ? undefined : String(s.status));
  const id = checkedId(lower);
  return (s) => fieldValue(s.resHead, lower, id);
}

function trailerField(lower: string): ReadText {
  const id = checkedId(lower);
  return (s) => (s.resTrailers === null ? undefined : fieldValue(s.resTrailers, lower, id));
}

function checkedId(lower: string): number {
  if (!FIELD_NAME.test(lower)) noSuchField(lower);
  return fieldId(lower);
}

function noSuchField(lower: string): never {
  throw new FormatError(`"${lower}" is not a header name`);
}

function cut(read: ReadText, length: number | null): Read {
  return length === null ? read : (s) => read(s)?.slice(0, length);
}

function present(text: string): string | undefined {
  return text === '' ? undefined : text;
}

function withoutQuery(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const mark = path.indexOf('?');
  return mark < 0 ? path : path.slice(0, mark);
}

/** The raw value of the first parameter of this name. */
function queryParam(path: string, wanted: string): string | undefined {
  let at = path.indexOf('?');
  while (at >= 0) {
    const start = at + 1;
    at = path.indexOf('&', start);
    const end = at < 0 ? path.length : at;
    if (path.startsWith(wanted, start)) {
      const after = start + wanted.length;
      if (after === end) return '';
      if (path[after] === '=' && after < end) return path.slice(after + 1, end);
    }
  }
  return undefined;
}
