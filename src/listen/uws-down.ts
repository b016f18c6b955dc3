// @hot
// One request on uWebSockets.js and its answer. Worker thread; lives until the library's response object has ended or was
// aborted. After that every call on the object throws, so `open` guards each of them.
//
// Bodies go down in one of four ways:
//   WHOLE    a short body that is all here: one call, the only one that can also close the connection
//   LENGTH   known length: `tryEnd`, which takes what the socket takes; the rest is kept here
//   CHUNKED  `write`, which keeps without bound what the socket does not take: it is fed in pieces (see `push`)
//   EMPTY    HEAD, 204, 304

import { fault } from '../core/fault.ts';
import { FIELD_CONNECTION } from '../core/fields.ts';
import { FLAG_DPE } from '../core/flags.ts';
import type { OutHolder } from '../core/out-buffer.ts';
import { BODY_LENGTH, BODY_NONE, type DownStream, type Stream } from '../core/stream.ts';
import { Timer, type TimerTarget } from '../core/timer.ts';
import { describeError } from '../http/h1-errors.ts';
import { isPersistent, requestBody } from '../http/h1-framing.ts';
import { parseRequestHead } from '../http/h1-parser.ts';
import * as S from '../observe/stat-names.ts';
import { admitRequest } from './admission.ts';
import { losesKeepAlive } from './relief.ts';
import { remoteAddress, rewriteHead, rewritten } from './uws-request.ts';
import { headText, wireText } from './uws-response.ts';
import { UwsUpload } from './uws-upload.ts';
import type { HttpRequest, HttpResponse } from './uws-types.ts';
import type { UwsListener } from './uws.ts';

const WHOLE = 0;
const LENGTH = 1;
const CHUNKED = 2;
const EMPTY = 3;

/** The library gives a transfer up after 10 s without progress by its own count; this tells it that we are alive. */
const ALIVE_MS = 4000;
/** What the library is given at once while its own buffer is empty. */
const PIECE_BYTES = 64 * 1024;
/** What it is given to find out whether its buffer is empty: nothing else tells. */
const PROBE_BYTES = 1;
/** A `Connection` value of this length is `close` to the library, and nothing else is. */
const CLOSE_LENGTH = 5;

const GONE = fault('downstreamClosed', 'down', 'never', 'downstream_remote_disconnect');

export class UwsDown implements DownStream, OutHolder, TimerTarget {
  readonly protocol: string = 'HTTP/1.1';
  private readonly listener: UwsListener;
  private readonly res: HttpResponse;
  private readonly timer: Timer;
  private stream: Stream | null = null;
  /** The library's object may be called. */
  private open = true;
  /** The request's body; null when it has none. */
  private upload: UwsUpload | null = null;
  /** Nothing that follows this request can be trusted, or the caller wants no more. */
  private lastRequest = false;
  /** The library closes by itself after the answer, without saying so in it. */
  private closesAnyway = false;
  /** The head is still to be written. */
  private headDue = false;
  /** Status and fields of the answer that waits to be written. */
  private head = '';
  private way = EMPTY;
  /** Bytes of the body when its length is known. */
  private total = 0;
  /** What the socket did not take. */
  private kept: Buffer | null = null;
  private keptAt = 0;
  private keptIsLast = false;
  /** The library's own buffer was not empty when we last saw it. */
  private stuck = false;
  private watching = false;

  constructor(listener: UwsListener, res: HttpResponse) {
    this.listener = listener;
    this.res = res;
    this.timer = new Timer(this, 0);
  }

  /** The head is complete; what is wrong with it is answered at once. */
  start(req: HttpRequest): void {
    const { listener, res } = this;
    const { tools, plan, limits } = listener;
    const stream = listener.road.take();
    this.stream = stream;
    stream.down = this;
    stream.remoteAddress = remoteAddress(res);
    stream.localAddress = listener.localAddress;
    stream.localPort = listener.localPort;
    stream.startAt = tools.clock.now;
    stream.startWall = tools.clock.wall();
    res.onAborted(() => listener.run(() => this.onAborted()));
    const end = rewriteHead(req);
    tools.cells[plan.http + S.DOWN_CX_RX_BYTES_TOTAL]! += end;
    stream.reqHead.buf = rewritten.buf;
    const length = parseRequestHead(stream.reqHead, rewritten.buf, 0, end, limits);
    if (length === end) {
      this.admit(stream);
      return;
    }
    // Where the library and we do not agree on the head, we would not agree on where the body ends either.
    this.lastRequest = true;
    const error = describeError(length < 0 ? length : -1);
    tools.cells[plan.http + S.DOWN_CX_PROTOCOL_ERROR]!++;
    stream.refuse(error.status, error.details, FLAG_DPE, '');
  }

