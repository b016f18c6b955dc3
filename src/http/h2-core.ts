// @hot
// What an HTTP/2 connection is apart from the frames that come in: its streams and their ends, its windows, its output, what
// its owner may do with it. Worker thread. `h2-connection.ts` is its one subclass and reads the frames.
//
// What breaks a rule ends the stream (`cut`) or the connection (`fail`) with the code that RFC 9113 names there.
// Windows are given back for what the consumer took: bytes that arrive while a stream is paused stay on its account.

import { HpackEncoder } from './hpack-encoder.ts';
import * as F from './h2-frames.ts';
import { FloodGuards } from './h2-guards.ts';
import * as L from './h2-limits.ts';
import { type EndWatcher, H2Output, type H2Wire } from './h2-output.ts';
import { PeerSettings } from './h2-settings.ts';
import type { H2Stream } from './h2-stream.ts';
import { CLOSED_BY_PEER, CLOSED_BY_US, CLOSED_ENDED, StreamTable } from './h2-table.ts';

const DRAIN_PING = Buffer.from('draining', 'latin1');
const ALIVE_PING = Buffer.from('alive?  ', 'latin1');

/** The details of a rapid reset: its stat is one of the road's, not of the codec's. */
export const TOO_MANY_RESETS = 'http2.too_many_premature_resets';
const FLOOD_DETAILS: Readonly<Record<number, string>> = {
  [L.H2_INBOUND_EMPTY_FRAMES_FLOOD]: 'http2.inbound_empty_frames_flood',
  [L.H2_INBOUND_PRIORITY_FRAMES_FLOOD]: 'http2.inbound_priority_frames_flood',
  [L.H2_INBOUND_WINDOW_UPDATE_FRAMES_FLOOD]: 'http2.inbound_window_update_frames_flood',
  [L.H2_INBOUND_CONTINUATION_FLOOD]: 'http2.inbound_continuation_flood',
  [L.H2_OUTBOUND_CONTROL_FLOOD]: 'http2.outbound_control_frames_flood',
  [L.H2_OUTBOUND_FLOOD]: 'http2.outbound_frames_flood',
  [L.H2_HPACK_BOMB]: 'http2.hpack_bomb',
};

export interface H2Owner extends H2Wire {
  /** Server: the peer begins a stream. */
  openStream(): H2Stream;
  /** A stat of `h2-limits.ts`. */
  count(stat: number, by: number): void;
  /** A connection error: GOAWAY stands in the output. The owner flushes and closes; then it calls `gone`. */
  failed(code: number, details: string): void;
  /** The peer sent GOAWAY; streams above `lastId` have been reset with REFUSED_STREAM. */
  onGoaway(lastId: number, code: number): void;
  onSettings(): void;
  /** The answer to `ping`. */
  onPong(): void;
  /** A stream is over, or the last step of a drain was taken. */
  onStreamGone(): void;
}

export interface H2Options {
  readonly isServer: boolean;
  readonly limits: L.H2Limits;
  /** Server: says that it takes `:protocol` (RFC 8441). */
  readonly connectProtocol: boolean;
  /** Monotonic ms. */
  readonly clock: { readonly now: number };
}

export abstract class H2Core implements EndWatcher {
  readonly streams: StreamTable = new StreamTable();
  readonly output: H2Output;
  readonly encoder: HpackEncoder = new HpackEncoder();
  readonly peer: PeerSettings = new PeerSettings();
  /** The peer's last GOAWAY; Infinity before. */
  goawayLastId = Infinity;
  /** Failed, or the socket is gone. */
  over = false;
  draining = false;
  /** The last step of a drain was taken: nothing new can begin. */
  closedToNew = false;
  protected readonly owner: H2Owner;
  protected readonly options: H2Options;
  protected readonly guards: FloodGuards;
  protected settingsAcked = false;
  /** The highest id that the peer has used, and the next of ours. */
  protected lastPeerId = 0;
  protected nextId = 1;
  /** Bytes the peer may send on all streams; those consumed and not yet told. */
  protected recvWindow: number = F.FIRST_WINDOW;
  private consumed = 0;
  /** Answered before their request had ended: at the end of the turn it is cut off where it has not. */
  private readonly early: number[] = [];

  constructor(owner: H2Owner, options: H2Options) {
    this.owner = owner;
    this.options = options;
    this.output = new H2Output(owner, this);
    this.guards = new FloodGuards(options.limits);
  }

  /** Nothing more is read. */
  protected abstract stopReading(): void;

  // ---- what the owner may do ----

