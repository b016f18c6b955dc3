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
  /** Row in the breaker table. */
  readonly breakers: number;
  /** First cell of each host's row, in the order of `endpoints`. */
  readonly hosts: readonly number[];
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

export interface Plan {
  readonly epoch: number;
  readonly clusters: Readonly<Record<string, ClusterPlan>>;
  readonly listeners: Readonly<Record<string, ListenerPlan>>;
}
