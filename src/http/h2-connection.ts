// @hot
// One HTTP/2 connection without its socket, for both roles: reads the frames and does what each asks for (RFC 9113 section 6).
// Worker thread; owned by `listen` (server) or `cluster` (client). Above it stand H2Streams, which carry the requests.
// What it keeps, and what its owner may ask of it, is `h2-core.ts`.

import { DISCARD, HeaderBlock } from './h2-block.ts';
import { H2Core, type H2Options, type H2Owner } from './h2-core.ts';
import * as F from './h2-frames.ts';
import * as L from './h2-limits.ts';
import { FrameReader, type FrameSink } from './h2-reader.ts';
import type { H2Stream } from './h2-stream.ts';
import { CLOSED_BY_PEER, CLOSED_BY_US, CLOSED_UNKNOWN } from './h2-table.ts';
import { HPACK_STOPPED, HpackDecoder } from './hpack-decoder.ts';

/** The most that a peer's setting makes us remember: a larger table would cost more than it saves. */
const ENCODER_TABLE_BYTES = 4096;

export class H2Connection extends H2Core implements FrameSink {
  private readonly reader: FrameReader;
  private readonly decoder: HpackDecoder;
  private readonly block: HeaderBlock;
  private prefaceAt: number;
  private settingsSeen = false;
  /** The stream of the DATA frame under way, null when nobody wants it. */
  private dataStream: H2Stream | null = null;
  private dataBytes = 0;

  constructor(owner: H2Owner, options: H2Options) {
    super(owner, options);
    this.reader = new FrameReader(this);
    this.decoder = new HpackDecoder(F.TABLE_BYTES);
    this.block = new HeaderBlock(options.limits);
    this.prefaceAt = options.isServer ? 0 : F.PREFACE.length;
  }

  /** Bytes from the socket; they are dealt with before this returns. */
  receive(buf: Buffer, start: number, end: number): void {
    let pos = start;
    while (this.prefaceAt < F.PREFACE.length && pos < end && !this.over) {
      if (buf[pos++] !== F.PREFACE[this.prefaceAt++]) this.fail(F.PROTOCOL_ERROR, 'http2.bad_preface');
    }
    if (pos < end && !this.over) this.reader.read(buf, pos, end);
  }

  /** A header block has begun and not ended: nothing else may come before its end. */
  get inHead(): boolean {
    return this.block.id !== 0 || (this.reader.inFrame && this.reader.type === F.FRAME_HEADERS);
  }

  protected stopReading(): void {
    this.reader.stop();
  }

  // ---- frames ----

  onFrameHead(): void {
    const { type, id, length, flags } = this.reader;
    if (length > F.FRAME_BYTES) this.fail(F.FRAME_SIZE_ERROR, 'http2.frame_too_large');
    else if (!this.settingsSeen && (type !== F.FRAME_SETTINGS || (flags & F.ACK) !== 0)) this.fail(F.PROTOCOL_ERROR, 'http2.settings_expected');
    else if (this.block.id !== 0 && (type !== F.FRAME_CONTINUATION || id !== this.block.id)) this.fail(F.PROTOCOL_ERROR, 'http2.continuation_expected');
    else if (type === F.FRAME_DATA) this.beginData(id, length);
  }

  onFrame(buf: Buffer, start: number, end: number): void {
    const { type } = this.reader;
    switch (type) {
      case F.FRAME_HEADERS:
        this.onHeaders(buf, start, end);
        break;
      case F.FRAME_CONTINUATION:
        this.onContinuation(buf, start, end);
        break;
      case F.FRAME_WINDOW_UPDATE:
        this.onWindowUpdate(buf, start, end - start);
        break;
      case F.FRAME_RST_STREAM:
        this.onRstStream(buf, start, end - start);
        break;
      case F.FRAME_SETTINGS:
        this.onSettings(buf, start, end);
        break;
      case F.FRAME_PING:
        this.onPing(buf, start, end - start);
        break;
      case F.FRAME_PRIORITY:
        this.onPriority(end - start);
        break;
      case F.FRAME_GOAWAY:
        this.onGoaway(buf, start, end - start);
        break;
      default:
        // PUSH_PROMISE: clients never push, and we never let a server (RFC 9113 sections 6.6 and 8.4).
        this.fail(F.PROTOCOL_ERROR, 'http2.push_promise');
    }
    this.checkOutbound();
  }

  onBadPadding(): void {
    this.fail(F.PROTOCOL_ERROR, 'http2.bad_padding');
  }

  // ---- DATA ----

