// Reads HTTP/1.1 messages out of the bytes that a fake connection has sent: by another hand than the house's codec, and
// strict. Test code only.

import type { Field } from './http-message.ts';

export interface Message {
  readonly line: string;
  readonly fields: readonly Field[];
  readonly body: string;
  readonly chunked: boolean;
  readonly trailers: readonly Field[];
  /** Bytes it took. */
  readonly length: number;
}

export interface Reading {
  /** Of an answer: the method of its request. Undefined: a request is read. */
  readonly method?: string;
  /** The connection has ended: a body without a length is complete. */
  readonly ended?: boolean;
}

/** The message at the beginning of `text` (latin1), or null when it is not complete. Throws when it is none. */
export function readMessage(text: string, reading: Reading = {}): Message | null {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd < 0) return null;
  const [line = '', ...rest] = text.slice(0, headEnd).split('\r\n');
  const fields = rest.map(parseField);
  const from = headEnd + 4;
  const answer = reading.method === undefined ? null : /^HTTP\/1\.[01] (\d{3}) [^\r\n]*$/.exec(line);
  if (reading.method === undefined ? !/^\S+ \S+ HTTP\/1\.1$/.test(line) : answer === null) throw new Error(`start line ${JSON.stringify(line)}`);
  const status = Number(answer?.[1] ?? 0);
  const length = one(fields, 'content-length');
  const coding = one(fields, 'transfer-encoding');
  if (length !== undefined && coding !== undefined) throw new Error('both framings');
  const bodiless = reading.method === 'HEAD' || (status >= 100 && status < 200) || status === 204 || status === 304;
  const plain = { line, fields, chunked: false, trailers: [] };
  if (bodiless) return { ...plain, body: '', length: from };
  if (coding !== undefined) {
    if (coding !== 'chunked') throw new Error(`transfer-encoding ${coding}`);
    const chunks = readChunks(text, from);
    return chunks === null ? null : { line, fields, chunked: true, ...chunks };
  }
  if (length !== undefined) {
    if (!/^\d+$/.test(length)) throw new Error(`content-length ${length}`);
    const end = from + Number(length);
    return text.length < end ? null : { ...plain, body: text.slice(from, end), length: end };
  }
  if (reading.method === undefined) return { ...plain, body: '', length: from };
  return reading.ended === true ? { ...plain, body: text.slice(from), length: text.length } : null;
}

/** All complete messages, and what is left. */
export function readMessages(text: string, methods?: readonly string[]): { messages: Message[]; rest: string } {
  const messages: Message[] = [];
  let rest = text;
  for (let i = 0; rest !== ''; i++) {
    const message = readMessage(rest, methods === undefined ? {} : { method: methods[Math.min(i, methods.length - 1)]! });
    if (message === null) break;
    messages.push(message);
    rest = rest.slice(message.length);
  }
  return { messages, rest };
}

/** The value of a field that stands there once or not at all. */
export function one(fields: readonly Field[], name: string): string | undefined {
  const all = fields.filter(([field]) => field.toLowerCase() === name);
  if (all.length > 1) throw new Error(`${name} occurs ${all.length} times`);
  return all[0]?.[1];
}

function readChunks(text: string, from: number): Pick<Message, 'body' | 'trailers' | 'length'> | null {
  let body = '';
  let at = from;
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return null;
    const size = text.slice(at, lineEnd);
    if (!/^[0-9a-f]+$/i.test(size)) throw new Error(`chunk size ${JSON.stringify(size)}`);
    at = lineEnd + 2;
    const bytes = Number.parseInt(size, 16);
    if (bytes === 0) break;
    if (text.length < at + bytes + 2) return null;
    body += text.slice(at, at + bytes);
    if (text.slice(at + bytes, at + bytes + 2) !== '\r\n') throw new Error('no line end behind a chunk');
    at += bytes + 2;
  }
  if (text.startsWith('\r\n', at)) return { body, trailers: [], length: at + 2 };
  const end = text.indexOf('\r\n\r\n', at);
  if (end < 0) return null;
  return { body, trailers: text.slice(at, end).split('\r\n').map(parseField), length: end + 4 };
}

function parseField(line: string): Field {
  const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/.exec(line);
  if (match === null) throw new Error(`field line ${JSON.stringify(line)}`);
  return [match[1]!, match[2]!];
}
