// @hot
// One socket of the node engine, over net.Socket. Worker thread; owned by its loop until it is closed.
//
// libuv watches a socket only while it reads. So a paused connection reads on for a little and stashes what comes, and
// notices its peer's end or reset as long as no more than that is unread.

import { Socket } from 'node:net';
import type { SocketConstructorOpts } from 'node:net';

import type { Address } from '../../core/address.ts';
import type { TlsInfo } from '../../core/tls-info.ts';
import type { CloseReason, Conn, ConnFacts, ConnOwner, Opening } from '../conn.ts';
import { CLOSED_CONNECT, CLOSED_LOCAL, CLOSED_REMOTE, CLOSED_RESET, PREAMBLE_MORE, PREAMBLE_MOST_BYTES } from '../conn.ts';
import { Ending } from '../ending.ts';
import { originalDestination } from '../epoll/original-destination.ts';
import { loadSystem } from '../epoll/system.ts';
import type { NodeLoop } from './node-loop.ts';

export const CONNECTING = 1;
const PAUSED = 2;
const ENDED = 4;
const SHUT = 8;
export const CLOSING = 16;
const LINGERING = 32;
export const CLOSED = 64;
const TOLD = 128;
/** The stream keeps bytes, and `onWritable` is due when they are gone. */
const KEEPING = 256;
/** Reading has really been stopped: the stash is full. */
const STOPPED = 512;
/** The peer's end came behind stashed bytes; and the socket is closed, which is told after them. */
const END_DUE = 1024;
const GONE_DUE = 2048;
/** The first bytes are collected in the stash until the preamble is whole. */
const PREAMBLE = 4096;

const NO_READS = CLOSING | LINGERING | CLOSED;
const NO_WRITES = SHUT | CLOSING | LINGERING | CLOSED;

/** Strings up to this size are copied to the stack and sent at once by node; longer ones cost a second copy. */
const STRING_MOST_BYTES = 16_384;

/** Enough to see an end behind the rest of a request; more would be memory that a slow sink costs. */
const STASH_MOST_BYTES = 65_536;

const EMPTY = Buffer.alloc(0);

/** What net.Socket takes and its types do not tell: an open handle, as node's own server passes it. */
interface WireOptions extends SocketConstructorOpts {
  handle?: unknown;
  onread: { buffer: Buffer; callback: (this: Wire, bytes: number) => boolean };
}

/** node's own handle below a socket: what its public face lacks. */
type WireHandle = Socket & { _handle?: { readonly fd?: number; getpeername(out: object): number } | null };

/** A socket that knows its connection, so that its listeners need no closures. */
export type ConnSocket = Socket & { conn?: NodeConn | null };

export class Wire extends Socket {
  conn: NodeConn | null = null;

  constructor(loop: NodeLoop, handle?: unknown) {
    const options: WireOptions = {
      allowHalfOpen: true,
      onread: { buffer: loop.readBuffer, callback: onRead },
    };
    if (handle !== undefined) options.handle = handle;
    super(options as SocketConstructorOpts);
  }
}

/** Read into the loop's buffer. False stops reading. */
function onRead(this: Wire, bytes: number): boolean {
  const conn = this.conn;
  return conn === null ? false : conn.onBytes(conn.readBuffer, bytes);
}

function onConnect(this: ConnSocket): void {
  this.conn?.onConnected();
}

function onEnd(this: ConnSocket): void {
  this.conn?.onEnded();
}

function onError(this: ConnSocket, error: NodeJS.ErrnoException): void {
  this.conn?.onError(error);
}

function onClose(this: ConnSocket): void {
  this.conn?.onGone();
}

export class NodeConn implements Conn {
  owner: ConnOwner;
  readonly id: number;
  error = '';
  remoteAddress = '';
  remotePort = 0;
  tls: TlsInfo | null = null;
  facts: ConnFacts | null = null;
  private local: { readonly host: string; readonly port: number } | null = null;
  protected readonly loop: NodeLoop;
  protected socket: ConnSocket;
  protected flags: number;
  /** Small pieces written with `more`, waiting for the next. */
  private held = '';
  /** Bytes that came while reading was paused. */
  private stash: Buffer | null = null;
  private ending: Ending | null = null;
  private opening: Opening | null = null;

