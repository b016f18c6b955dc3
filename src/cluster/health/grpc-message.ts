// The two messages of grpc.health.v1.Health/Check in protobuf's binary form. Primary thread; pure.
//
//   HealthCheckRequest  { string service = 1; }
//   HealthCheckResponse { ServingStatus status = 1; }    UNKNOWN 0, SERVING 1, NOT_SERVING 2, SERVICE_UNKNOWN 3

export const CHECK_PATH = '/grpc.health.v1.Health/Check';
export const SERVING = 1;
/** In front of each message: a flag for compression, and the length. */
const PREFIX_BYTES = 5;
const STATUS_FIELD = 1;
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** A request with its prefix. */
export function checkRequest(service: string): Buffer {
  const name = Buffer.from(service, 'utf8');
  const field = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([(1 << 3) | BYTES, ...varint(name.length)]), name]);
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(field.length, 1);
  return Buffer.concat([prefix, field]);
}

/** @param body all of the answer's DATA. @returns the status; -1 where this is not one message of that kind */
export function servingStatus(body: Buffer): number {
  if (body.length < PREFIX_BYTES || body[0] !== 0 || body.readUInt32BE(1) !== body.length - PREFIX_BYTES) return -1;
  let status = 0;
  let at = PREFIX_BYTES;
  while (at < body.length) {
    const tag = readVarint(body, at);
    if (tag === null) return -1;
    const kind = tag.value & 7;
    if (kind === VARINT) {
      const value = readVarint(body, tag.next);
      if (value === null) return -1;
      if (tag.value >>> 3 === STATUS_FIELD) status = value.value;
      at = value.next;
    } else {
      at = skipField(body, tag.next, kind);
      if (at < 0) return -1;
    }
  }
  return status;
}

/** @returns where the next field begins; -1: there is none of this kind */
function skipField(body: Buffer, at: number, kind: number): number {
  let next = -1;
  if (kind === FIXED64) next = at + 8;
  if (kind === FIXED32) next = at + 4;
  if (kind === BYTES) {
    const length = readVarint(body, at);
    if (length !== null) next = length.next + length.value;
  }
  return next > body.length ? -1 : next;
}

function readVarint(body: Buffer, at: number): { value: number; next: number } | null {
  let value = 0;
  for (let i = 0; i < 10 && at + i < body.length; i++) {
    const byte = body[at + i]!;
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return { value, next: at + i + 1 };
  }
  return null;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  bytes.push(value);
  return bytes;
}