  private beginData(id: number, length: number): void {
    this.dataBytes = 0;
    this.dataStream = null;
    if (id === 0) {
      this.fail(F.PROTOCOL_ERROR, 'http2.data_on_connection');
      return;
    }
    if (length === 0 && (this.reader.flags & F.PADDED) !== 0) {
      this.fail(F.FRAME_SIZE_ERROR, 'http2.frame_size');
      return;
    }
    this.recvWindow -= length;
    if (this.recvWindow < 0) {
      this.fail(F.FLOW_CONTROL_ERROR, 'http2.connection_window');
      return;
    }
    const stream = this.streams.get(id);
    if (stream === null) {
      this.onStray(id, F.STREAM_CLOSED);
    } else if (stream.remoteEnded) {
      this.cut(stream, F.STREAM_CLOSED);
    } else {
      stream.recvWindow -= length;
      if (stream.recvWindow < 0) this.cut(stream, F.FLOW_CONTROL_ERROR);
      else this.dataStream = stream;
    }
  }

  onBytes(buf: Buffer, start: number, end: number, done: boolean): void {
    const { reader } = this;
    const { id } = reader;
    const last = done && (reader.flags & F.END_STREAM) !== 0;
    let spent = end - start;
    this.dataBytes += spent;
    if (done) {
      spent += reader.length - this.dataBytes; // padding
      const flood = this.guards.payloadFrame(this.dataBytes === 0 && !last);
      if (flood !== 0) {
        this.flooded(flood);
        return;
      }
    }
    const stream = this.dataStream;
    if (stream === null || stream.id !== id) {
      this.consume(spent);
      return;
    }
    if (last) stream.remoteEnded = true;
    const fault = last || end > start ? stream.onData(buf, start, end, last) : 0;
    if (stream.id !== id) {
      this.consume(spent);
      return;
    }
    stream.unacked += spent;
    if (stream.paused) stream.withheld += spent;
    else this.consume(spent);
    if (fault !== 0) this.cut(stream, fault);
    else if (!last) this.giveBack(stream);
    else if (stream.localEnded) this.ended(stream);
  }

  // ---- HEADERS, CONTINUATION ----

  private onHeaders(buf: Buffer, start: number, end: number): void {
    const { flags, id } = this.reader;
    let from = start;
    let padding = 0;
    if (id === 0) {
      this.fail(F.PROTOCOL_ERROR, 'http2.headers_on_connection');
      return;
    }
    if ((flags & F.PADDED) !== 0 && from < end) padding = buf[from++]!;
    else if ((flags & F.PADDED) !== 0) from = end + 1;
    if ((flags & F.WITH_PRIORITY) !== 0) from += 5;
    if (from > end) {
      this.fail(F.FRAME_SIZE_ERROR, 'http2.frame_size');
      return;
    }
    if (end - padding < from) {
      this.onBadPadding();
      return;
    }
    const last = (flags & F.END_STREAM) !== 0;
    const flood = this.guards.payloadFrame(end - padding === from && !last);
    if (flood !== 0) {
      this.flooded(flood);
      return;
    }
    this.block.begin(id, last);
    this.findReceiver(id);
    if (this.over) return;
    if ((flags & F.END_HEADERS) !== 0) this.decode(buf, from, end - padding);
    else this.block.add(buf, from, end - padding);
  }

  private onContinuation(buf: Buffer, start: number, end: number): void {
    const { block } = this;
    const { flags } = this.reader;
    if (block.id === 0) {
      this.fail(F.PROTOCOL_ERROR, 'http2.unexpected_continuation');
      return;
    }
    const flood = this.guards.payloadFrame(start === end && (flags & F.END_HEADERS) === 0) || block.add(buf, start, end);
    if (flood !== 0) this.flooded(flood);
    else if ((flags & F.END_HEADERS) !== 0) this.decode(block.bytes, 0, block.length);
  }

  /** Whose header block it is; a block that nobody wants is decoded all the same, for the table's sake. */
  private findReceiver(id: number): void {
    const stream = this.streams.get(id);
    const { block } = this;
    if (stream !== null) {
      if (stream.remoteEnded) block.fault = F.STREAM_CLOSED;
      else block.stream = stream;
    } else if (this.options.isServer && id > this.lastPeerId) {
      this.openForPeer(id);
    } else {
      block.fault = this.onStray(id, 0);
    }
  }