  constructor(loop: NodeLoop, owner: ConnOwner, socket: ConnSocket, to: Address | null) {
    this.loop = loop;
    this.owner = owner;
    this.id = loop.takeId();
    this.socket = socket;
    this.flags = to === null ? 0 : CONNECTING;
    if (to === null) {
      this.remoteAddress = unmapped(socket.remoteAddress);
      this.remotePort = socket.remotePort ?? 0;
    } else {
      this.remoteAddress = to.kind === 'ip' ? to.host : to.path;
      this.remotePort = to.kind === 'ip' ? to.port : 0;
    }
    if (to !== null && socket instanceof Wire) socket.on('connect', onConnect);
    this.attach(socket);
  }

  protected attach(socket: ConnSocket): void {
    this.socket = socket;
    socket.conn = this;
    socket.on('end', onEnd);
    socket.on('error', onError);
    socket.on('close', onClose);
  }

  readdress(remoteAddress: string, remotePort: number, localAddress: string, localPort: number): void {
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
    this.local = { host: localAddress, port: localPort };
  }

  get originalDestination(): Address | null {
    if (this.local !== null) return { kind: 'ip', host: this.local.host, port: this.local.port };
    const system = loadSystem();
    const fd = (this.socket as WireHandle)._handle?.fd ?? -1;
    return typeof system === 'string' ? null : originalDestination(system, fd);
  }

  get localAddress(): string {
    return this.local?.host ?? unmapped(this.socket.localAddress);
  }

  get localPort(): number {
    return this.local?.port ?? this.socket.localPort ?? 0;
  }

  get pending(): number {
    return (this.flags & CLOSED) !== 0 ? 0 : this.socket.writableLength + this.held.length;
  }

  write(buf: Buffer, start: number, end: number, more = false): boolean {
    if ((this.flags & NO_WRITES) !== 0) return true;
    const length = end - start;
    if (length < 0 || start < 0 || end > buf.length) throw new RangeError(`bytes ${start} to ${end} of ${buf.length}`);
    if (length === 0) return (this.flags & KEEPING) === 0;
    if (length > STRING_MOST_BYTES) {
      this.flushHeld();
      const copy = Buffer.allocUnsafeSlow(length);
      buf.copy(copy, 0, start, end);
      this.socket.write(copy);
      return this.taken();
    }
    const text = this.held + buf.latin1Slice(start, end);
    if (more && text.length <= STRING_MOST_BYTES && (this.flags & KEEPING) === 0) {
      if (this.held === '') this.loop.holdUntilTurnEnd(this);
      this.held = text;
      return true;
    }
    this.held = '';
    this.socket.write(text, 'latin1');
    return this.taken();
  }

  pauseRead(): void {
    this.flags |= PAUSED;
  }

  resumeRead(): void {
    if ((this.flags & PAUSED) === 0) return;
    this.flags &= ~PAUSED;
    if (this.stash !== null) this.loop.tellAtTurnEnd(this);
    else this.readOn();
  }

  shutdownWrite(): void {
    if ((this.flags & NO_WRITES) !== 0) return;
    this.flushHeld();
    this.flags |= SHUT;
    this.socket.end();
  }

  close(): void {
    if ((this.flags & (CLOSED | CLOSING)) !== 0) return;
    this.flushHeld();
    if (this.socket.writableLength === 0 || (this.flags & CONNECTING) !== 0) {
      this.destroy();
      return;
    }
    this.flags |= CLOSING;
    this.stash = null;
    this.socket.pause();
    this.socket.destroySoon();
    this.ending?.stop();
    this.ending = new Ending(this, this.loop.timers, 0);
  }

  closeLingering(ms: number): void {
    if ((this.flags & (CLOSED | CLOSING | LINGERING)) !== 0) return;
    if ((this.flags & (ENDED | CONNECTING)) !== 0) {
      this.close();
      return;
    }
    this.flushHeld();
    this.flags |= LINGERING;
    this.stash = null;
    this.socket.end();
    this.ending = new Ending(this, this.loop.timers, ms);
    this.readOn();
  }

