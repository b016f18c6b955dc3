// What asking for a name means to discovery: a question, and an answer that is never an exception. Primary thread.

import type { DnsLookupFamily } from '../../config/cluster-snapshot.ts';

export interface Question {
  readonly name: string;
  readonly family: DnsLookupFamily;
  /** `IP` or `IP:port`; empty: the system's. */
  readonly resolvers: readonly string[];
}

export interface FoundAddress {
  /** An IP literal. */
  readonly host: string;
  /** How long the answer is valid; 0: it does not say. */
  readonly ttlMs: number;
}

export type Answer =
  /** In the order of the answer; none: the name is there and has no address. */
  | { readonly kind: 'found'; readonly addresses: readonly FoundAddress[] }
  /** Nothing is known about the name, whether it does not exist or nobody could tell. `why` is a code of node:dns. */
  | { readonly kind: 'failed'; readonly why: string };

export interface LookUp {
  /** Never rejects. */
  ask(question: Question): Promise<Answer>;
  /** Gives up what is being asked. */
  close(): void;
}
