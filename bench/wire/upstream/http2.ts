// A process of its own: HTTP/2 in the clear (RFC 9113) that gives every request the same answer, so that it reads no
// header block and costs the load's CPU little. nginx as an upstream would serve the bodies but no trailers.
//   node http2.js PORT small|grpc

import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { GRPC_MESSAGE, SMALL_BODY } from '../bodies.ts';

const PREFACE_LENGTH = 24;
const FRAME_HEAD = 9;
const Type = { data: 0, headers: 1, settings: 4, ping: 6, windowUpdate: 8 } as const;
const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;
const MAX_CONCURRENT_STREAMS = [0, 3, 0, 0, 0, 128]; // what nginx grants
const FIRST_WINDOW = 65_535;
/** What was received is given back to the peer from here on. */
const WINDOW_STEP = 16_384;

function frame(type: number, flags: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(FRAME_HEAD);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  return Buffer.concat([head, payload]);
}

/** HPACK literals without indexing (RFC 7541 section 6.2.2): they need no state. */
function block(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [
    Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value),
  ]));
}

interface Answer {
  readonly bytes: Buffer;
  /** Where its frames begin: each gets the stream's number. */
  readonly frames: readonly number[];
  readonly bodyLength: number;
}

function answerOf(frames: readonly Buffer[], bodyLength: number): Answer {
  let at = 0;
  const starts = frames.map((one) => (at += one.length) - one.length);
  return { bytes: Buffer.concat(frames), frames: starts, bodyLength };
}

function fixedAnswer(kind: string | undefined): Answer {
  const status = [[':status', '200'], ['server', 'upstream'], ['date', new Date().toUTCString()]] as const;
  if (kind === 'grpc') {
    return answerOf([
      frame(Type.headers, END_HEADERS, block([...status, ['content-type', 'application/grpc']])),
      frame(Type.data, 0, GRPC_MESSAGE),
      frame(Type.headers, END_HEADERS | END_STREAM, block([['grpc-status', '0']])),
    ], GRPC_MESSAGE.length);
  }
  const body = Buffer.from(SMALL_BODY);
  const fields = [['content-type', 'application/octet-stream'], ['content-length', String(body.length)]] as const;
  return answerOf([
    frame(Type.headers, END_HEADERS, block([...status, ...fields])), frame(Type.data, END_STREAM, body),
  ], body.length);
}

const ANSWER = fixedAnswer(process.argv[3]);
const HELLO = frame(Type.settings, 0, Buffer.from(MAX_CONCURRENT_STREAMS));
const SETTINGS_ACK = frame(Type.settings, ACK, Buffer.alloc(0));

class Connection {
  private readonly socket: Socket;
  private held: Buffer = Buffer.alloc(0);
  private hasPreface = false;
  private received = 0;
  /** What the peer still takes on this connection; a stream's own window is larger than its one answer. */
  private window = FIRST_WINDOW;
  /** Streams that have ended and have no answer yet. */
  private due: number[] = [];
  private out: Buffer[] = [HELLO];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    socket.on('error', () => socket.destroy());
  }

  private take(chunk: Buffer): void {
    const bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    let at = 0;
    if (!this.hasPreface && bytes.length >= PREFACE_LENGTH) {
      at = PREFACE_LENGTH;
      this.hasPreface = true;
    }
    while (this.hasPreface && bytes.length - at >= FRAME_HEAD) {
      const end = at + FRAME_HEAD + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      this.takeFrame(bytes.subarray(at, end));
      at = end;
    }
    this.held = bytes.subarray(at);
    this.giveWindow();
    this.answerDue();
    if (this.out.length === 0) return;
    this.socket.write(this.out.length === 1 ? this.out[0] ?? '' : Buffer.concat(this.out));
    this.out = [];
  }

  private takeFrame(one: Buffer): void {
    const type = one[3];
    const flags = one[4] ?? 0;
    if (type === Type.data) this.received += one.length - FRAME_HEAD;
    if (type === Type.data || type === Type.headers) {
      if ((flags & END_STREAM) !== 0) this.due.push(one.readUInt32BE(5));
    } else if (type === Type.windowUpdate) {
      if (one.readUInt32BE(5) === 0) this.window += one.readUInt32BE(FRAME_HEAD);
    } else if ((flags & ACK) === 0) {
      if (type === Type.settings) this.out.push(SETTINGS_ACK);
      if (type === Type.ping) this.out.push(frame(Type.ping, ACK, one.subarray(FRAME_HEAD)));
    }
  }

  private giveWindow(): void {
    if (this.received < WINDOW_STEP) return;
    const size = Buffer.alloc(4);
    size.writeUInt32BE(this.received);
    this.out.push(frame(Type.windowUpdate, 0, size));
    this.received = 0;
  }

  private answerDue(): void {
    const count = Math.min(this.due.length, Math.floor(this.window / ANSWER.bodyLength));
    if (count === 0) return;
    const { bytes, frames, bodyLength } = ANSWER;
    const batch = Buffer.allocUnsafe(count * bytes.length);
    for (let i = 0; i < count; i++) {
      const at = i * bytes.length;
      bytes.copy(batch, at);
      for (const start of frames) batch.writeUInt32BE(this.due[i] ?? 0, at + start + 5);
    }
    this.window -= count * bodyLength;
    this.due = this.due.slice(count);
    this.out.push(batch);
  }
}

createServer({ noDelay: true }, (socket) => new Connection(socket))
  .listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 4096 });