  reset(): void {
    if ((this.flags & CLOSED) !== 0) return;
    if ((this.flags & CONNECTING) === 0) this.sendReset();
    this.destroy();
  }

  /** Ends it without a word to the owner. */
  abandon(): void {
    this.flags |= TOLD;
    this.destroy();
  }

  /** Starts with what comes before the first byte for the owner. */
  startOpening(opening: Opening): void {
    if ((this.flags & CLOSED) !== 0) return;
    this.opening = opening;
    if (opening.preamble === null) this.preambleOver();
    else this.flags |= PREAMBLE;
  }

  // ── called by the loop and the socket ──────────────────────────────────────────────────────────────────────

  /** The time for ending is over. */
  giveUp(): void {
    if ((this.flags & CLOSED) === 0) this.destroy();
  }

  get readBuffer(): Buffer {
    return this.loop.readBuffer;
  }

  /** False stops reading. */
  onBytes(buf: Buffer, bytes: number): boolean {
    if ((this.flags & (CLOSED | CLOSING)) !== 0) return false;
    if ((this.flags & LINGERING) !== 0) return true;
    if ((this.flags & PREAMBLE) !== 0) return this.onPreamble(buf, bytes);
    if ((this.flags & PAUSED) !== 0 || this.stash !== null) return this.stashBytes(buf, bytes);
    this.loop.enter();
    this.owner.onData(this, buf, 0, bytes);
    return (this.flags & (CLOSED | CLOSING)) === 0;
  }

  /** The turn is over: what was stashed goes to the owner, and what came behind it. */
  tellStash(): void {
    const stash = this.stash;
    if ((this.flags & (GONE_DUE | CLOSED)) === (GONE_DUE | CLOSED)) this.onGone();
    if (stash === null || (this.flags & (PAUSED | NO_READS)) !== 0) return;
    this.stash = null;
    this.owner.onData(this, stash, 0, stash.length);
    if ((this.flags & NO_READS) !== 0) return;
    if ((this.flags & END_DUE) !== 0) this.onEnded();
    if ((this.flags & GONE_DUE) !== 0) this.onGone();
    else if ((this.flags & PAUSED) === 0) this.readOn();
  }

  onConnected(): void {
    if ((this.flags & CLOSED) !== 0) return;
    this.flags &= ~CONNECTING;
    this.loop.enter();
    this.owner.onConnect(this);
  }

  onEnded(): void {
    if ((this.flags & (CLOSED | CLOSING | ENDED)) !== 0) return;
    if ((this.flags & PREAMBLE) !== 0) {
      this.socket.destroy();
      return;
    }
    if ((this.flags & END_DUE) === 0 && this.hasBeenReset()) {
      this.error = 'ECONNRESET';
      this.socket.destroy();
      return;
    }
    if (this.stash !== null) {
      this.flags |= END_DUE;
      return;
    }
    this.flags |= ENDED;
    if ((this.flags & LINGERING) !== 0) return;
    this.loop.enter();
    this.owner.onEnd(this);
  }

  onError(error: NodeJS.ErrnoException): void {
    if ((this.flags & CLOSED) === 0 && this.error === '') this.error = error.code ?? error.message;
  }

  /** The descriptor is closed. */
  onGone(): void {
    if (this.stash !== null && this.error === '' && (this.flags & (NO_READS | PREAMBLE)) === 0) {
      this.flags |= GONE_DUE;
      return;
    }
    this.stash = null;
    const why = this.closeReason();
    this.flags |= CLOSED;
    this.stopEnding();
    this.loop.forget(this);
    if ((this.flags & TOLD) !== 0) return;
    this.flags |= TOLD;
    this.loop.enter();
    this.owner.onClose(this, why);
  }

  /** The turn is over and nothing followed what was written with `more`. */
  flushHeld(): void {
    if (this.held === '' || (this.flags & CLOSED) !== 0) return;
    const text = this.held;
    this.held = '';
    this.socket.write(text, 'latin1');
    // Nobody is told of what is kept here: the next write finds it and says so.
  }

