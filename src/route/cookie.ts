// @hot
// Reads a cookie of a request, and writes the one that an answer sets. As Envoy: the first of a name counts, quotes around
// a value are not part of it. Worker thread; pure.

import type { Head } from '../core/head.ts';

const SEMICOLON = 59;

/** The value of the first cookie of this name; '' when there is none. */
export function cookieOf(head: Head, name: string): string {
  for (let i = head.find('cookie'); i >= 0; i = head.find('cookie', i + 1)) {
    const value = inLine(head.value(i), name);
    if (value !== '') return value;
  }
  return '';
}

function inLine(line: string, name: string): string {
  let at = 0;
  while (at < line.length) {
    while (line.charCodeAt(at) === 32 || line.charCodeAt(at) === SEMICOLON) at++;
    let end = line.indexOf(';', at);
    if (end < 0) end = line.length;
    if (line.startsWith(name, at) && line.charCodeAt(at + name.length) === 61) return unquoted(line.slice(at + name.length + 1, end).trim());
    at = end + 1;
  }
  return '';
}

function unquoted(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
}

export interface CookieForm {
  readonly name: string;
  /** 0: as long as the browser's session. */
  readonly ttlSeconds: number;
  /** '': none. */
  readonly path: string;
  readonly attributes: readonly (readonly [name: string, value: string])[];
}

/** The value of a `set-cookie` field. */
export function setCookie({ name, ttlSeconds, path, attributes }: CookieForm, value: string): string {
  let text = `${name}="${value}"`;
  if (ttlSeconds > 0) text += `; Max-Age=${ttlSeconds}`;
  if (path !== '') text += `; Path=${path}`;
  for (let i = 0; i < attributes.length; i++) {
    const [attribute, is] = attributes[i]!;
    text += is === '' ? `; ${attribute}` : `; ${attribute}=${is}`;
  }
  return text + '; HttpOnly';
}
