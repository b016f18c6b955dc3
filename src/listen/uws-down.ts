// One request on uWebSockets.js. Worker thread; lives as long as the library's response object is valid.
// Once the response has ended or was aborted, no call on it may follow: `open` guards every one.

import { fault } from '../core/fault.ts';
import { FLAG_DPE } from '../core/flags.ts';
import type { OutHolder } from '../core/out-buffer.ts';
import { BODY_LENGTH, BODY_NONE, type DownStream, type Stream } from '../core/stream.ts';
import { FIELD_CONTENT_LENGTH, FIELD_DATE } from '../core/fields.ts';
import { describeError } from '../http/h1-errors.ts';
import { requestBody } from '../http/h1-framing.ts';
import { parseRequestHead } from '../http/h1-parser.ts';
import { statusText } from '../http/status-text.ts';
import { Timer, type TimerTarget } from '../core/timer.ts';
import * as S from '../observe/stat-names.ts';
import { admitRequest } from './h1-admission.ts';
import type { HttpRequest, HttpResponse } from './uws-types.ts';
import type { UwsListener } from './uws.ts';

/** The library gives a transfer up after 10 s without progress by its own count; this tells it that we are alive. */
const KEEP_ALIVE_MS = 4000;
const GONE = fault('downstreamClosed', 'down', 'never', 'downstream_remote_disconnect');

let scratch = Buffer.allocUnsafeSlow(64 * 1024);
let requests = 0;

export class UwsDown implements DownStream, OutHolder, TimerTarget {
  readonly protocol: string = 'HTTP/1.1';
  private readonly listener: UwsListener;
  private readonly res: HttpResponse;
  private readonly timer: Timer;
  private stream: Stream | null = null;
  private open = true;
  private requestDone = false;
  private paused = false;
  /** The head is to be written with the bytes that follow. */
  private headDue = false;
  /** Bytes of the body when its length is known, else -1. */
  private total = -1;
  /** What `tryEnd` did not take. */
  private kept: Buffer | null = null;
  private keptAt = 0;
  private keptIsLast = false;

  constructor(listener: UwsListener, res: HttpResponse) {
    this.listener = listener;
    this.res = res;
    this.timer = new Timer(this, 0);
  }

  start(req: HttpRequest): void {
    const { listener, res } = this;
    const { tools, plan, limits } = listener;
    const stream = listener.road.take();
    this.stream = stream;
    stream.down = this;
    stream.connectionId = ++requests;
    stream.remoteAddress = remoteAddress(res);
    stream.startAt = tools.clock.now;
    stream.startWall = tools.clock.wall();
    res.onAborted(() => this.onAborted());
    const end = writeHeadAgain(req);
    stream.reqHead.buf = scratch;
    const length = parseRequestHead(stream.reqHead, scratch, 0, end, limits);
    if (length !== end) {
      const error = describeError(length < 0 ? length : -1);
      tools.cells[plan.http + S.DOWN_CX_PROTOCOL_ERROR]!++;
      this.refuse(error.status, error.details, FLAG_DPE, '');
      return;
    }
    this.begin(stream);
  }

  private begin(stream: Stream): void {
    const { tools } = this.listener;
    stream.reqBody = requestBody(stream.reqHead);
    const rule = admitRequest(stream, this.listener);
    if (rule !== null) {
      this.refuse(rule.status, rule.details, rule.details.startsWith('http1.') ? FLAG_DPE : 0, rule.location);
      return;
    }
    this.listener.identity.apply(stream);
    if (stream.reqBody === BODY_NONE) {
      this.requestDone = true;
      stream.requestEndAt = stream.startAt;
    } else {
      tools.timers.arm(this.timer, KEEP_ALIVE_MS);
      this.res.onData((chunk, last) => this.onData(chunk, last));
    }
    stream.begin(false);
  }

  onTimer(): void {
    if (!this.open) return;
    if (!this.requestDone && !this.paused) {
      this.res.pause();
      this.res.resume();
    }
    if (this.kept !== null || this.requestDone) this.res.cork(() => undefined);
    this.listener.tools.timers.arm(this.timer, KEEP_ALIVE_MS);
  }

  // ---- DownStream ----

  /** The library answers `Expect: 100-continue` by itself and knows no other interim answer. */
  writeInterim(): void {}

  writeHead(more: boolean): boolean {
    const stream = this.stream!;
    const bodiless = stream.method === 'HEAD' || stream.status === 204 || stream.status === 304;
    const length = stream.resHead.contentLength;
    this.total = bodiless || stream.isLocalReply ? -1 : stream.resBody === BODY_LENGTH ? length : stream.resBody === BODY_NONE ? 0 : -1;
    this.headDue = true;
    if (more) this.listener.tools.out.hold(this);
    else this.flushHeld();
    return true;
  }

  flushHeld(): void {
    if (!this.open || !this.headDue) return;
    this.res.cork(() => {
      this.writeFields();
      if (this.total > 0) this.res.tryEnd('', this.total);
    });
  }

  writeData(buf: Buffer, start: number, end: number, last: boolean): boolean {
    if (!this.open) return true;
    let taken = true;
    this.listener.tools.out.release();
    this.listener.tools.cells[this.listener.plan.http + S.DOWN_CX_TX_BYTES_TOTAL]! += end - start;
    this.res.cork(() => {
      this.writeFields();
      taken = this.writeBody(buf.subarray(start, end), last);
    });
    if (last && this.kept === null) this.answered();
    return taken;
  }

  pause(): void {
    if (!this.open || this.requestDone) return;
    this.paused = true;
    this.res.pause();
  }

  resume(): void {
    if (!this.open || !this.paused) return;
    this.paused = false;
    this.res.resume();
  }