  // ── inside ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** libuv tells a RST that comes together with data as an end. But a socket that was reset has no peer any more. */
  private hasBeenReset(): boolean {
    if (this.remotePort === 0 || (this.flags & (SHUT | LINGERING)) !== 0) return false;
    const handle = (this.socket as WireHandle)._handle;
    return handle !== null && handle !== undefined && handle.getpeername({}) !== 0;
  }

  private onPreamble(buf: Buffer, bytes: number): boolean {
    const stash = this.addToStash(buf, bytes);
    this.loop.enter();
    const length = this.opening!.preamble!.inspect(this, stash, 0, stash.length);
    if ((this.flags & (CLOSED | CLOSING)) !== 0) return false;
    if (length === PREAMBLE_MORE && stash.length < PREAMBLE_MOST_BYTES) return true;
    if (length < 0) {
      this.destroy();
      return false;
    }
    this.flags &= ~PREAMBLE;
    this.stash = length < stash.length ? stash.subarray(length) : null;
    this.preambleOver();
    // The owner may have closed, or paused: the rest goes to it as other stashed bytes do.
    if ((this.flags & (CLOSED | CLOSING)) !== 0) return false;
    if (this.stash !== null) this.loop.tellAtTurnEnd(this);
    return true;
  }

  private preambleOver(): void {
    this.opening = null;
    this.owner.onConnect(this);
  }

  private addToStash(buf: Buffer, bytes: number): Buffer {
    const before = this.stash === null ? 0 : this.stash.length;
    const stash = Buffer.allocUnsafeSlow(before + bytes);
    if (this.stash !== null) this.stash.copy(stash, 0);
    buf.copy(stash, before, 0, bytes);
    this.stash = stash;
    return stash;
  }

  private stashBytes(buf: Buffer, bytes: number): boolean {
    const stash = this.addToStash(buf, bytes);
    if (stash.length < STASH_MOST_BYTES) return true;
    this.flags |= STOPPED;
    return false;
  }

  private readOn(): void {
    if ((this.flags & STOPPED) === 0 || (this.flags & (CLOSED | CLOSING)) !== 0) return;
    this.flags &= ~STOPPED;
    this.socket.resume();
  }

  private taken(): boolean {
    if (this.socket.writableLength === 0) return true;
    if ((this.flags & KEEPING) === 0) {
      this.flags |= KEEPING;
      this.askWritable();
    }
    return false;
  }

  /** An empty write stands behind all that is kept; when it is done, so are they. */
  private askWritable(): void {
    this.socket.write(EMPTY, () => this.onTaken());
  }

  private onTaken(): void {
    if ((this.flags & (CLOSED | CLOSING | SHUT | LINGERING)) !== 0) return;
    if (this.socket.writableLength > 0) {
      this.askWritable();
      return;
    }
    this.flags &= ~KEEPING;
    this.loop.enter();
    this.owner.onWritable(this);
  }

  protected sendReset(): void {
    // libuv refuses to reset a socket whose end waits behind kept bytes, and unix sockets know no reset.
    if (this.remotePort === 0) return;
    if (this.socket.writableEnded && !this.socket.writableFinished) this.loop.resetOnClose(this.socket);
    else this.socket.resetAndDestroy();
  }

  protected destroy(): void {
    this.flags |= CLOSED;
    this.stopEnding();
    this.held = '';
    this.stash = null;
    this.socket.destroy();
    // A socket that is gone already and only waits behind its stash closes no second time.
    if ((this.flags & GONE_DUE) !== 0) this.loop.tellAtTurnEnd(this);
  }

  private stopEnding(): void {
    if (this.ending === null) return;
    this.ending.stop();
    this.ending = null;
  }

  protected closeReason(): CloseReason {
    if ((this.flags & CLOSED) !== 0) return CLOSED_LOCAL;
    if ((this.flags & CONNECTING) !== 0) return CLOSED_CONNECT;
    if (this.error !== '') return CLOSED_RESET;
    if ((this.flags & CLOSING) !== 0) return CLOSED_LOCAL;
    return CLOSED_REMOTE;
  }
}

function unmapped(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
