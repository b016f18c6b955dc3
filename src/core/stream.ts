// @hot
// One request and its answer, from the first byte of the head to the last byte of the log line. Worker thread; pooled.
// This is what every room on the road sees. `proxy/journey.ts` is its one subclass: it owns the life, the rooms `listen`
// (below the caller) and `cluster` (before the upstream) call the abstract methods and are called through the two faces.

import type { Address } from './address.ts';
import type { Fault } from './fault.ts';
import type { TlsInfo } from './tls-info.ts';
import type { Head } from './head.ts';
import { giveHead, NO_HEAD, takeHead } from './head-pool.ts';

/** How a body is framed where it came from. */
export const BODY_NONE = 0;
export const BODY_LENGTH = 1; // exactly `head.contentLength` bytes
export const BODY_CHUNKED = 2; // unknown length, its end is marked (chunked, END_STREAM)
export const BODY_CLOSE = 3; // unknown length, ends with the connection (responses only)
/**
 * No end but the tunnel's: bytes both ways behind 101, or behind 200 to CONNECT. Such a request and its answer end one by
 * one: `last` in either direction is the half-close of that one alone, and the stream is over when both have ended.
 */
export const BODY_TUNNEL = 4;
export type BodyKind = 0 | 1 | 2 | 3 | 4;

/** `Stream.upgrade` of CONNECT. The names of protocols are lower-case, so that none can be mistaken for it. */
export const UPGRADE_CONNECT = 'CONNECT';

/** The caller's side of a stream: HTTP/1.1 connection, HTTP/2 stream, uWebSockets.js response. */
export interface DownStream {
  /** `HTTP/1.1` or `HTTP/2`: `%PROTOCOL%`. */
  readonly protocol: string;
  /** Where the caller wanted to go before it was sent here (`Conn.originalDestination`). */
  readonly originalDestination?: Address | null;
  /** An interim answer (1xx, not 101): `stream.interim`. */
  writeInterim(): void;
  /**
   * The final head: `stream.status`, `stream.resHead`, `stream.resBody`.
   * `more`: body bytes, or the end, follow in this same callback, so the head may wait for them.
   * With BODY_TUNNEL the head leaves at once; nothing is read from the caller until the first `resume`.
   * @returns false when the source should pause until `stream.downWritable`.
   */
  writeHead(more: boolean): boolean;
  /** Body bytes, valid during the call. `last` ends the answer (trailers, when there are, from `stream.resTrailers`). */
  writeData(buf: Buffer, start: number, end: number, last: boolean): boolean;
  /** Stop and go on reading the request's body. Not counted: the Journey counts. */
  pause(): void;
  resume(): void;
  /** The answer cannot be completed, or the request is not to be answered at all: RST, or RST_STREAM. */
  reset(): void;
}

/** The upstream's side of one attempt. */
export interface UpStream {
  /** `HTTP/1.1` or `HTTP/2`: `%UPSTREAM_PROTOCOL%`. */
  readonly protocol: string;
  /** The host may turn the request away unseen (`upReset` with `refusedStream`): whoever wants to repeat it must keep it until the answer begins. */
  readonly mayRefuse: boolean;
  /** The connection has carried requests before: it may prove stale (`upReset` with the verdict `ifReused`). */
  readonly isReused: boolean;
  /** The head made from `stream.reqHead`. `last`: no body follows; `more`: body bytes follow in this same callback. */
  writeHead(last: boolean, more: boolean): boolean;
  writeData(buf: Buffer, start: number, end: number, last: boolean): boolean;
  pause(): void;
  resume(): void;
  /** Nobody wants the rest: the connection is closed, or the stream reset; no event follows. */
  abort(): void;
  /** From `responseHead` only: nobody wants this answer. What has come of it is read to its end, so that a short one costs no connection; no event follows. */
  discard(): void;
  /** Everything that comes from now on is another stream's, which has the request's method and framing. */
  handTo(stream: Stream): void;
}

/** What is known of a stream: all that routes, pickers and logs read. A TCP connection's log line is written from one as well. */
export class StreamRecord {
  id = 0;
  down: DownStream | null = null;
  up: UpStream | null = null;

  // The request. `listen` fills these before `begin`.
  /** NO_HEAD once it has gone upstream, unless something still asks for its fields. */
  reqHead: Head = NO_HEAD;
  /** The request came as HTTP/1.0. */
  http10 = false;
  method = '';
  /** Path with query, as received (`:path`). */
  path = '';
  /** Host with port, as received (`:authority`); '' when the request had none. */
  authority = '';
  scheme: 'http' | 'https' = 'http';
  reqBody: BodyKind = BODY_NONE;
  reqTrailers: Head | null = null;
  /** The protocol that the caller wants to change to, lower-case, or UPGRADE_CONNECT; '' for an ordinary request. */
  upgrade = '';
  /** The caller is one of our own: its x-envoy-* fields are heeded. */
  isInternal = false;
  /** A gRPC request, by its content-type. */
  isGrpc = false;
  /** Of its answer; -1 until it is known. */
  grpcStatus = -1;
  /** What goes upstream instead of the received target and authority; '' where they stay as they stand. */
  upstreamPath = '';
  upstreamAuthority = '';

  // The answer.
  status = 0;
  /** NO_HEAD until `answerHead` is called, and again once it has gone to the caller. */
  resHead: Head = NO_HEAD;
  resBody: BodyKind = BODY_NONE;
  resTrailers: Head | null = null;
  /** The answer is ours, not an upstream's. */
  isLocalReply = false;
  /** The interim head being passed on, during `writeInterim` only. */
  interim: Head | null = null;

