// HTTP/2 frames by hand: written without the proxy's codec, read into plain objects. Test code only.
// Header blocks are literals without indexing (RFC 7541 section 6.2.2); for reading them the proxy's decoder is used, which
// has tests of its own.

import { HpackDecoder } from '../../src/http/hpack-decoder.ts';

export const T = { DATA: 0, HEADERS: 1, PRIORITY: 2, RST: 3, SETTINGS: 4, PUSH: 5, PING: 6, GOAWAY: 7, WINDOW: 8, CONTINUATION: 9 } as const;
export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
export const PADDED = 8;
export const PRIORITY = 0x20;
/** A literal that nobody may index (RFC 7541 section 6.2.3). */
const NEVER = 0x10;
const CODES = [
  'NO_ERROR', 'PROTOCOL_ERROR', 'INTERNAL_ERROR', 'FLOW_CONTROL_ERROR', 'SETTINGS_TIMEOUT', 'STREAM_CLOSED', 'FRAME_SIZE_ERROR',
  'REFUSED_STREAM', 'CANCEL', 'COMPRESSION_ERROR', 'CONNECT_ERROR', 'ENHANCE_YOUR_CALM', 'INADEQUATE_SECURITY', 'HTTP_1_1_REQUIRED',
];

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
export type Fields = readonly (readonly [name: string, value: string])[];

export function frame(type: number, flags: number, id: number, payload: Buffer | string | readonly number[] = []): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : Buffer.from(payload);
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id >>> 0, 5);
  return Buffer.concat([head, body]);
}

export const uint32 = (value: number): number[] => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
export const settings = (...pairs: readonly (readonly [id: number, value: number])[]): Buffer =>
  frame(T.SETTINGS, 0, 0, pairs.flatMap(([id, value]) => [id >> 8, id & 255, ...uint32(value)]));
export const settingsAck = (): Buffer => frame(T.SETTINGS, ACK, 0);
export const data = (id: number, payload: string | Buffer, end = true): Buffer => frame(T.DATA, end ? END_STREAM : 0, id, payload);
export const windowUpdate = (id: number, by: number): Buffer => frame(T.WINDOW, 0, id, uint32(by));
export const rst = (id: number, code: number): Buffer => frame(T.RST, 0, id, uint32(code));
export const ping = (text = '12345678', flags = 0): Buffer => frame(T.PING, flags, 0, text);
export const goaway = (last: number, code = 0): Buffer => frame(T.GOAWAY, 0, 0, [...uint32(last), ...uint32(code)]);
export const priority = (id: number): Buffer => frame(T.PRIORITY, 0, id, [0, 0, 0, 0, 15]);

function integer(value: number, mask: number): number[] {
  if (value < mask) return [value];
  const bytes = [mask];
  let rest = value - mask;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  return Buffer.concat([Buffer.from(integer(bytes.length, 127)), bytes]);
}

export function block(fields: Fields, never: readonly string[] = []): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([never.includes(name) ? NEVER : 0]), text(name), text(value)]));
}

/** The pseudo-headers of a request, with what differs; an empty text takes one away. */
export function pseudo(path: string, over: Readonly<Record<string, string | null>> = {}): [string, string][] {
  const all: Record<string, string | null> = { ':method': 'GET', ':scheme': 'http', ':authority': 'a', ':path': path, ...over };
  return Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== null);
}

/** The fields named by `never` are marked as never to be indexed. */
export const headers = (id: number, fields: Fields, flags = END_STREAM | END_HEADERS, never: readonly string[] = []): Buffer =>
  frame(T.HEADERS, flags, id, block(fields, never));
/** A GET that needs no upstream on the stages of these tests. */
export const get = (id: number, path = '/ok', more: Fields = []): Buffer => headers(id, [...pseudo(path), ...more]);
/** The head of a POST whose body follows. */
export const post = (id: number, path = '/up', more: Fields = []): Buffer => headers(id, [...pseudo(path, { ':method': 'POST' }), ...more], END_HEADERS);
/** What a client says first. */
export const hello = (...pairs: readonly (readonly [number, number])[]): Buffer => Buffer.concat([PREFACE, settings(...pairs)]);

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
  /** Of a whole header block. */
  readonly fields: Fields;
  /** Names of those that came as never to be indexed. */
  readonly never: readonly string[];
}

/** Reads what a connection sends, however it is cut; keeps the HPACK table. */
export class FrameLog {
  readonly frames: Frame[] = [];
  private readonly decoder = new HpackDecoder(4096);
  private rest: Buffer = Buffer.alloc(0);
  private block: Buffer[] = [];

  add(bytes: Buffer): Frame[] {
    this.rest = Buffer.concat([this.rest, bytes]);
    const found: Frame[] = [];
    for (;;) {
      const { rest } = this;
      if (rest.length < 9) break;
      const length = rest.readUIntBE(0, 3);
      if (rest.length < 9 + length) break;
      const payload = Buffer.from(rest.subarray(9, 9 + length));
      found.push(this.read(rest[3]!, rest[4]!, rest.readUInt32BE(5) & 0x7fffffff, payload));
      this.rest = rest.subarray(9 + length);
    }
    this.frames.push(...found);
    return found;
  }

  private read(type: number, flags: number, id: number, payload: Buffer): Frame {
    const fields: [string, string][] = [];
    const never: string[] = [];
    if (type === T.HEADERS || type === T.CONTINUATION) {
      this.block.push(payload);
      if ((flags & END_HEADERS) !== 0) {
        const whole = Buffer.concat(this.block);
        this.block = [];
        const sink = {
          field(buf: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, sensitive: boolean): boolean {
            fields.push([buf.latin1Slice(nameStart, nameEnd), buf.latin1Slice(valueStart, valueEnd)]);
            if (sensitive) never.push(buf.latin1Slice(nameStart, nameEnd));
            return true;
          },
        };
        if (this.decoder.decode(whole, 0, whole.length, sink) !== 0) throw new Error('the proxy sent a header block that cannot be read');
      }
    }
    return { type, flags, id, payload, fields, never };
  }
}

export const codeOf = (frame: Frame): string => CODES[frame.payload.readUInt32BE(frame.type === T.GOAWAY ? 4 : 0)] ?? 'unknown';
export const statusOf = (frame: Frame): string => frame.fields.find(([name]) => name === ':status')?.[1] ?? '';

/** What frames say, shortly: `1:200`, `RST 1 CANCEL`, `GOAWAY PROTOCOL_ERROR`, `PING`. Settings and windows are left out. */
export function story(frames: readonly Frame[]): string {
  const words: string[] = [];
  for (const one of frames) {
    const { type, flags, id } = one;
    if (type === T.HEADERS) words.push(`${id}:${statusOf(one)}`);
    else if (type === T.RST && codeOf(one) !== 'NO_ERROR') words.push(`RST ${id} ${codeOf(one)}`);
    else if (type === T.GOAWAY) words.push(`GOAWAY ${codeOf(one)}`);
    else if (type === T.PING) words.push((flags & ACK) !== 0 ? 'PONG' : 'PING');
  }
  return words.join(', ');
}
