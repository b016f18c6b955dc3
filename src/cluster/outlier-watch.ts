// @hot
// What a worker tells outlier detection of every attempt: failures in a row are counted over all workers in the host table,
// and who counts the last one ejects the host; good and bad answers are counted in the worker's own cells, for the primary
// to judge rates by (`control/outlier/`). Worker thread; owned by its Cluster, which has none without outlier detection.
//
// What went wrong on the way to a host counts as an answer 503, or 504 when time ran out: as Envoy has it, unless local
// origin is split off; then it counts by itself, and so do connections that came to be.

import { HOST_LOCAL_BAD, HOST_LOCAL_GOOD, HOST_OUTLIER_BAD, HOST_OUTLIER_GOOD } from '../observe/stat-names.ts';
import { DETECT_5XX, DETECT_GATEWAY_FAILURE, DETECT_LOCAL_ORIGIN_FAILURE } from '../observe/upkeep-stats.ts';
import { isEjected } from '../shared/ejections.ts';
import { CONSECUTIVE_5XX, CONSECUTIVE_GATEWAY, CONSECUTIVE_LOCAL, type HostCount, type HostTable } from '../shared/host-table.ts';
import type { OutlierConfig } from '../config/outlier.ts';
import type { Cluster } from './cluster.ts';
import { Ejector } from './ejector.ts';
import type { Host } from './host.ts';

/** What a worker has found, for the event log that the primary writes. */
export interface OutlierFinding {
  readonly cluster: string;
  /** Row in the host table. */
  readonly host: number;
  /** Its number in `OUTLIER_DETECTORS`. */
  readonly detector: number;
  readonly enforced: boolean;
}

export class OutlierWatch {
  private readonly cluster: Cluster;
  private readonly cells: Float64Array;
  private readonly table: HostTable;
  private readonly ejector: Ejector;
  private readonly split: boolean;
  private readonly logged: boolean;
  private readonly max5xx: number;
  private readonly maxGateway: number;
  private readonly maxLocal: number;

  constructor(cluster: Cluster, config: OutlierConfig) {
    this.cluster = cluster;
    this.cells = cluster.tools.cells;
    this.table = cluster.tools.hostTable;
    this.ejector = new Ejector(cluster.tools, cluster, config);
    this.split = config.splitExternalLocalOriginErrors;
    this.logged = config.eventLog !== '';
    this.max5xx = config.consecutive5xx.failures;
    this.maxGateway = config.consecutiveGatewayFailure.failures;
    this.maxLocal = config.consecutiveLocalOriginFailure.failures;
  }

  /** The head of an answer is here, or what stands for one. */
  answer(host: Host, status: number): void {
    const { table, cells } = this;
    if (status >= 500 && status < 600) {
      this.badAnswer(host, status);
      return;
    }
    cells[host.cells + HOST_OUTLIER_GOOD]!++;
    table.setCount(host.row, CONSECUTIVE_5XX, 0);
    table.setCount(host.row, CONSECUTIVE_GATEWAY, 0);
  }

  /** There is a connection for a request. */
  connected(host: Host): void {
    if (!this.split) return;
    this.cells[host.cells + HOST_LOCAL_GOOD]!++;
    this.table.setCount(host.row, CONSECUTIVE_LOCAL, 0);
  }

  /** There is a connection, and nothing will come that can be judged any further. */
  connectedForGood(host: Host): void {
    if (this.split) this.connected(host);
    else this.answer(host, 200);
  }

  /** No connection, or no answer over it: 503 when it failed, 504 when time ran out. */
  noAnswer(host: Host, status: number): void {
    if (!this.split) {
      this.badAnswer(host, status);
      return;
    }
    this.cells[host.cells + HOST_LOCAL_BAD]!++;
    this.failed(host, CONSECUTIVE_LOCAL, DETECT_LOCAL_ORIGIN_FAILURE, this.maxLocal);
  }

  private badAnswer(host: Host, status: number): void {
    this.cells[host.cells + HOST_OUTLIER_BAD]!++;
    if (status >= 502 && status <= 504) this.failed(host, CONSECUTIVE_GATEWAY, DETECT_GATEWAY_FAILURE, this.maxGateway);
    else this.table.setCount(host.row, CONSECUTIVE_GATEWAY, 0);
    this.failed(host, CONSECUTIVE_5XX, DETECT_5XX, this.max5xx);
  }

  /** One more in a row; with the last that is allowed the host is found out. */
  private failed(host: Host, what: HostCount, detector: number, limit: number): void {
    const { table, cluster } = this;
    if (limit === 0 || table.count(host.row, what) < limit) return;
    // Counts of an ejected host begin anew when it is back; one that is configured no more is nobody's concern.
    if (isEjected(table, host.row) || !cluster.has(host)) return;
    if (!table.takeCount(host.row, what, limit)) return;
    const verdict = this.ejector.found(host.row, detector, cluster.hosts.length, cluster.tools.clock.now);
    if (this.logged && (verdict === 'ejected' || verdict === 'spared')) {
      cluster.tools.reportOutlier({ cluster: cluster.name, host: host.row, detector, enforced: verdict === 'ejected' });
    }
  }
}
