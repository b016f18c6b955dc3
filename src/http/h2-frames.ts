// @hot
// The words of HTTP/2 on the wire (RFC 9113 sections 4, 6 and 7): frame types, flags, settings, error codes, and the writers
// of the small frames. Any thread; no state. Writers check no bounds: the caller has made room.

import { copyBytes } from '../core/bytes.ts';

export const FRAME_DATA = 0;
export const FRAME_HEADERS = 1;
export const FRAME_PRIORITY = 2;
export const FRAME_RST_STREAM = 3;
export const FRAME_SETTINGS = 4;
export const FRAME_PUSH_PROMISE = 5;
export const FRAME_PING = 6;
export const FRAME_GOAWAY = 7;
export const FRAME_WINDOW_UPDATE = 8;
export const FRAME_CONTINUATION = 9;

export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const WITH_PRIORITY = 0x20;

export const NO_ERROR = 0;
export const PROTOCOL_ERROR = 1;
export const INTERNAL_ERROR = 2;
export const FLOW_CONTROL_ERROR = 3;
export const SETTINGS_TIMEOUT = 4;
export const STREAM_CLOSED = 5;
export const FRAME_SIZE_ERROR = 6;
export const REFUSED_STREAM = 7;
export const CANCEL = 8;
export const COMPRESSION_ERROR = 9;
export const CONNECT_ERROR = 10;
export const ENHANCE_YOUR_CALM = 11;
export const INADEQUATE_SECURITY = 12;
export const HTTP_1_1_REQUIRED = 13;

const ERROR_NAMES = [
  'NO_ERROR', 'PROTOCOL_ERROR', 'INTERNAL_ERROR', 'FLOW_CONTROL_ERROR', 'SETTINGS_TIMEOUT', 'STREAM_CLOSED', 'FRAME_SIZE_ERROR',
  'REFUSED_STREAM', 'CANCEL', 'COMPRESSION_ERROR', 'CONNECT_ERROR', 'ENHANCE_YOUR_CALM', 'INADEQUATE_SECURITY', 'HTTP_1_1_REQUIRED',
] as const;

export const SETTING_HEADER_TABLE_SIZE = 1;
export const SETTING_ENABLE_PUSH = 2;
export const SETTING_MAX_CONCURRENT_STREAMS = 3;
export const SETTING_INITIAL_WINDOW_SIZE = 4;
export const SETTING_MAX_FRAME_SIZE = 5;
export const SETTING_MAX_HEADER_LIST_SIZE = 6;
/** RFC 8441. */
export const SETTING_ENABLE_CONNECT_PROTOCOL = 8;
export const SETTING_BYTES = 6;

export const FRAME_HEAD_BYTES = 9;
/** The smallest SETTINGS_MAX_FRAME_SIZE, and the one we announce: larger frames would only make streams wait for each other. */
export const FRAME_BYTES = 16384;
export const LARGEST_FRAME_BYTES = 0xffffff;
/** What a window holds before SETTINGS and WINDOW_UPDATE say otherwise. */
export const FIRST_WINDOW = 65535;
export const LARGEST_WINDOW = 0x7fffffff;
export const LARGEST_ID = 0x7fffffff;
export const TABLE_BYTES = 4096;

/** What a client says first (RFC 9113 section 3.4). */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export function errorName(code: number): string {
  return ERROR_NAMES[code] ?? `error ${code}`;
}

/** @returns the offset behind the nine bytes */
export function writeFrameHead(out: Buffer, at: number, length: number, type: number, flags: number, id: number): number {
  out[at] = length >> 16;
  out[at + 1] = length >> 8;
  out[at + 2] = length;
  out[at + 3] = type;
  out[at + 4] = flags;
  return writeUint32(out, at + 5, id);
}

export function writeUint32(out: Buffer, at: number, value: number): number {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
  return at + 4;
}

export function readUint32(buf: Buffer, at: number): number {
  return ((buf[at]! << 24) | (buf[at + 1]! << 16) | (buf[at + 2]! << 8) | buf[at + 3]!) >>> 0;
}

/** The reserved bit is ignored on receipt (RFC 9113 section 4.1). */
export function readUint31(buf: Buffer, at: number): number {
  return ((buf[at]! & 0x7f) << 24) | (buf[at + 1]! << 16) | (buf[at + 2]! << 8) | buf[at + 3]!;
}

export function writeRstStream(out: Buffer, at: number, id: number, code: number): number {
  return writeUint32(out, writeFrameHead(out, at, 4, FRAME_RST_STREAM, 0, id), code);
}

export function writeWindowUpdate(out: Buffer, at: number, id: number, increment: number): number {
  return writeUint32(out, writeFrameHead(out, at, 4, FRAME_WINDOW_UPDATE, 0, id), increment);
}

/** `data`: eight bytes from `from` on. */
export function writePing(out: Buffer, at: number, flags: number, data: Buffer, from: number): number {
  return copyBytes(out, writeFrameHead(out, at, 8, FRAME_PING, flags, 0), data, from, from + 8);
}

export function writeGoaway(out: Buffer, at: number, lastId: number, code: number): number {
  at = writeFrameHead(out, at, 8, FRAME_GOAWAY, 0, 0);
  return writeUint32(out, writeUint32(out, at, lastId), code);
}

export function writeSettingsAck(out: Buffer, at: number): number {
  return writeFrameHead(out, at, 0, FRAME_SETTINGS, ACK, 0);
}

/** `settings`: id, value, id, value, … */
export function writeSettings(out: Buffer, at: number, settings: readonly number[]): number {
  at = writeFrameHead(out, at, (settings.length / 2) * SETTING_BYTES, FRAME_SETTINGS, 0, 0);
  for (let i = 0; i < settings.length; i += 2) {
    out[at] = settings[i]! >> 8;
    out[at + 1] = settings[i]!;
    at = writeUint32(out, at + 2, settings[i + 1]!);
  }
  return at;
}
