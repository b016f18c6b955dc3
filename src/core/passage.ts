// One caller's TCP connection on its way through: what the rooms on both sides of the road say to each other about it.
// Worker thread. `proxy/tcp-journey.ts` is the Passage; `listen/tcp-down.ts` tells it of the caller, `cluster/tcp-up.ts`
// stands before the host.

import type { Address } from './address.ts';
import type { TlsInfo } from './tls-info.ts';

/** The caller's connection as the road sees it: the part of io's `Conn` that it needs. None of the methods calls back. */
export interface Caller {
  readonly id: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly originalDestination: Address | null;
  /** What TLS agreed on, where it ends here. */
  readonly tls: TlsInfo | null;
  /** What a look at its first bytes told, where TLS does not end here. */
  readonly facts: { readonly serverName: string } | null;
  /** Bytes kept for it. */
  readonly pending: number;
  /** @returns false when the source should pause until `downWritable`. The bytes are valid during the call. */
  write(buf: Buffer, start: number, end: number): boolean;
  /** Not counted. A caller is paused until its passage has a connection. */
  pauseRead(): void;
  resumeRead(): void;
  /** FIN behind everything written. */
  shutdownWrite(): void;
  /** What is written still goes out, and what the caller still sends is thrown away for so long. `downClosed` follows. */
  closeLingering(ms: number): void;
  /** RST at once. `downClosed` follows. */
  reset(): void;
}

export interface Passage {
  // ---- called by `listen` ----
  begin(): void;
  downData(buf: Buffer, start: number, end: number): void;
  downWritable(): void;
  /** The caller's FIN; it can still be written to. */
  downEnd(): void;
  /** The caller's connection is gone; `broken`: by a reset. No call on it follows. */
  downClosed(broken: boolean): void;

  // ---- called by `cluster` ----
  upReady(): void;
  /** No connection could be had; nothing was sent. */
  upFailed(): void;
  upData(buf: Buffer, start: number, end: number): void;
  upWritable(): void;
  upEnd(): void;
  upClosed(broken: boolean): void;
}

/** The door to room `proxy`: where a TCP listener gets its passages from. */
export interface PassageRoad {
  take(caller: Caller): Passage;
}