  reset(): void {
    this.stream = null;
    if (this.open) this.res.close();
    this.done();
  }

  // ---- inside ----

  private refuse(status: number, details: string, flags: number, location: string): void {
    this.requestDone = true;
    this.stream!.refuse(status, details, flags, location);
  }

  private onData(chunk: ArrayBuffer, last: boolean): void {
    const { tools, plan } = this.listener;
    tools.clock.refresh();
    tools.cells[plan.http + S.DOWN_CX_RX_BYTES_TOTAL]! += chunk.byteLength;
    const { stream } = this;
    if (last) {
      this.requestDone = true;
      if (stream !== null) stream.requestEndAt = tools.clock.now;
    }
    if (stream !== null) stream.requestData(Buffer.from(chunk), 0, chunk.byteLength, last);
    tools.out.flush();
  }

  private onAborted(): void {
    const { stream } = this;
    this.stream = null;
    this.done();
    stream?.downReset(GONE);
  }

  /** Status line and fields; the library writes date, length and framing by itself. */
  private writeFields(): void {
    if (!this.headDue) return;
    const stream = this.stream!;
    const head = stream.resHead;
    const bodiless = stream.method === 'HEAD' || stream.status === 304;
    this.headDue = false;
    this.res.writeStatus(`${stream.status} ${statusText(stream.status)}`);
    for (let i = 0; i < head.count; i++) {
      const id = head.ids[i]!;
      if (head.dropped[i] !== 0 || id === FIELD_DATE || (id === FIELD_CONTENT_LENGTH && !bodiless)) continue;
      this.res.writeHeader(head.name(i), asText(head.value(i)));
    }
    for (let i = 0; i < head.added.length; i += 2) {
      const name = head.added[i]!;
      if (name === 'date' || (name === 'content-length' && !bodiless)) continue;
      this.res.writeHeader(name, asText(head.added[i + 1]!));
    }
  }

  /** Inside a cork. False when the caller's socket is full. */
  private writeBody(bytes: Buffer, last: boolean): boolean {
    const { res, stream, listener } = this;
    const close = listener.draining;
    if (stream!.method === 'HEAD' || stream!.status === 204 || stream!.status === 304) {
      res.endWithoutBody(); // an argument, even undefined, becomes a Content-Length
      return true;
    }
    if (this.total > 0) return this.tryToEnd(bytes, last);
    if (this.total === 0 || stream!.isLocalReply) {
      res.end(bytes, close);
      return true;
    }
    const taken = bytes.length === 0 || res.write(bytes);
    if (last) res.end();
    else if (!taken) res.onWritable(() => this.onWritable());
    return taken;
  }

  private tryToEnd(bytes: Buffer, last: boolean): boolean {
    if (this.kept !== null) {
      this.kept = Buffer.concat([this.kept, bytes]);
      this.keptIsLast = last;
      return false;
    }
    const before = this.res.getWriteOffset();
    const [ok] = this.res.tryEnd(bytes, this.total);
    if (ok) return true;
    this.kept = Buffer.from(bytes);
    this.keptAt = before;
    this.keptIsLast = last;
    this.listener.tools.timers.arm(this.timer, KEEP_ALIVE_MS);
    this.res.onWritable((offset) => this.retry(offset));
    return false;
  }

  /** @returns whether all that was kept has been taken. */
  private retry(offset: number): boolean {
    const rest = this.kept;
    if (rest === null || !this.open) return true;
    const bytes = rest.subarray(offset - this.keptAt);
    const [ok] = this.res.tryEnd(bytes, this.total);
    if (!ok) {
      this.kept = bytes;
      this.keptAt = offset;
      return false;
    }
    this.kept = null;
    if (this.keptIsLast) this.answered();
    else this.onWritable();
    this.listener.tools.out.flush();
    return true;
  }

  private onWritable(): boolean {
    this.listener.tools.clock.refresh();
    this.stream?.downWritable();
    this.listener.tools.out.flush();
    return true;
  }

  private answered(): void {
    const { stream } = this;
    this.stream = null;
    this.done();
    stream?.release();
  }

  private done(): void {
    if (!this.open) return;
    this.open = false;
    this.kept = null;
    this.listener.tools.timers.disarm(this.timer);
    this.listener.forget(this);
  }
}

/** The request line and fields as bytes again, in `scratch`. The library knows no HTTP/1.0 and gives names in lower case. */
function writeHeadAgain(req: HttpRequest): number {
  const query = req.getQuery();
  let text = `${req.getCaseSensitiveMethod()} ${req.getUrl()}${query === undefined || query === '' ? '' : `?${query}`} HTTP/1.1\r\n`;
  req.forEach((name, value) => {
    text += `${name}: ${value}\r\n`;
  });
  text += '\r\n';
  if (text.length * 3 > scratch.length) scratch = Buffer.allocUnsafeSlow(text.length * 3);
  return scratch.utf8Write(text, 0);
}

function remoteAddress(res: HttpResponse): string {
  const text = Buffer.from(res.getRemoteAddressAsText()).latin1Slice();
  return text.startsWith('0000:0000:0000:0000:0000:ffff:') ? mapped(text) : text;
}

/** `0000:…:ffff:7f00:0001` → `127.0.0.1`. */
function mapped(text: string): string {
  const digits = text.slice(30).replace(':', '');
  return [0, 2, 4, 6].map((i) => parseInt(digits.slice(i, i + 2), 16)).join('.');
}

/** Bytes that we hold as latin1 and that the library writes as UTF-8. */
function asText(value: string): string {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 127) return Buffer.from(value, 'latin1').toString('utf8');
  return value;
}