  /** Our preface: to be called once the connection is up. */
  start(): void {
    const { isServer, limits, connectProtocol } = this.options;
    const settings = [F.SETTING_INITIAL_WINDOW_SIZE, limits.initialStreamWindowBytes, F.SETTING_MAX_HEADER_LIST_SIZE, limits.maxHeadBytes];
    if (isServer) settings.push(F.SETTING_MAX_CONCURRENT_STREAMS, limits.maxConcurrentStreams);
    else settings.push(F.SETTING_ENABLE_PUSH, 0);
    if (isServer && connectProtocol) settings.push(F.SETTING_ENABLE_CONNECT_PROTOCOL, 1);
    const { output } = this;
    output.room(128);
    if (!isServer) {
      F.PREFACE.copy(output.buf, output.at);
      output.at += F.PREFACE.length;
    }
    output.at = F.writeSettings(output.buf, output.at, settings);
    const more = limits.initialConnectionWindowBytes - F.FIRST_WINDOW;
    if (more <= 0) return;
    output.at = F.writeWindowUpdate(output.buf, output.at, 0, more);
    this.recvWindow += more;
  }

  /** The turn's end, or earlier: everything that can leave does. */
  flush(): void {
    if (this.early.length > 0) this.cutEarly();
    this.output.flush();
    this.checkOutbound();
  }

  /** The socket has taken everything. */
  writable(): void {
    this.output.writable();
  }

  /** The socket is gone: every stream hears of it. */
  gone(code: number = F.CANCEL): void {
    this.over = true;
    this.output.dead = true;
    this.stopReading();
    for (let stream = this.streams.first; stream !== null; stream = this.streams.first) {
      this.takeOff(stream, CLOSED_BY_PEER);
      stream.onReset(code, true);
    }
  }

  /** Client: begins a stream. @returns false when the peer takes no more, now or (`goawayLastId`) ever */
  open(stream: H2Stream): boolean {
    if (this.over || this.goawayLastId !== Infinity || this.nextId > F.LARGEST_ID - 2) return false;
    if (this.streams.count >= this.peer.maxConcurrentStreams) return false;
    this.enter(stream, this.nextId);
    this.nextId += 2;
    return true;
  }

  /** A header block of at most `bytes` begins: `encoder` writes it into `output.buf` from the offset returned on. */
  beginHead(bytes: number): number {
    return this.output.beginHead(bytes);
  }

  endHead(stream: H2Stream, end: number, last: boolean): void {
    this.output.endHead(stream, end, last);
  }

  /** @returns false when the source should pause until `onDrained` */
  sendData(stream: H2Stream, buf: Buffer, start: number, end: number, last: boolean): boolean {
    if (this.over) return true;
    return this.output.data(stream, buf, start, end, last);
  }

  /** Trailers end the stream: `onTrailersDue` comes when all payload is out, perhaps before this returns. */
  sendTrailers(stream: H2Stream): void {
    if (this.over) return;
    if (stream.queue.length === 0) {
      stream.onTrailersDue();
      return;
    }
    stream.trailersQueued = true;
  }

  pause(stream: H2Stream): void {
    stream.paused = true;
  }

  resume(stream: H2Stream): void {
    if (!stream.paused || stream.id === 0) return;
    stream.paused = false;
    const { withheld } = stream;
    stream.withheld = 0;
    this.consume(withheld);
    this.giveBack(stream);
  }

  /** Ends a stream before its time, on our own account: no `onReset` follows. */
  reset(stream: H2Stream, code: number): void {
    const { id } = stream;
    if (id === 0) return;
    this.takeOff(stream, CLOSED_BY_US);
    this.writeReset(id, code);
    this.owner.onStreamGone();
  }

  /** A connection error. */
  fail(code: number, details: string): void {
    if (this.over) return;
    this.over = true;
    this.stopReading();
    this.goaway(this.lastPeerId, code);
    this.owner.failed(code, details);
  }

  /** The peer let a time pass that is not its to waste. */
  timedOut(details: string): void {
    this.fail(F.NO_ERROR, details);
  }

  /** No new streams: says so, and once the peer has heard it (`finishDrain` at the latest), says which were the last. */
  drain(): void {
    if (this.draining || this.over) return;
    this.draining = true;
    this.goaway(F.LARGEST_ID, F.NO_ERROR);
    this.writePing(DRAIN_PING);
  }

  finishDrain(): void {
    if (this.closedToNew || this.over) return;
    this.closedToNew = true;
    this.goaway(this.lastPeerId, F.NO_ERROR);
    this.owner.onStreamGone();
  }

  /** `onPong` follows when the peer is alive. */
  ping(): void {
    if (!this.over) this.writePing(ALIVE_PING);
  }

  // ---- windows ----

  /** Bytes that a consumer has taken, or that nobody wants: the connection's window opens again. */
  protected consume(bytes: number): void {
    this.consumed += bytes;
    if (this.consumed * 2 < this.options.limits.initialConnectionWindowBytes || this.over) return;
    const { output } = this;
    output.room(13);
    output.at = F.writeWindowUpdate(output.buf, output.at, 0, this.consumed);
    this.recvWindow += this.consumed;
    this.consumed = 0;
  }

  protected giveBack(stream: H2Stream): void {
    if (stream.paused || stream.remoteEnded || stream.unacked * 2 < this.options.limits.initialStreamWindowBytes || this.over) return;
    if (stream.unacked === 0) return;
    const { output } = this;
    output.room(13);
    output.at = F.writeWindowUpdate(output.buf, output.at, stream.id, stream.unacked);
    stream.recvWindow += stream.unacked;
    stream.unacked = 0;
  }