  onTimer(): void {
    if (!this.open) return;
    this.upload?.stayAlive();
    if (this.kept !== null || this.stuck) this.push();
    if (this.open) this.stayAlive();
    this.listener.tools.out.flush();
  }

  // ---- DownStream ----

  /** The library answers `Expect: 100-continue` by itself and knows no other interim answer. */
  writeInterim(): void {}

  writeHead(more: boolean): boolean {
    const stream = this.stream!;
    const { out } = this.listener.tools;
    if (stream.method === 'HEAD' || stream.status === 204 || stream.status === 304) this.way = EMPTY;
    else if (stream.isLocalReply || stream.resBody === BODY_NONE) this.way = WHOLE;
    else this.way = stream.resBody === BODY_LENGTH ? LENGTH : CHUNKED;
    this.total = stream.resHead.contentLength;
    this.headDue = true;
    this.head = headText(stream, this.way === EMPTY); // the stream's own is gone when this returns
    // A caller that has stopped sending is not waited for; one that still sends gets its answer, and the rest is thrown away.
    if (this.listener.draining || (stream.isLocalReply && stream.status === 408)) this.lastRequest = true;
    if (!this.lastRequest && losesKeepAlive(this.listener)) this.lastRequest = true;
    out.claim(this, 0);
    out.hold(this);
    if (!more) out.flush();
    return true;
  }

  /** The head goes alone. One that is followed by chunks the library completes with the first of them. */
  flushHeld(): void {
    if (!this.open || !this.headDue) return;
    this.cork(() => {
      this.sendHead();
      if (this.way === LENGTH) this.res.tryEnd('', this.total);
    });
    this.stayAlive();
  }

  writeData(buf: Buffer, start: number, end: number, last: boolean): boolean {
    if (!this.open) {
      if (last) this.answered();
      return true;
    }
    const { out, cells } = this.listener.tools;
    out.claim(this, 0); // what another one holds is not ours to release
    out.release();
    cells[this.listener.plan.http + S.DOWN_CX_TX_BYTES_TOTAL]! += end - start;
    let taken = true;
    this.cork(() => {
      taken = this.send(buf.subarray(start, end), last);
    });
    if (last && !this.open) this.answered();
    else if (!taken) this.watch();
    return taken;
  }

  pause(): void {
    this.upload?.pause();
  }

  resume(): void {
    this.upload?.resume();
  }

  reset(): void {
    const { listener } = this;
    this.stream = null;
    this.upload?.drop();
    if (!this.open) return;
    this.countLoss(S.DOWN_CX_DESTROY_LOCAL_ACTIVE_RQ);
    listener.closing = true;
    this.res.close(); // `onAborted` comes before this returns
    listener.closing = false;
    this.leave();
  }

  // ---- the request ----

  private admit(stream: Stream): void {
    const { listener } = this;
    const head = stream.reqHead;
    this.lastRequest = !isPersistent(head);
    this.closesAnyway = head.known(FIELD_CONNECTION)?.length === CLOSE_LENGTH;
    stream.reqBody = requestBody(head);
    if (stream.reqBody === BODY_NONE) stream.requestEndAt = stream.startAt;
    else this.upload = new UwsUpload(listener, this.res, stream);
    if (this.upload !== null) this.stayAlive();
    const rule = admitRequest(stream, listener);
    if (rule !== null) {
      stream.refuse(rule.status, rule.details, rule.details.startsWith('http1.') ? FLAG_DPE : 0, rule.location);
      return;
    }
    listener.identity.apply(stream);
    stream.begin(false);
  }

  private onAborted(): void {
    const { listener, stream } = this;
    this.stream = null;
    this.upload?.drop();
    this.leave();
    if (stream === null) return;
    this.countLoss(listener.closing ? S.DOWN_CX_DESTROY_LOCAL_ACTIVE_RQ : S.DOWN_CX_DESTROY_REMOTE_ACTIVE_RQ);
    stream.downReset(GONE);
  }

  private countLoss(slot: number): void {
    const { tools, plan } = this.listener;
    tools.cells[plan.http + S.DOWN_CX_DESTROY_ACTIVE_RQ]!++;
    tools.cells[plan.http + slot]!++;
  }

  // ---- the answer; all of it inside a cork ----

  /** A connection that goes inside goes by our own doing: the answer that ended was to be its last. */
  private cork(work: () => void): void {
    const { listener } = this;
    listener.closing = true;
    this.res.cork(() => listener.guard(work));
    listener.closing = false;
  }

