// @hot
// One socket of the epoll engine. Worker thread; owned by its loop until it is closed, then by nobody.
//
//   connecting ──► opening ──► open ──► closing (sends what is kept) ──► lingering (reads and drops) ──► closed
//
// What carries the bytes (the system's own calls here, TLS in `tls-conn.ts`) is a handful of methods at the end.
// Reading and ending are told by flags. The descriptor is closed as soon as it may be; `onClose` comes from the loop.

import type { TlsInfo } from '../../core/tls-info.ts';
import type { CloseReason, Conn, ConnFacts, ConnOwner, Opening, Preamble } from '../conn.ts';
import { CLOSED_CONNECT, CLOSED_LOCAL, CLOSED_REMOTE, CLOSED_RESET, PREAMBLE_MORE, PREAMBLE_MOST_BYTES } from '../conn.ts';
import { Ending } from '../ending.ts';
import type { EpollLoop } from './epoll-loop.ts';
import { EpollSocket } from './epoll-socket.ts';
import type { KeptBytes } from './kept-bytes.ts';
import { EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from './poller.ts';
import { SLOT_BYTES } from './read-batch.ts';
import { nextReadBytes, READ_LEAST_BYTES } from './read-size.ts';
import { EAGAIN, ECONNRESET, EINTR, EPIPE, errnoName, MSG_MORE, MSG_PEEK } from './system.ts';

const CONNECTING = 1;
export const PAUSED = 2;
/** The peer's FIN has been read. */
export const ENDED = 4;
/** Our FIN shall follow what is kept. */
const SHUT_WANTED = 8;
const SHUT_DONE = 16;
export const CLOSING = 32;
/** Our FIN is or will be out, and what still arrives is dropped. */
const LINGERING = 64;
export const CLOSED = 128;
/** A send said that the peer is gone. What it sent before is still read, then the connection counts as reset. */
export const WRITE_FAILED = 256;
/** The connection came up inside `connect`; the owner hears of it at the end of the turn. */
const CONNECTED_AT_ONCE = 512;
const TOLD = 1024;
/** Between TCP and `onConnect`: what comes first (TLS) is under way. */
export const OPENING = 2048;
/** It ends with a RST, or with the loop: nothing more is said. */
export const ABORTED = 4096;
/** Our end could not be sent yet: TLS says it in a record of its own. */
const END_WAITS = 8192;
/** The connection's first bytes are looked at and left where they are: the first part of the opening. */
const PREAMBLE = 16384;
/** Much comes in: it is read into the loop's large buffer, one connection after the other. */
const BULKY = 32768;

const NOT_UP = CONNECTING | OPENING;
const NOT_AHEAD = NOT_UP | PAUSED | ENDED | CLOSING | LINGERING | CLOSED | BULKY;
const NO_WRITES = SHUT_WANTED | CLOSING | LINGERING | CLOSED | WRITE_FAILED;

/** `armed` of a descriptor that epoll does not know. */
export const NOT_ARMED = -1;

export class EpollConn extends EpollSocket implements Conn {
  owner: ConnOwner;
  readonly id: number;
  error = '';
  /** Tags this connection's events; the number of a closed descriptor may already be another connection's. */
  readonly generation: number;
  /** The events that epoll watches for, or NOT_ARMED. */
  armed = NOT_ARMED;
  protected flags: number;
  /** Bytes of ours stand in the batch of this turn. */
  queued = false;
  private why: CloseReason = CLOSED_LOCAL;
  private readBytes = READ_LEAST_BYTES;
  protected kept: KeptBytes | null = null;
  /** Read ahead before the owner paused. */
  private ahead: KeptBytes | null = null;
  private ending: Ending | null = null;
  private opening: Opening | null = null;
  tls: TlsInfo | null = null;
  facts: ConnFacts | null = null;

  constructor(loop: EpollLoop, owner: ConnOwner, fd: number, connecting: boolean) {
    super(loop, fd);
    this.owner = owner;
    this.id = loop.takeId();
    this.generation = loop.takeGeneration();
    this.flags = connecting ? CONNECTING : 0;
  }

  // ── what the owner may do ──────────────────────────────────────────────────────────────────────────────────

  get pending(): number {
    return this.kept === null ? 0 : this.kept.length;
  }

  write(buf: Buffer, start: number, end: number, more = false): boolean {
    if ((this.flags & NO_WRITES) !== 0) return true;
    if (this.kept !== null) {
      this.kept.append(buf, start, end);
      return false;
    }
    if (start === end) return true;
    if ((this.flags & NOT_UP) !== 0) {
      this.keep(buf, start, end);
      return false;
    }
    if (this.enqueue(buf, start, end, more)) return true;
    if (this.queued) {
      // What went into the batch goes first; the socket may turn out to be full by it.
      this.loop.sends.flush();
      return this.write(buf, start, end, more);
    }
    const sent = this.transmit(buf, start, end, more);
    return sent === end - start || this.sentLess(buf, start, end, sent < 0 ? -this.failure() : sent);
  }

  /** A send took fewer bytes than it was given, or failed with `-errno`: false when the rest waits for its turn. */
  sentLess(buf: Buffer, start: number, end: number, sent: number): boolean {
    if ((this.flags & CLOSED) !== 0) return true;
    if (sent < 0 && !this.mayRetry(-sent)) return true;
    this.keep(buf, sent < 0 ? start : start + sent, end);
    this.arm(this.armed === NOT_ARMED ? EPOLLOUT : this.armed | EPOLLOUT);
    return false;
  }

  /** What stands in the batch goes before what comes now. */
  private sendQueued(): void {
    if (this.queued) this.loop.sends.flush();
  }

  private keep(buf: Buffer, start: number, end: number): void {
    this.kept = this.loop.keptPool.take();
    this.kept.append(buf, start, end);
  }

  pauseRead(): void {
    this.flags |= PAUSED;
  }

  resumeRead(): void {
    if ((this.flags & PAUSED) === 0) return;
    this.flags &= ~PAUSED;
    if (this.ahead !== null) this.loop.deferred.push(this);
    if ((this.flags & (NOT_UP | CLOSED)) === 0) this.arm(this.wantedEvents());
  }

  shutdownWrite(): void {
    if ((this.flags & NO_WRITES) !== 0) return;
    this.sendQueued();
    this.flags |= SHUT_WANTED;
    if (this.kept === null && (this.flags & (NOT_UP | CLOSED)) === 0) this.sendEnd();
  }

  close(): void {
    this.sendQueued();
    if ((this.flags & (CLOSED | CLOSING)) !== 0) return;
    if (this.kept === null || (this.flags & (NOT_UP | WRITE_FAILED)) !== 0) {
      this.closeLater(CLOSED_LOCAL);
      return;
    }
    this.flags |= CLOSING;
    this.ending?.stop();
    this.ending = new Ending(this, this.loop.timers, 0);
    this.arm(this.wantedEvents());
  }

  closeLingering(ms: number): void {
    this.sendQueued();
    if ((this.flags & (CLOSED | CLOSING | LINGERING)) !== 0) return;
    if ((this.flags & (ENDED | NOT_UP | WRITE_FAILED)) !== 0) {
      this.close();
      return;
    }
    this.flags = (this.flags | LINGERING | SHUT_WANTED) & ~PAUSED;
    if (this.kept === null && (this.flags & SHUT_DONE) === 0) this.sendEnd();
    if ((this.flags & CLOSED) !== 0) return;
    this.ending = new Ending(this, this.loop.timers, ms);
    this.arm(this.wantedEvents());
  }

  reset(): void {
    this.sendQueued();
    if ((this.flags & CLOSED) !== 0) return;
    this.flags |= ABORTED;
    if (this.fd >= 0) this.loop.system.setLingerZero(this.fd);
    this.closeLater(CLOSED_LOCAL);
  }

  /** The loop ends: without a word to the owner. */
  abandon(): void {
    this.flags |= ABORTED | TOLD;
    this.release(CLOSED_LOCAL);
  }

  /** Starts watching a descriptor that is up. */
  start(): void {
    if ((this.flags & CLOSED) === 0) this.arm((this.flags & PAUSED) === 0 ? this.wantedEvents() : EPOLLRDHUP);
  }

  /** Starts with what comes before the first byte for the owner. */
  startOpening(opening: Opening): void {
    if ((this.flags & CLOSED) !== 0) return;
    this.flags |= OPENING;
    if (opening.preamble === null) {
      this.arm(EPOLLIN | EPOLLRDHUP);
      return;
    }
    this.opening = opening;
    this.flags |= PREAMBLE;
    // The bytes stay in the kernel until the preamble is whole: only an edge tells that there are more of them.
    this.arm(EPOLLIN | EPOLLRDHUP | EPOLLET);
  }

  // ── called by the loop ─────────────────────────────────────────────────────────────────────────────────────

  /** The time for ending is over. */
  giveUp(): void {
    if ((this.flags & CLOSED) === 0) this.closeNow(CLOSED_LOCAL);
  }

  onEvents(events: number): void {
    if ((this.flags & NOT_UP) !== 0) {
      if ((this.flags & CONNECTING) !== 0) this.onConnectEvents();
      else if ((this.flags & PREAMBLE) !== 0) this.onPreamble(this.opening!.preamble!, events);
      else this.open();
      return;
    }
    if ((events & EPOLLOUT) !== 0) {
      this.onTakes();
      if ((this.flags & CLOSED) !== 0) return;
    }
    if ((events & ~EPOLLOUT) === 0) return;
    if ((this.flags & (CLOSING | ENDED)) !== 0) {
      if ((events & (EPOLLERR | EPOLLHUP)) !== 0) this.onGone();
    } else if ((this.flags & PAUSED) !== 0) {
      this.onPausedEvents(events);
    } else {
      this.onReadable(events);
    }
  }

  /** The connection came up, or failed, inside `connect`. */
  connectedAtOnce(): void {
    this.flags |= CONNECTED_AT_ONCE;
    this.loop.deferred.push(this);
  }

  failedAtOnce(error: string): void {
    this.error = error;
    this.closeLater(CLOSED_CONNECT);
  }

  /** What could not be told at once, at the end of the turn. */
  settle(): void {
    if ((this.flags & CLOSED) !== 0) {
      this.tellClosed();
    } else if ((this.flags & CONNECTED_AT_ONCE) !== 0) {
      this.flags &= ~CONNECTED_AT_ONCE;
      this.onConnected();
    } else if (this.ahead !== null && (this.flags & PAUSED) === 0) {
      this.tellAhead(this.ahead);
    }
  }

  // ── connecting ─────────────────────────────────────────────────────────────────────────────────────────────

  private onConnectEvents(): void {
    if ((this.flags & CONNECTED_AT_ONCE) !== 0) return;
    const errno = this.loop.system.takeError(this.fd);
    if (errno === 0) {
      this.onConnected();
      return;
    }
    this.error = errnoName(errno);
    this.closeNow(CLOSED_CONNECT);
  }

  private onConnected(): void {
    this.flags = (this.flags & ~CONNECTING) | OPENING;
    this.open();
  }

  /** The opening is over. */
  protected opened(): void {
    this.flags &= ~OPENING;
    if (this.kept === null && (this.flags & SHUT_WANTED) !== 0) this.sendEnd();
    if ((this.flags & CLOSED) !== 0) return;
    this.arm(this.wantedEvents());
    this.owner.onConnect(this);
  }

  // ── opening ────────────────────────────────────────────────────────────────────────────────────────────────

  private onPreamble(preamble: Preamble, events: number): void {
    const { system, readBuffer } = this.loop;
    const got = system.recv(this.fd, readBuffer, 0, PREAMBLE_MOST_BYTES, MSG_PEEK);
    if (got < 0) {
      const errno = system.errno();
      if (errno !== EAGAIN && errno !== EINTR) this.fail(errno);
      return;
    }
    const length = got === 0 ? PREAMBLE_MORE : preamble.inspect(this, readBuffer, 0, got);
    if ((this.flags & CLOSED) !== 0) return;
    if (length === PREAMBLE_MORE && got < PREAMBLE_MOST_BYTES && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) === 0) return;
    if (length < 0) {
      this.closeNow(length === PREAMBLE_MORE && got < PREAMBLE_MOST_BYTES ? CLOSED_REMOTE : CLOSED_LOCAL);
      return;
    }
    // They are there, so one call takes them all.
    if (length > 0 && system.recv(this.fd, readBuffer, 0, length, 0) !== length) {
      this.fail(ECONNRESET);
      return;
    }
    this.flags &= ~PREAMBLE;
    this.opening = null;
    this.open();
  }

  // ── reading ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether the loop may read for it, together with others. */
  get readsAhead(): boolean {
    return (this.flags & NOT_AHEAD) === 0 && this.ahead === null;
  }

  /** What the loop has read for it: `got` bytes of `buf` from `start`, 0 at the peer's end, or `-errno`. */
  onReadAhead(buf: Buffer, start: number, got: number): void {
    // Since it was read, what came before it in the turn may have closed or paused this one.
    if ((this.flags & (CLOSING | CLOSED)) !== 0) return;
    if (got < 0) {
      if (got !== -EAGAIN && got !== -EINTR) this.fail(-got);
    } else if (got === 0) {
      if ((this.flags & PAUSED) !== 0) this.onPausedEvents(EPOLLIN);
      else this.onEnded(EPOLLIN);
    } else if ((this.flags & PAUSED) !== 0) {
      this.ahead = this.loop.keptPool.take();
      this.ahead.append(buf, start, start + got);
    } else if ((this.flags & LINGERING) === 0) {
      if (got === SLOT_BYTES) this.flags |= BULKY;
      this.owner.onData(this, buf, start, start + got);
    }
  }

  /** The owner reads on. */
  private tellAhead(ahead: KeptBytes): void {
    this.ahead = null;
    if ((this.flags & (CLOSING | LINGERING)) === 0) this.owner.onData(this, ahead.buf, ahead.start, ahead.end);
    this.loop.keptPool.give(ahead);
  }

  protected onReadable(events: number): void {
    if (this.ahead !== null) {
      this.tellAhead(this.ahead);
      return;
    }
    const loop = this.loop;
    const asked = this.readBytes;
    const got = this.receive(asked);
    if (got > 0) {
      if ((this.flags & LINGERING) !== 0) return;
      this.owner.onData(this, loop.readBuffer, 0, got);
      if (got < SLOT_BYTES) this.flags &= ~BULKY;
      if (got === asked) this.readBytes = nextReadBytes(asked, got, (this.flags & PAUSED) !== 0);
    } else if (got === 0) {
      this.onEnded(events);
    } else {
      const errno = this.failure();
      if (errno !== EAGAIN && errno !== EINTR) this.fail(errno);
    }
  }

  /** Events that come although reading is paused: stop watching for what cannot be taken, but notice the peer's end. */
  private onPausedEvents(events: number): void {
    const system = this.loop.system;
    if ((events & EPOLLERR) !== 0) {
      const errno = system.takeError(this.fd);
      if (errno !== 0 || (this.flags & WRITE_FAILED) !== 0) {
        this.fail(errno === 0 ? ECONNRESET : errno);
        return;
      }
    }
    if ((events & (EPOLLRDHUP | EPOLLHUP)) === 0) {
      this.arm((this.armed & EPOLLOUT) | EPOLLRDHUP);
      return;
    }
    const waiting = this.ahead === null ? this.peek() : this.ahead.length;
    if (waiting === 0) {
      this.onEnded(events);
    } else if (waiting < 0) {
      const errno = this.failure();
      if (errno !== EAGAIN && errno !== EINTR) this.fail(errno);
    } else if ((this.flags & WRITE_FAILED) !== 0) {
      this.fail(ECONNRESET);
    } else {
      // The end lies behind data. A hang-up cannot be masked, so the descriptor leaves epoll until it is read again.
      this.arm((events & EPOLLHUP) !== 0 ? NOT_ARMED : this.armed & EPOLLOUT);
    }
  }

  private onEnded(events: number): void {
    this.flags |= ENDED;
    if ((this.flags & WRITE_FAILED) !== 0) {
      this.fail(ECONNRESET);
      return;
    }
    if ((this.flags & LINGERING) !== 0) {
      this.closeNow(CLOSED_REMOTE);
      return;
    }
    this.owner.onEnd(this);
    if ((this.flags & CLOSED) !== 0) return;
    // A unix socket hangs up as soon as its peer is closed; with TCP it means that our end has gone out as well.
    if ((this.flags & SHUT_DONE) !== 0 || (events & EPOLLHUP) !== 0) this.closeNow(CLOSED_REMOTE);
    else this.arm(this.wantedEvents());
  }

  /** The connection broke while nothing is read any more. */
  private onGone(): void {
    const errno = this.loop.system.takeError(this.fd);
    if (errno === 0 && (this.flags & (ENDED | WRITE_FAILED)) === ENDED) this.closeNow(CLOSED_REMOTE);
    else this.fail(errno === 0 ? ECONNRESET : errno);
  }

  // ── writing ────────────────────────────────────────────────────────────────────────────────────────────────

  /** After a send that failed: true when the bytes are to be kept for later. */
  private mayRetry(errno: number): boolean {
    if (errno === EAGAIN || errno === EINTR) return true;
    if (this.error === '') this.error = errnoName(errno);
    this.flags |= WRITE_FAILED;
    this.dropKept();
    // A reset connection hangs up, and epoll says so after the last of its data. Any other error ends it here.
    const heardOf = errno === EPIPE || errno === ECONNRESET;
    if (heardOf && (this.flags & (PAUSED | CLOSING | ENDED | LINGERING)) === 0) return false;
    this.closeLater(CLOSED_RESET);
    return false;
  }

  /** The socket takes bytes again. */
  private onTakes(): void {
    const kept = this.kept;
    if (kept !== null) {
      const sent = this.transmit(kept.buf, kept.start, kept.end, false);
      if (sent < 0) {
        this.mayRetry(this.failure());
        return;
      }
      kept.start += sent;
      if (kept.start < kept.end) return;
      this.dropKept();
    }
    if ((this.flags & CLOSING) !== 0) {
      this.closeNow(CLOSED_LOCAL);
      return;
    }
    if ((this.flags & SHUT_WANTED) !== 0) {
      if ((this.flags & SHUT_DONE) === 0) this.sendEnd();
    } else {
      // Before EPOLLOUT is taken back: an owner that fills the socket again needs it again.
      this.owner.onWritable(this);
    }
    if ((this.flags & (CLOSED | END_WAITS)) === 0 && this.kept === null) this.arm(this.armed & ~EPOLLOUT);
  }

  private sendEnd(): void {
    if (this.finish() < 0) {
      const errno = this.failure();
      if (errno === EAGAIN) {
        this.flags |= END_WAITS;
        this.arm(this.armed === NOT_ARMED ? EPOLLOUT : this.armed | EPOLLOUT);
        return;
      }
      this.error = errnoName(errno);
      this.closeLater(CLOSED_RESET);
      return;
    }
    this.flags = (this.flags & ~END_WAITS) | SHUT_DONE;
    if ((this.flags & ENDED) !== 0) {
      this.closeLater(CLOSED_REMOTE);
    }
  }

  private dropKept(): void {
    if (this.kept === null) return;
    this.loop.keptPool.give(this.kept);
    this.kept = null;
  }

  // ── ending ─────────────────────────────────────────────────────────────────────────────────────────────────

  protected fail(errno: number): void {
    if (this.error === '') this.error = errnoName(errno);
    this.closeNow(CLOSED_RESET);
  }

  /** From an event: the owner hears of it at once. */
  protected closeNow(why: CloseReason): void {
    this.release(why);
    this.tellClosed();
  }

  /** Once, also when the connection stood in the loop's queue twice. */
  private tellClosed(): void {
    if ((this.flags & TOLD) !== 0) return;
    this.flags |= TOLD;
    this.owner.onClose(this, this.why);
  }

  /** From inside an owner's call: the owner hears of it at the end of the turn. */
  private closeLater(why: CloseReason): void {
    this.release(why);
    this.loop.deferred.push(this);
  }

  private release(why: CloseReason): void {
    this.flags |= CLOSED;
    this.sendQueued();
    this.why = why;
    this.leave();
    this.dropKept();
    if (this.ahead !== null) this.loop.keptPool.give(this.ahead);
    this.ahead = null;
    if (this.ending !== null) {
      this.ending.stop();
      this.ending = null;
    }
    this.loop.forget(this);
  }

  protected wantedEvents(): number {
    const out = this.kept === null && (this.flags & END_WAITS) === 0 ? 0 : EPOLLOUT;
    if ((this.flags & (ENDED | CLOSING)) !== 0) return out;
    return out | EPOLLIN | EPOLLRDHUP;
  }

  protected arm(events: number): void {
    if (events === this.armed || this.loop.rearm(this, events) >= 0) return;
    this.error = errnoName(this.loop.system.errno());
    this.closeLater(CLOSED_RESET);
  }

  // ── what carries the bytes ─────────────────────────────────────────────────────────────────────────────────

  /** TCP is up and an event came: goes on with what comes before the first byte, and ends in `opened` or a close. */
  protected open(): void {
    this.opened();
  }

  /** Reads into the loop's buffer: how many bytes, 0 at the peer's end, or -1 with `failure()`. */
  protected receive(most: number): number {
    return this.loop.system.recv(this.fd, this.loop.readBuffer, 0, most, 0);
  }

  /** The same, but of one byte that stays to be read. */
  protected peek(): number {
    return this.loop.system.recv(this.fd, this.loop.readBuffer, 0, 1, MSG_PEEK);
  }

  /** Leaves the bytes to the batch of this turn; false when they must be sent at once. */
  protected enqueue(buf: Buffer, start: number, end: number, more: boolean): boolean {
    return this.loop.sends.add(this, buf, start, end, more);
  }

  /** How many bytes were taken, or -1 with `failure()`. */
  protected transmit(buf: Buffer, start: number, end: number, more: boolean): number {
    return this.loop.system.send(this.fd, buf, start, end, more ? MSG_MORE : 0);
  }

  /** Sends our end; -1 with `failure()`. */
  protected finish(): number {
    return this.loop.system.shutdownWrite(this.fd);
  }

  /** Why one of the above gave -1, as an errno. */
  protected failure(): number {
    return this.loop.system.errno();
  }

  /** The descriptor is about to be closed. */
  protected leave(): void {}
}
