// What is said on a connection for health checks, whatever the protocol. Primary thread; owned by its Probe.

import type { Verdict } from './verdict.ts';

export interface Talk {
  /** Asks once more: nothing is under way. @returns false when this connection takes no further question */
  ask(): boolean;
  receive(buf: Buffer, start: number, end: number): void;
  /** The host has sent its end. @returns true when that was the end of an answer, and it has been told */
  ended(): boolean;
  writable(): void;
  /** The connection is gone, or will be: nothing may be said any more. */
  close(): void;
}

/** The Probe, as its Talk sees it. */
export interface TalkOwner {
  /** A question is under way. */
  readonly asking: boolean;
  /** `keep`: the connection may be used again, as far as the host is concerned. */
  answered(verdict: Verdict, keep: boolean): void;
  /** The connection cannot go on; a question under way has no answer. */
  broken(): void;
  send(buf: Buffer, start: number, end: number): boolean;
  /** Runs at the end of this turn, unless the connection is gone by then. */
  later(fn: () => void): void;
}
