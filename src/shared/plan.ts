// Where the objects of one configuration live in shared memory. The primary allocates (`shared/registry.ts`), every
// worker gets the same Plan with the Snapshot. An object that survives a reload keeps its places. Plain data.

export interface ClusterPlan {
  /** First counter cell of the cluster's block (`observe/stat-names.ts`), the same in every worker's stripe. */
  readonly stats: number;
  /** First cell of `cluster.NAME.ssl.*`. */
  readonly ssl: number;
  /** First cell of `cluster.NAME.grpc.SERVICE.METHOD.*` by `SERVICE/METHOD`, and under '' of `cluster.NAME.grpc.*`; empty: not counted. */
  readonly grpc: Readonly<Record<string, number>>;
  /** Number of the first histogram of the cluster: `record(buckets, histograms + UP_RQ_TIME, micros)`. */
  readonly histograms: number;
  /** Row in the breaker table of requests with the default priority; the next one is that of the high priority. */
  readonly breakers: number;
  /** Row in the host table. */
  readonly row: number;
  /** In the order of `endpoints`. */
  readonly hosts: readonly HostPlan[];
}

export interface HostPlan {
  /** First cell of its counters. */
  readonly cells: number;
  /** Row in the host table. */
  readonly row: number;
  /** Row in the breaker table, for limits of its own and to count its requests over all workers; -1: none. */
  readonly breakers: number;
}

export interface ListenerPlan {
  /** First cell of `listener.ADDRESS.*`. */
  readonly listener: number;
  /** First cell of `listener.ADDRESS.ssl.*`. */
  readonly ssl: number;
  /** First cell of `http.PREFIX.*`; -1 where the listener speaks TCP. */
  readonly http: number;
  /** First cell of `tcp.PREFIX.*`; -1 where it speaks HTTP. */
  readonly tcp: number;
  readonly histograms: number;
  /** Row in the breaker table whose `cx` counts this listener's connections over all workers. */
  readonly breakers: number;
}

/** Of a filter that limits. */
export interface LimitPlan {
  /** First cell of its stats. */
  readonly stats: number;
  /** First of its words (`limit-words.ts`); its buckets come first. */
  readonly words: number;
  /** Row in the breaker table whose `rq` counts its requests over all workers; -1: none. */
  readonly breakers: number;
}

export interface Plan {
  readonly epoch: number;
  readonly clusters: Readonly<Record<string, ClusterPlan>>;
  readonly listeners: Readonly<Record<string, ListenerPlan>>;
  /** By the key that the configuration gives each. */
  readonly limits: Readonly<Record<string, LimitPlan>>;
}
