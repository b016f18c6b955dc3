// What the primary thread and a worker say to each other. Everything else they share is shared memory.
// A reload has two phases, so that a configuration that one worker cannot carry takes effect in none.

import type { OutlierFinding } from '../cluster/outlier-watch.ts';
import type { EndpointConfig } from '../config/cluster-snapshot.ts';
import type { Address } from '../core/address.ts';
import type { HostPlan } from '../shared/plan.ts';

/** Handed over when the thread starts. */
export interface WorkerStart {
  /** 0, 1, …: the number of this worker's stripe; a replacement gets the number of the one it replaces. */
  readonly index: number;
  /** The CPU to pin to, or null. */
  readonly cpu: number | null;
  readonly stripe: SharedArrayBuffer;
  readonly breakers: SharedArrayBuffer;
  readonly hosts: SharedArrayBuffer;
  readonly limits: SharedArrayBuffer;
  readonly overload: SharedArrayBuffer;
  /** `epoll` when the primary could load the system layer. */
  readonly engine: 'epoll' | 'node';
}

export interface ListenSocket {
  readonly address: Address;
  /** A listening descriptor of this worker's own that stays the primary's; -1: the worker must bind `address` itself. */
  readonly fd: number;
}

/** For tests: to fail as a bug would (an exception nobody catches, a thread that ends), or to log what it has of OpenSSL's. */
export type HookAction = 'throw' | 'exit' | 'openssl';

export type ToWorker<Snapshot = unknown, Plan = unknown> =
  /** Compile and bind, change nothing yet; answer `prepared`. */
  | { readonly type: 'prepare'; readonly epoch: number; readonly snapshot: Snapshot; readonly plan: Plan; readonly sockets: Readonly<Record<string, ListenSocket>>; readonly ticketKeys: readonly Uint8Array[] }
  /** New keys for session tickets, the newest first. */
  | { readonly type: 'ticketKeys'; readonly keys: readonly Uint8Array[] }
  /** Make the prepared configuration the current one; answer `committed`. */
  | { readonly type: 'commit'; readonly epoch: number }
  /** Throw the prepared configuration away. */
  | { readonly type: 'abandon'; readonly epoch: number }
  /** Other endpoints for clusters of the current configuration; answer `endpoints`. */
  | { readonly type: 'endpoints'; readonly change: number; readonly clusters: readonly ClusterEndpoints[] }
  /** Accept what is queued, stop accepting, answer what is in flight, close idle connections; answer `drained` when none is left or time is over. */
  | { readonly type: 'drain'; readonly timeoutMs: number }
  /** Close everything now; the worker ends its thread by itself. */
  | { readonly type: 'stop' }
  | { readonly type: 'hook'; readonly action: HookAction };

/** What the names of a cluster stand for now. */
export interface ClusterEndpoints {
  readonly name: string;
  readonly endpoints: readonly EndpointConfig[];
  /** As in the cluster's configuration. */
  readonly answer: number;
  readonly hosts: readonly HostPlan[];
}

export type PrepareMessage = Extract<ToWorker, { type: 'prepare' }>;

export type FromWorker =
  | { readonly type: 'online' }
  | { readonly type: 'prepared'; readonly epoch: number; readonly errors: readonly string[]; readonly addresses: Readonly<Record<string, Address>> }
  | { readonly type: 'committed'; readonly epoch: number }
  | { readonly type: 'endpoints'; readonly change: number }
  | { readonly type: 'drained' }
  | ({ readonly type: 'outlier' } & OutlierFinding)
  | { readonly type: 'log'; readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly text: string }
  /** A batch of access-log lines for one file, in order. */
  | { readonly type: 'accessLog'; readonly path: string; readonly bytes: Uint8Array };