  private sendHead(): void {
    if (!this.headDue) return;
    this.headDue = false;
    const close = this.lastRequest && (this.way !== WHOLE || this.closesAnyway); // else `end` says so
    const text = close ? `${this.head}\r\nconnection: close` : this.head;
    this.head = '';
    this.listener.tools.cells[this.listener.plan.http + S.DOWN_CX_TX_BYTES_TOTAL]! += text.length;
    this.res.writeStatus(wireText(text));
  }

  /** @returns false when the caller's socket is full. */
  private send(bytes: Buffer, last: boolean): boolean {
    if (this.way === LENGTH && last && this.headDue && bytes.length === this.total && bytes.length <= PIECE_BYTES) this.way = WHOLE;
    this.sendHead();
    if (this.way === LENGTH) return this.sendKnown(bytes, last);
    if (this.way === CHUNKED) return this.sendChunks(bytes, last);
    if (!last) return true; // none of it is for the caller
    this.beforeEnd();
    if (this.way === EMPTY) this.res.endWithoutBody();
    else this.res.end(bytes, this.lastRequest && !this.closesAnyway);
    return true;
  }

  private sendKnown(bytes: Buffer, last: boolean): boolean {
    if (this.kept !== null) {
      this.keep(bytes, last);
      return false;
    }
    const { res } = this;
    const before = res.getWriteOffset();
    if (before + bytes.length >= this.total) this.upload?.release();
    const [ok, done] = res.tryEnd(bytes, this.total);
    if (done) this.leave();
    if (ok || done) return true;
    this.keptAt = res.getWriteOffset();
    this.keep(bytes.subarray(this.keptAt - before), last);
    return false;
  }

  private sendChunks(bytes: Buffer, last: boolean): boolean {
    if (this.kept !== null) {
      this.keep(bytes, last);
      return false;
    }
    const rest = this.feed(bytes);
    if (rest < bytes.length) {
      this.keep(bytes.subarray(rest), last);
      return false;
    }
    if (last) this.endChunks();
    return !this.stuck;
  }

  /** Gives the library as much as it does not have to keep. @returns how much that was. */
  private feed(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length) {
      const next = at + (this.stuck ? PROBE_BYTES : PIECE_BYTES);
      this.stuck = !this.res.write(bytes.subarray(at, next));
      at = Math.min(next, bytes.length);
      if (this.stuck) break;
    }
    return at;
  }

  private endChunks(): void {
    this.beforeEnd();
    this.res.end();
  }

  private keep(bytes: Buffer, last: boolean): void {
    this.kept = this.kept === null ? Buffer.from(bytes) : Buffer.concat([this.kept, bytes]);
    this.keptIsLast = last;
    this.stayAlive();
  }

  private watch(): void {
    if (this.watching) return;
    this.watching = true;
    this.stayAlive();
    this.res.onWritable(() => {
      this.listener.run(() => this.push());
      return this.kept === null;
    });
  }

  /** Tries again with what was kept. */
  private push(): void {
    this.cork(() => {
      if (this.kept === null) return; // an empty cork makes the library drain its own buffer
      if (this.way === LENGTH) this.pushKnown(this.kept);
      else this.pushChunks(this.kept);
    });
    if (!this.open) this.answered();
    else if (this.kept === null) this.stream?.downWritable();
  }

  private pushKnown(bytes: Buffer): void {
    const { res } = this;
    if (this.keptAt + bytes.length >= this.total) this.upload?.release();
    const [ok, done] = res.tryEnd(bytes, this.total);
    if (done) {
      this.leave();
      return;
    }
    const now = ok ? this.keptAt + bytes.length : res.getWriteOffset();
    this.kept = ok ? null : bytes.subarray(now - this.keptAt);
    this.keptAt = now;
  }

  private pushChunks(bytes: Buffer): void {
    const at = this.feed(bytes);
    this.kept = at < bytes.length ? bytes.subarray(at) : null;
    if (this.kept === null && this.keptIsLast) this.endChunks();
  }

  // ---- the end ----

  private beforeEnd(): void {
    this.upload?.release();
    this.leave();
  }

  private answered(): void {
    const { stream } = this;
    this.stream = null;
    if (stream === null) return;
    const { tools, plan } = this.listener;
    if (this.upload !== null && !this.upload.done) tools.cells[plan.http + S.DOWN_RQ_RESPONSE_BEFORE_RQ_COMPLETE]!++;
    this.upload?.drop();
    stream.release();
  }

  /** From here on the library's object is not called any more. */
  private leave(): void {
    if (!this.open) return;
    this.open = false;
    this.kept = null;
    this.headDue = false;
    this.upload?.close();
    this.listener.tools.timers.disarm(this.timer);
    this.listener.forget(this);
  }

  private stayAlive(): void {
    this.listener.tools.timers.arm(this.timer, ALIVE_MS);
  }
}
