// The byte contract: what a connection and a loop are to the rooms above, whichever engine carries them.
// Worker thread. TLS is invisible above this line: a Conn gives and takes plain bytes.

import type { Address } from '../core/address.ts';
import type { Clock } from '../core/clock.ts';
import type { TlsInfo } from '../core/tls-info.ts';
import type { ClientTls, ServerTls } from '../security/tls-settings.ts';
import type { TimerWheel } from './timer-wheel.ts';

/** Why a connection ended, as told to `onClose`. */
export const CLOSED_LOCAL = 0; // we closed it
export const CLOSED_REMOTE = 1; // the peer closed both ways after we had seen its end, or while we closed
export const CLOSED_RESET = 2; // RST, EPIPE, or any error of the socket
export const CLOSED_CONNECT = 3; // it never came to be: refused, unreachable, no route
export type CloseReason = 0 | 1 | 2 | 3;

/** Who stands above a connection. One call at a time, always from the loop's own stack; none after `onClose`. */
export interface ConnOwner {
  /** An outgoing connection is up, or an accepted one's opening (preamble, TLS) is over. Never called for others that were accepted. */
  onConnect(conn: Conn): void;
  /** Bytes `start … end` of the loop's shared buffer. They are valid during the call only. */
  onData(conn: Conn, buf: Buffer, start: number, end: number): void;
  /** After a `write` returned false: everything kept has been taken. */
  onWritable(conn: Conn): void;
  /** The peer sent its end (FIN). Our side can still be written. Comes after all its data, also when reading was paused. */
  onEnd(conn: Conn): void;
  /** The connection is gone, exactly once. `conn.error` has the system's word, or ''. Never called from inside `write`, `close` or `reset`. */
  onClose(conn: Conn, why: CloseReason): void;
}

export interface Conn {
  owner: ConnOwner;
  /** Distinguishes connections over the life of the process: `%CONNECTION_ID%`. */
  readonly id: number;
  /** `ECONNREFUSED`, `ECONNRESET`, … after a failure; '' before. */
  readonly error: string;
  /** Numeric IP without brackets, or the path of a unix socket ('' for an unnamed peer). */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** What TLS agreed on, from `onConnect` on; null on a plaintext connection. */
  readonly tls: TlsInfo | null;
  /** What a preamble learnt; null without one. */
  facts: ConnFacts | null;
  /** The addresses that a trusted proxy before us named stand in for the socket's own. */
  readdress(remoteAddress: string, remotePort: number, localAddress: string, localPort: number): void;
  /**
   * Where the caller wanted to go: what a NAT rule on this machine redirected (SO_ORIGINAL_DST), or `readdress` named.
   * Null where it wanted to come here. A system call each time.
   */
  readonly originalDestination: Address | null;
  /** Bytes kept because the socket would not take them. */
  readonly pending: number;

  /**
   * Sends bytes, or keeps a copy of what the socket does not take now. The caller may reuse `buf` at once.
   * `more` says that another write follows in this same callback, so the segment need not leave yet.
   * @returns false when something had to be kept: the caller should stop its source until `onWritable`.
   *          Bytes written after a false are kept behind the others; nothing is ever lost or reordered.
   */
  write(buf: Buffer, start: number, end: number, more?: boolean): boolean;
  /** Counted by the owner, not here: no more `onData` until `resumeRead`. A reset is still noticed. */
  pauseRead(): void;
  resumeRead(): void;
  /** FIN after everything kept has been sent. */
  shutdownWrite(): void;
  /** Sends what is kept as long as the peer takes of it (`ending.ts`), then closes. Its unread bytes are not waited for. */
  close(): void;
  /**
   * Sends what is kept and a FIN, then reads and throws away what the peer still sends, for about `ms` milliseconds, then
   * closes: so that an early answer is not destroyed by a RST (RFC 9112 section 9.6).
   */
  closeLingering(ms: number): void;
  /** RST at once; what is kept is thrown away. */
  reset(): void;
}

export interface Listener {
  readonly address: Address;
  /**
   * Accepts what is already queued, then stops; `done` is called when no further connection can come. With `forGood`
   * nobody takes the socket over: handshakes under way are waited for, and callers are refused from then on.
   */
  stop(done: () => void, forGood?: boolean): void;
  /** With `on` nothing is accepted: who comes waits in the system's queue, until it is called without. */
  hold(on: boolean): void;
}