  private openForPeer(id: number): void {
    const { block, guards, owner } = this;
    if ((id & 1) === 0) {
      this.fail(F.PROTOCOL_ERROR, 'http2.even_stream_id');
      return;
    }
    this.lastPeerId = id;
    guards.streamsOpened++;
    if (this.closedToNew || this.streams.count >= this.options.limits.maxConcurrentStreams) {
      owner.count(L.H2_STREAM_REFUSED_ERRORS, 1);
      block.fault = F.REFUSED_STREAM;
      this.streams.remember(id, CLOSED_BY_US);
      return;
    }
    const stream = owner.openStream();
    this.enter(stream, id);
    block.stream = stream;
  }

  private decode(buf: Buffer, start: number, end: number): void {
    const { block } = this;
    const { id, last, fault } = block;
    const stream = block.receiver();
    block.clear();
    if (stream === null) DISCARD.begin(this.options.limits);
    else stream.beginBlock();
    const result = this.decoder.decode(buf, start, end, stream ?? DISCARD);
    if (result < 0) {
      this.decodeFailed(result);
    } else if (fault !== 0) {
      this.refuse(id, fault);
    } else if (stream !== null) {
      if (last) stream.remoteEnded = true;
      const wrong = stream.endBlock(last);
      if (stream.id !== id) return;
      if (wrong !== 0) this.cut(stream, wrong);
      else if (last && stream.localEnded) this.ended(stream);
    }
  }

  private decodeFailed(result: number): void {
    if (result === HPACK_STOPPED) this.flooded(L.H2_HPACK_BOMB);
    else this.fail(F.COMPRESSION_ERROR, 'http2.header_compression');
  }

  /** RST_STREAM for a stream that is not in the table. */
  private refuse(id: number, code: number): void {
    if (code !== F.REFUSED_STREAM && this.guards.streamEnded(true, 0)) this.tooManyResets();
    else this.writeReset(id, code);
  }

  // ---- the other frames ----

  private onRstStream(buf: Buffer, start: number, length: number): void {
    const { id } = this.reader;
    if (length !== 4) {
      this.fail(F.FRAME_SIZE_ERROR, 'http2.frame_size');
      return;
    }
    const stream = this.streams.get(id);
    if (stream === null) {
      if (this.isIdle(id)) this.fail(F.PROTOCOL_ERROR, 'http2.rst_stream_on_idle');
      return;
    }
    const early = !stream.localEnded || stream.queue.length > 0;
    this.owner.count(L.H2_RX_RESET, 1);
    this.takeOff(stream, CLOSED_BY_PEER);
    stream.onReset(F.readUint32(buf, start), true);
    if (this.guards.streamEnded(early, this.options.clock.now - stream.since)) this.tooManyResets();
    else this.owner.onStreamGone();
  }

  private onWindowUpdate(buf: Buffer, start: number, length: number): void {
    const { id } = this.reader;
    if (length !== 4) {
      this.fail(F.FRAME_SIZE_ERROR, 'http2.frame_size');
      return;
    }
    const flood = this.guards.windowUpdate(this.output.dataFramesSent);
    if (flood !== 0) {
      this.flooded(flood);
      return;
    }
    const increment = F.readUint31(buf, start);
    const { output } = this;
    if (id === 0) {
      output.window += increment;
      if (increment === 0) this.fail(F.PROTOCOL_ERROR, 'http2.window_update_zero');
      else if (output.window > F.LARGEST_WINDOW) this.fail(F.FLOW_CONTROL_ERROR, 'http2.window_overflow');
      else output.wake();
      return;
    }
    const stream = this.streams.get(id);
    if (stream === null) {
      if (this.isIdle(id)) this.fail(F.PROTOCOL_ERROR, 'http2.window_update_on_idle');
      return;
    }
    stream.sendWindow += increment;
    if (increment === 0) this.cut(stream, F.PROTOCOL_ERROR);
    else if (stream.sendWindow > F.LARGEST_WINDOW) this.cut(stream, F.FLOW_CONTROL_ERROR);
    else if (stream.queue.length > 0) output.enroll(stream);
  }

  private onSettings(buf: Buffer, start: number, end: number): void {
    const { flags, id } = this.reader;
    const length = end - start;
    const ack = (flags & F.ACK) !== 0;
    if (id !== 0) {
      this.fail(F.PROTOCOL_ERROR, 'http2.settings_on_stream');
      return;
    }
    if (ack ? length !== 0 : length % F.SETTING_BYTES !== 0) {
      this.fail(F.FRAME_SIZE_ERROR, 'http2.frame_size');
      return;
    }
    if (ack) {
      this.settingsAcked = true;
      return;
    }
    const before = this.peer.initialWindow;
    const fault = this.peer.read(buf, start, end, !this.options.isServer);
    if (fault !== 0) {
      this.fail(fault, 'http2.bad_setting');
      return;
    }
    this.settingsSeen = true;
    if (!this.shiftWindows(this.peer.initialWindow - before)) return;
    this.encoder.setMaxTableSize(Math.min(this.peer.headerTableBytes, ENCODER_TABLE_BYTES));
    const { output } = this;
    output.room(F.FRAME_HEAD_BYTES);
    output.at = F.writeSettingsAck(output.buf, output.at);
    this.countControl();
    this.owner.onSettings();
  }