  // ---- the ends of streams ----

  localEnded(stream: H2Stream): void {
    const { id } = stream;
    stream.localEnded = true;
    stream.onLocalEnd();
    if (stream.id !== id) return;
    if (stream.remoteEnded) this.ended(stream);
    else if (this.options.isServer && !stream.isTunnel) this.early.push(id);
  }

  queued(bytes: number): void {
    this.owner.count(L.H2_PENDING_SEND_BYTES, bytes);
  }

  protected ended(stream: H2Stream): void {
    this.takeOff(stream, CLOSED_ENDED);
    this.guards.streamEnded(false, 0);
    stream.onClosed();
    this.owner.onStreamGone();
  }

  /** A stream error: the peer broke a rule on it. */
  protected cut(stream: H2Stream, code: number): void {
    const { id } = stream;
    const age = this.options.clock.now - stream.since;
    if (code === F.PROTOCOL_ERROR) this.owner.count(L.H2_RX_MESSAGING_ERROR, 1);
    this.takeOff(stream, CLOSED_BY_US);
    this.writeReset(id, code);
    stream.onReset(code, false);
    if (this.guards.streamEnded(true, age)) this.tooManyResets();
    else this.owner.onStreamGone();
  }

  /** Answers that were complete before their requests: the rest is not wanted (RFC 9113 section 8.1). */
  private cutEarly(): void {
    while (this.early.length > 0) {
      const stream = this.streams.get(this.early.pop()!);
      if (stream === null || stream.remoteEnded) continue;
      this.reset(stream, F.NO_ERROR);
      stream.onReset(F.NO_ERROR, false);
    }
  }

  protected takeOff(stream: H2Stream, how: number): void {
    const { owner } = this;
    this.output.leave(stream);
    this.streams.remove(stream, how);
    owner.count(L.H2_STREAMS_ACTIVE, -1);
    if (stream.queue.length > 0) {
      owner.count(L.H2_PENDING_SEND_BYTES, -stream.queue.length);
      stream.queue.clear();
    }
    if (stream.withheld > 0) this.consume(stream.withheld);
    stream.withheld = 0;
    stream.id = 0;
  }

  // ---- the beginning of streams ----

  protected enter(stream: H2Stream, id: number): void {
    const { clock, limits } = this.options;
    const window = limits.initialStreamWindowBytes;
    stream.id = id;
    stream.since = clock.now;
    stream.sendWindow = this.peer.initialWindow;
    // Until it has acknowledged our settings, the peer may count with the window of RFC 9113 section 6.9.2.
    stream.recvWindow = this.settingsAcked ? window : Math.max(window, F.FIRST_WINDOW);
    this.streams.add(stream);
    this.owner.count(L.H2_STREAMS_ACTIVE, 1);
  }

  // ---- limits ----

  protected flooded(stat: number): void {
    this.owner.count(stat, 1);
    this.fail(F.ENHANCE_YOUR_CALM, FLOOD_DETAILS[stat] ?? 'http2.flood');
  }

  protected tooManyResets(): void {
    this.fail(F.ENHANCE_YOUR_CALM, TOO_MANY_RESETS);
  }

  /** A frame went out that the peer can provoke at will; `checkOutbound` follows. */
  protected countControl(): void {
    this.output.frames++;
    this.output.controlFrames++;
  }

  /** Not where a frame is written: streams must not end under the hands of whoever writes. */
  protected checkOutbound(): void {
    const { output } = this;
    const { limits } = this.options;
    if (output.controlFrames <= limits.maxOutboundControlFrames && output.frames <= limits.maxOutboundFrames) return;
    if (this.over) return;
    output.sendOut(); // perhaps the socket takes them
    if (output.controlFrames > limits.maxOutboundControlFrames) this.flooded(L.H2_OUTBOUND_CONTROL_FLOOD);
    else if (output.frames > limits.maxOutboundFrames) this.flooded(L.H2_OUTBOUND_FLOOD);
  }

  // ---- small frames ----

  protected writeReset(id: number, code: number): void {
    if (this.over) return;
    const { output } = this;
    output.room(13);
    output.at = F.writeRstStream(output.buf, output.at, id, code);
    this.owner.count(L.H2_TX_RESET, 1);
    this.countControl();
  }

  private writePing(data: Buffer): void {
    const { output } = this;
    output.room(17);
    output.at = F.writePing(output.buf, output.at, 0, data, 0);
  }

  private goaway(lastId: number, code: number): void {
    const { output } = this;
    output.room(17);
    output.at = F.writeGoaway(output.buf, output.at, lastId, code);
    this.owner.count(L.H2_GOAWAY_SENT, 1);
  }

  /** The answer to one of our PINGs. */
  protected pinged(buf: Buffer, start: number): void {
    if (DRAIN_PING.compare(buf, start, start + 8) === 0) {
      if (this.draining) this.finishDrain();
    } else if (ALIVE_PING.compare(buf, start, start + 8) === 0) {
      this.owner.onPong();
    }
  }
}