  // Who.
  connectionId = 0;
  remoteAddress = '';
  remotePort = 0;
  localAddress = '';
  localPort = 0;
  /** What TLS agreed on with the caller; null on a plaintext connection. */
  tls: TlsInfo | null = null;
  /** The caller as far as it is trusted (x-forwarded-for rules); equals `remoteAddress` until `begin`. */
  trustedAddress = '';
  /** One random number for all choices of `route` about this request (fractions, weights); 0 until one is needed. */
  routeDraw = 0;
  /** What the request hashes to, in two signed halves, where its route says how and its cluster asks for it. */
  hashHigh = 0;
  hashLow = 0;
  isHashed = false;
  /** The host that a session sticks to; '' for none. See `cluster/sticky.ts`. */
  stickyHost = '';
  /** No other host will do, at the first attempt. */
  stickyOnly = false;
  /** A `set-cookie` that the answer of a host takes along; '' for none. */
  answerCookie = '';
  routeName = '';
  clusterName = '';
  /** Which hosts of the cluster may be chosen (`config/subset-key.ts`); '': the route does not say. */
  subset = '';
  /** Its address. */
  upstreamHost = '';
  /** The name under which that was looked up; ''. */
  upstreamHostname = '';
  upstreamLocalAddress = '';
  upstreamConnectionId = 0;
  upstreamProtocol = '';

  // What happened.
  flags = 0;
  details = '';
  /** Body bytes received from the caller, and sent to it. */
  bytesReceived = 0;
  bytesSent = 0;
  attempts = 0;
  /** Wall-clock ms at the first byte of the head. */
  startWall = 0;
  /** Monotonic ms; 0 until it happened. */
  startAt = 0;
  requestEndAt = 0;
  upstreamStartAt = 0;
  responseStartAt = 0;
  endAt = 0;
  /** The server name that the caller asked for in TLS; '' without. */
  serverName = '';
  /** Where the caller wanted to go before it was sent here; filled where a cluster asks for it. */
  originalDestination: Address | null = null;

  /** The head of the answer, for whoever fills it. */
  answerHead(): Head {
    if (this.resHead === NO_HEAD) this.resHead = takeHead();
    return this.resHead;
  }

  protected dropRequestHead(): void {
    giveHead(this.reqHead);
    this.reqHead = NO_HEAD;
  }

  protected dropAnswerHead(): void {
    giveHead(this.resHead);
    this.resHead = NO_HEAD;
  }

  /** Back to the state of a new one. Subclasses add their own. */
  clear(): void {
    this.down = null;
    this.up = null;
    this.dropRequestHead();
    this.http10 = false;
    this.method = '';
    this.path = '';
    this.authority = '';
    this.reqBody = BODY_NONE;
    this.reqTrailers = null;
    this.upgrade = '';
    this.upstreamPath = '';
    this.upstreamAuthority = '';
    this.status = 0;
    this.dropAnswerHead();
    this.resBody = BODY_NONE;
    this.resTrailers = null;
    this.isLocalReply = false;
    this.interim = null;
    this.remoteAddress = '';
    this.localAddress = '';
    this.trustedAddress = '';
    this.isInternal = false;
    this.tls = null;
    this.routeDraw = 0;
    this.isHashed = false;
    this.stickyHost = '';
    this.stickyOnly = false;
    this.answerCookie = '';
    this.routeName = '';
    this.clusterName = '';
    this.subset = '';
    this.upstreamHost = '';
    this.upstreamHostname = '';
    this.upstreamLocalAddress = '';
    this.upstreamConnectionId = 0;
    this.upstreamProtocol = '';
    this.flags = 0;
    this.details = '';
    this.bytesReceived = 0;
    this.bytesSent = 0;
    this.attempts = 0;
    this.requestEndAt = 0;
    this.upstreamStartAt = 0;
    this.responseStartAt = 0;
    this.endAt = 0;
    this.isGrpc = false;
    this.grpcStatus = -1;
    this.serverName = '';
    this.originalDestination = null;
  }
}

export abstract class Stream extends StreamRecord {
  // ---- called by `listen` ----
  /** The head is complete. `more`: body bytes follow in this same callback. */
  abstract begin(more: boolean): void;
  /** The request broke a rule, in its head (then this stands for `begin`) or behind it: answered with this status where that is still possible. */
  abstract refuse(status: number, details: string, flags: number, location: string): void;
  /** `last` ends the request; of a tunnel it ends one direction, see BODY_TUNNEL. */
  abstract requestData(buf: Buffer, start: number, end: number, last: boolean): void;
  /** The caller left before its head was complete, or sent none that may be one: nobody to answer. */
  abstract abandon(why?: Fault): void;
  /** What was taken for the beginning of a request was none. */
  abstract forget(): void;
  /** The caller can take bytes again. */
  abstract downWritable(): void;
  /** The caller is gone, or broke the protocol after `begin`. No call on `down` follows. */
  abstract downReset(fault: Fault): void;
  /** The last byte of the answer was handed to the caller's connection and the request has ended: `listen` gives the stream back. */
  abstract release(): void;

  // ---- called by `cluster` ----
  abstract upReady(up: UpStream): void;
  /** No connection could be had; nothing was sent. */
  abstract upFailed(fault: Fault): void;
  abstract upWritable(): void;
  /** `interim` is set. */
  abstract responseInterim(): void;
  /** `status`, `resHead`, `resBody` are set. `more` as in `begin`. */
  abstract responseHead(more: boolean): void;
  abstract responseData(buf: Buffer, start: number, end: number, last: boolean): void;
  /** The attempt is over before its answer was complete. */
  abstract upReset(fault: Fault): void;
}