  /** RFC 9113 section 6.9.2: a new initial window moves those of all streams. */
  private shiftWindows(by: number): boolean {
    if (by === 0) return true;
    for (let stream = this.streams.first; stream !== null; stream = stream.listNext) {
      stream.sendWindow += by;
      if (stream.sendWindow > F.LARGEST_WINDOW) {
        this.fail(F.FLOW_CONTROL_ERROR, 'http2.window_overflow');
        return false;
      }
      if (by > 0 && stream.queue.length > 0) this.output.enroll(stream);
    }
    return true;
  }

  private onPing(buf: Buffer, start: number, length: number): void {
    const { id, flags } = this.reader;
    if (id !== 0 || length !== 8) {
      this.fail(id !== 0 ? F.PROTOCOL_ERROR : F.FRAME_SIZE_ERROR, 'http2.bad_ping');
      return;
    }
    if ((flags & F.ACK) === 0) {
      const { output } = this;
      output.room(17);
      output.at = F.writePing(output.buf, output.at, F.ACK, buf, start);
      this.countControl();
    } else {
      this.pinged(buf, start);
    }
  }

  /** Priorities are read over (RFC 9113 section 5.3.2), but not without end. */
  private onPriority(length: number): void {
    const { id } = this.reader;
    if (id === 0) {
      this.fail(F.PROTOCOL_ERROR, 'http2.priority_on_connection');
      return;
    }
    const flood = this.guards.priorityFrame();
    if (flood !== 0) {
      this.flooded(flood);
    } else if (length !== 5) {
      const stream = this.streams.get(id);
      if (stream !== null) this.cut(stream, F.FRAME_SIZE_ERROR);
      else if (this.isIdle(id)) this.fail(F.FRAME_SIZE_ERROR, 'http2.frame_size');
      else this.refuse(id, F.FRAME_SIZE_ERROR);
    }
  }

  private onGoaway(buf: Buffer, start: number, length: number): void {
    if (this.reader.id !== 0 || length < 8) {
      this.fail(length < 8 ? F.FRAME_SIZE_ERROR : F.PROTOCOL_ERROR, 'http2.bad_goaway');
      return;
    }
    const lastId = F.readUint31(buf, start);
    if (lastId > this.goawayLastId) {
      this.fail(F.PROTOCOL_ERROR, 'http2.goaway_grows');
      return;
    }
    this.goawayLastId = lastId;
    if (!this.options.isServer) this.dropAbove(lastId);
    this.owner.onGoaway(lastId, F.readUint32(buf, start + 4));
  }

  /** Streams that the server will never look at: whoever wants can repeat them elsewhere (RFC 9113 section 6.8). */
  private dropAbove(lastId: number): void {
    let next: H2Stream | null;
    for (let stream = this.streams.first; stream !== null; stream = next) {
      next = stream.listNext;
      if (stream.id <= lastId) continue;
      this.takeOff(stream, CLOSED_BY_PEER);
      stream.onReset(F.REFUSED_STREAM, true);
    }
  }

  /**
   * A frame for a stream that is not in the table. `late`: the code when the peer itself had reset it.
   * @returns the stream error to answer with, 0 for none; after `fail` it does not matter
   */
  private onStray(id: number, late: number): number {
    const how = this.isIdle(id) ? -1 : this.streams.howClosed(id);
    if (how === CLOSED_BY_US) return 0;
    if (how === CLOSED_BY_PEER) {
      if (late !== 0) this.refuse(id, late);
      return F.STREAM_CLOSED;
    }
    // Both ends had ended, or it never began: RFC 9113 sections 5.1 and 5.1.1.
    this.fail(how === -1 || how === CLOSED_UNKNOWN ? F.PROTOCOL_ERROR : F.STREAM_CLOSED, 'http2.frame_on_closed_stream');
    return 0;
  }

  private isIdle(id: number): boolean {
    const own = (id & 1) === (this.options.isServer ? 0 : 1);
    if (id === 0) return true;
    return own ? this.options.isServer || id >= this.nextId : id > this.lastPeerId;
  }
}
