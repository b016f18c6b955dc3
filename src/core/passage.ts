// One caller's TCP connection on its way through: what the rooms on both sides of the road say to each other about it.
// Worker thread. `proxy/tcp-journey.ts` is the Passage; `listen/tcp-down.ts` stands below the caller, `cluster/tcp-up.ts`
// before the host.

import type { Address } from './address.ts';
import type { Fault } from './fault.ts';

/** The caller's side. None of its methods calls back. */
export interface Caller {
  readonly connectionId: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly originalDestination: Address | null;
  /** What it asked for in TLS, ended here or looked at; '' without. */
  readonly serverName: string;
  /** @returns false when the source should pause until `downWritable`. The bytes are valid during the call. */
  write(buf: Buffer, start: number, end: number): boolean;
  /** Not counted. A caller is paused until its passage has a connection. */
  pause(): void;
  resume(): void;
  /** FIN behind everything written. */
  end(): void;
  /** Nothing more is taken of the caller; what is written still goes out. `downClosed` follows. */
  close(): void;
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
  upFailed(fault: Fault): void;
  upData(buf: Buffer, start: number, end: number): void;
  upWritable(): void;
  upEnd(): void;
  upClosed(broken: boolean): void;
}

/** The door to room `proxy`: where a TCP listener gets its passages from. */
export interface PassageRoad {
  take(caller: Caller): Passage;
}