/**
 * What comes before the first byte for the owner of an accepted connection. Its fields are read anew for each connection,
 * so that a reload changes them. With either part set, `accept` is called when TCP is up, `onConnect` when the opening is
 * over, and no `onData` before that. A failed opening ends in `onClose`; its time-out is the owner's.
 */
export interface Opening {
  readonly preamble: Preamble | null;
  readonly tls: ServerTls | null;
}

/** `inspect`: wait for more bytes. */
export const PREAMBLE_MORE = -1;
/** `inspect`: end the connection. */
export const PREAMBLE_REFUSE = -2;

/** No preamble is longer: a PROXY protocol v2 header (16 + 65535 bytes) and a ClientHello of 16 KB behind it. */
export const PREAMBLE_MOST_BYTES = 96 * 1024;

/** Looks at the first bytes of a connection before TLS does: PROXY protocol, the server name of a ClientHello. Without state. */
export interface Preamble {
  /**
   * Bytes `start … end` always begin with the connection's first. It may call `conn.readdress` and set `conn.facts`.
   * @returns how many bytes to take off (0 and more: the preamble is over), PREAMBLE_MORE or PREAMBLE_REFUSE
   */
  inspect(conn: Conn, buf: Buffer, start: number, end: number): number;
}

/** What a preamble learnt of a connection. */
export interface ConnFacts {
  /** The server name in a ClientHello; '' without one. */
  readonly serverName: string;
  readonly alpn: readonly string[];
  /** TLVs of a PROXY protocol v2 header. */
  readonly tlvs: readonly { readonly type: number; readonly value: Buffer }[];
}

/** Called for each accepted connection before any of its bytes; returns its owner, or null to have it reset at once. */
export type Accept = (conn: Conn) => ConnOwner | null;

export interface Loop {
  readonly kind: 'epoll' | 'node';
  readonly clock: Clock;
  readonly timers: TimerWheel;
  /**
   * Accepts on a socket that the primary made and that stays the primary's (`fd`, already listening), or, where no such
   * descriptor can be made, on `address` itself. Throws an Error with `code` when it cannot.
   */
  listen(address: Address, fd: number, accept: Accept, opening?: Opening): Promise<Listener>;
  /** Starts a connection, and TLS on it where `tls` is given; `serverName` overrides the one of the settings. `onConnect` or `onClose(CLOSED_CONNECT)` follows, never before this returns. The time-out is the caller's. */
  connect(to: Address, owner: ConnOwner, tls?: ClientTls | null, serverName?: string): Conn;
  /** Why this loop cannot speak TLS here; '' when it can. */
  readonly tlsProblem: string;
  /** Makes now what connections with these settings will need. Throws an Error when OpenSSL does not take them. */
  prepareTls(tls: ServerTls | ClientTls): void;
  /**
   * Nobody will listen or connect with these settings any more: what was made of them is given up. Open connections stay.
   * For settings that this loop has never used it does nothing.
   */
  forgetTls(tls: ServerTls | ClientTls): void;
  /** Runs `fn` once after the callbacks of this turn; what it asks for in turn runs after the next. */
  atTurnEnd(fn: () => void): void;
  /** Call it after leaving a promise or a call into node behind: node then gets its turn at the end of this one. */
  yieldSoon(): void;
  /** Starts turning; returns at once. */
  run(): void;
  /** Stops turning and closes every descriptor of the loop, silently: no owner is told. */
  stop(): void;
  /** Open connections, both ways. For tests and for `drain`. */
  readonly openConns: number;
}

/** Told of every descriptor that a loop opens and closes by system calls, so that a dead worker's can be closed for it. */
export interface FdLedger {
  opened(fd: number): void;
  closed(fd: number): void;
}

export interface LoopOptions {
  readonly clock?: Clock;
  readonly ledger?: FdLedger;
  /** Ids of connections are `firstConnId`, `firstConnId + connIdStep`, …: different in every worker. Default 1 and 1. */
  readonly firstConnId?: number;
  readonly connIdStep?: number;
  /** Whether the epoll engine may use io_uring where the kernel has it. Default true. */
  readonly ioUring?: boolean;
}
