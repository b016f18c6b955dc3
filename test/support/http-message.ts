// A second, independent reader of HTTP/1.1 messages, written for clarity and strict about every byte, so that what the
// proxy sends is judged by something other than the proxy's own codec. Test code only.

import { StreamEnded, type ByteReader } from './byte-reader.ts';

export type Field = readonly [name: string, value: string];

export interface Head {
  /** The first line, without CRLF. */
  readonly line: string;
  /** As received, in order; names keep their case. latin1. */
  readonly fields: readonly Field[];
  /** The whole head as received, with the empty line. latin1. */
  readonly raw: string;
}

export interface RequestHead extends Head {
  readonly method: string;
  readonly target: string;
  readonly version: string;
}

export interface ResponseHead extends Head {
  readonly version: string;
  readonly status: number;
  readonly reason: string;
}

export type Framing = 'none' | 'length' | 'chunked' | 'close';

export interface Body {
  readonly framing: Framing;
  readonly bytes: Buffer;
  readonly trailers: readonly Field[];
  /** The size of each chunk, the last one (0) left out. */
  readonly chunks: readonly number[];
}

export class MalformedMessage extends Error {}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// Field values: visible characters, space, tab and obs-text; no leading or trailing white space after trimming.
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Every value of the field, names compared without case. */
export function values(head: { readonly fields: readonly Field[] }, name: string): string[] {
  const wanted = name.toLowerCase();
  return head.fields.filter(([n]) => n.toLowerCase() === wanted).map(([, value]) => value);
}

/** The one value of the field, or undefined. Throws when there are several. */
export function value(head: { readonly fields: readonly Field[] }, name: string): string | undefined {
  const all = values(head, name);
  if (all.length > 1) throw new MalformedMessage(`${name} occurs ${all.length} times: ${all.join(' | ')}`);
  return all[0];
}

export async function readRequestHead(reader: ByteReader, patienceMs?: number): Promise<RequestHead> {
  const head = await readHead(reader, patienceMs);
  const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (\S+) (HTTP\/1\.[01])$/.exec(head.line);
  if (match === null) throw new MalformedMessage(`request line ${JSON.stringify(head.line)}`);
  const [, method, target, version] = match as unknown as [string, string, string, string];
  if (values(head, 'host').length !== 1) throw new MalformedMessage(`${values(head, 'host').length} host fields`);
  return { ...head, method, target, version };
}

export async function readResponseHead(reader: ByteReader, patienceMs?: number): Promise<ResponseHead> {
  const head = await readHead(reader, patienceMs);
  const match = /^(HTTP\/1\.[01]) ([1-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)$/.exec(head.line);
  if (match === null) throw new MalformedMessage(`status line ${JSON.stringify(head.line)}`);
  const [, version, status, reason] = match as unknown as [string, string, string, string];
  return { ...head, version, status: Number(status), reason };
}

async function readHead(reader: ByteReader, patienceMs?: number): Promise<Head> {
  const raw = (await reader.until('\r\n\r\n', 1 << 20, patienceMs)).toString('latin1');
  const lines = raw.slice(0, -4).split('\r\n');
  const line = lines[0] as string;
  if (/[\r\n\0]/.test(line)) throw new MalformedMessage(`control character in ${JSON.stringify(line)}`);
  return { line, fields: lines.slice(1).map(parseField), raw };
}

function parseField(line: string): Field {
  const colon = line.indexOf(':');
  const name = line.slice(0, colon);
  if (colon < 1 || !TOKEN.test(name)) throw new MalformedMessage(`field line ${JSON.stringify(line)}`);
  const text = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '');
  if (!VALUE.test(text)) throw new MalformedMessage(`field value ${JSON.stringify(line)}`);
  return [name, text];
}

/** How the body that follows is framed. Throws on everything that two readers could see differently. */
export function framingOf(head: Head, context: { request: true } | { request: false; method: string; status: number }): Framing {
  const length = value(head, 'content-length');
  const coding = value(head, 'transfer-encoding');
  if (length !== undefined && coding !== undefined) throw new MalformedMessage('content-length and transfer-encoding');
  if (length !== undefined && !/^[0-9]+$/.test(length)) throw new MalformedMessage(`content-length ${length}`);
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') throw new MalformedMessage(`transfer-encoding ${coding}`);
  if (!context.request) {
    if (context.status < 200 || context.status === 204) {
      if (length !== undefined || coding !== undefined) throw new MalformedMessage(`framing fields on a ${context.status}`);
      return 'none';
    }
    if (context.status === 304 || context.method === 'HEAD') return 'none';
  }
  if (coding !== undefined) return 'chunked';
  if (length !== undefined) return 'length';
  return context.request ? 'none' : 'close';
}

/** Reads one body. `onBytes` gets each portion instead of its being kept: for bodies larger than memory should hold. */
export async function readBody(
  reader: ByteReader,
  head: Head,
  framing: Framing,
  onBytes?: (bytes: Buffer) => void | Promise<void>,
): Promise<Body> {
  const kept: Buffer[] = [];
  const keep = onBytes ?? ((bytes: Buffer) => void kept.push(bytes));
  const chunks: number[] = [];
  let trailers: readonly Field[] = [];
  if (framing === 'length') await readExactly(reader, Number(value(head, 'content-length')), keep);
  if (framing === 'close') await readToEnd(reader, keep);
  if (framing === 'chunked') trailers = await readChunks(reader, chunks, keep);
  return { framing, bytes: Buffer.concat(kept), trailers, chunks };
}

async function readExactly(reader: ByteReader, count: number, keep: (bytes: Buffer) => void | Promise<void>): Promise<void> {
  let left = count;
  while (left > 0) {
    const bytes = await reader.some(left);
    if (bytes === null) throw new StreamEnded(reader.ending ?? 'fin', Buffer.alloc(0), `the last ${left} bytes of a body`);
    left -= bytes.length;
    await keep(bytes);
  }
}

async function readToEnd(reader: ByteReader, keep: (bytes: Buffer) => void | Promise<void>): Promise<void> {
  for (let bytes = await reader.some(); bytes !== null; bytes = await reader.some()) await keep(bytes);
}

async function readChunks(
  reader: ByteReader,
  sizes: number[],
  keep: (bytes: Buffer) => void | Promise<void>,
): Promise<readonly Field[]> {
  for (;;) {
    const line = (await reader.until('\r\n', 1024)).toString('latin1').slice(0, -2);
    if (!/^[0-9a-fA-F]{1,16}$/.test(line)) throw new MalformedMessage(`chunk size ${JSON.stringify(line)}`);
    const size = parseInt(line, 16);
    if (size === 0) return readTrailers(reader);
    sizes.push(size);
    await readExactly(reader, size, keep);
    const end = (await reader.exactly(2)).toString('latin1');
    if (end !== '\r\n') throw new MalformedMessage(`after chunk data: ${JSON.stringify(end)}`);
  }
}

async function readTrailers(reader: ByteReader): Promise<Field[]> {
  const fields: Field[] = [];
  for (;;) {
    const line = (await reader.until('\r\n', 1 << 16)).toString('latin1').slice(0, -2);
    if (line === '') return fields;
    fields.push(parseField(line));
  }
}
