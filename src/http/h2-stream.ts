// @hot
// One HTTP/2 stream as its connection sees it: windows, what is queued for it, which of its ends are over. Worker thread.
// `listen` and `cluster` each have one subclass, which carries a request; objects are pooled by them, so `id` 0 says
// "not on a connection". Everything below is the connection's to write; subclasses read, and answer the events.

import type { HpackSink } from './hpack-decoder.ts';
import { SendQueue } from './h2-send-queue.ts';

export abstract class H2Stream implements HpackSink {
  /** 0 when the stream is not (or no longer) on a connection. */
  id = 0;
  /** The peer has sent END_STREAM; we have. */
  remoteEnded = false;
  localEnded = false;
  /** A tunnel: our end does not stand for the peer's (a server resets other streams whose request nobody reads any more). */
  isTunnel = false;
  /** Bytes we may send before the peer grants more. Below zero after it shrank its windows. */
  sendWindow = 0;
  /** Bytes the peer may still send, those it has not been told of left out. */
  recvWindow = 0;
  /** Received, and not yet given back to the peer's window of this stream. */
  unacked = 0;
  /** Received while paused: not yet given back to the peer's window of the connection. */
  withheld = 0;
  paused = false;
  /** Bytes, and perhaps the end, that wait for window or socket. */
  readonly queue: SendQueue = new SendQueue();
  endQueued = false;
  /** The end that is queued is a trailer section, which the subclass writes when asked. */
  trailersQueued = false;
  /** `sendData` returned false: `onDrained` follows. */
  wantsDrained = false;
  /** Where the last frame of this stream stands in the output, as long as it stands there (`H2Output.turn`). */
  frameAt = 0;
  frameTurn = -1;
  /** Monotonic ms of its first frame. */
  since = 0;
  // The connection's table of streams, its ring of those that have something to send, and its list of all of them.
  bucketNext: H2Stream | null = null;
  ringPrev: H2Stream | null = null;
  ringNext: H2Stream | null = null;
  listPrev: H2Stream | null = null;
  listNext: H2Stream | null = null;

  // ---- events; none comes after onReset or onClosed ----

  /** A header block begins: a head, or a trailer section. Its fields follow through `field`, at once. */
  abstract beginBlock(): void;
  abstract field(buf: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number, sensitive: boolean): boolean;
  /**
   * The block is complete. `last`: with END_STREAM.
   * @returns 0, or the code to reset the stream with; `onReset` follows then
   */
  abstract endBlock(last: boolean): number;
  /** Payload, valid during the call. @returns as `endBlock` */
  abstract onData(buf: Buffer, start: number, end: number, last: boolean): number;
  /** After `sendData` returned false: what was queued has gone out. */
  abstract onDrained(): void;
  /** What was queued has gone out; now the trailers. */
  abstract onTrailersDue(): void;
  /** END_STREAM has gone into the output. */
  abstract onLocalEnd(): void;
  /** The stream is over before its time; it is off the connection. `byPeer`: by a RST_STREAM, GOAWAY or the connection's end. */
  abstract onReset(code: number, byPeer: boolean): void;
  /** Both ends are over; it is off the connection. */
  abstract onClosed(): void;

  /** As new, but for the connection's lists, which it is off. */
  clearWire(): void {
    this.id = 0;
    this.remoteEnded = false;
    this.localEnded = false;
    this.isTunnel = false;
    this.unacked = 0;
    this.withheld = 0;
    this.paused = false;
    this.endQueued = false;
    this.trailersQueued = false;
    this.wantsDrained = false;
    this.frameTurn = -1;
    this.queue.clear();
  }
}
