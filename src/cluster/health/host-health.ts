// What one host's checks have found so far, and what follows from it: Envoy's state machine. Primary thread; the flags stand
// in the host table, where workers read them and may raise some themselves (`x-envoy-immediate-health-check-fail`).
//
//   new: FAILED, PENDING ──first check──► healthy, or FAILED
//   healthy ──a wrong answer, or unhealthyThreshold times none──► FAILED ──healthyThreshold right ones in a row──► healthy

import {
  HEALTH_FAILURE, HEALTH_NETWORK_FAILURE, HEALTH_SUCCESS,
} from '../../observe/upkeep-stats.ts';
import { HOST_DEGRADED, HOST_EXCLUDED, HOST_FAILED_ACTIVE, HOST_FAILED_OUTLIER, HOST_PENDING_ACTIVE, type HostTable } from '../../shared/host-table.ts';
import type { HealthEvent } from './events.ts';
import { isCounted, type Verdict } from './verdict.ts';

/** What a check has changed: nothing, something, or nothing yet. */
export const UNCHANGED = 0;
export const CHANGED = 1;
export const CHANGE_PENDING = 2;
export type Change = 0 | 1 | 2;

/** What the hosts of a cluster share. */
export interface HealthBook {
  readonly table: HostTable;
  /** The cluster's row in the table. */
  readonly row: number;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
  readonly alwaysLogFailures: boolean;
  readonly clock: { readonly now: number };
  /** One of `HEALTH_…`. */
  count(slot: number): void;
  /** A host that outlier detection has ejected passed its check, and no check of it fails. @param host its row */
  passed(host: number): void;
}

const WATCHED = HOST_FAILED_ACTIVE | HOST_EXCLUDED;

export class HostHealth {
  private readonly book: HealthBook;
  /** In the host table. */
  private readonly row: number;
  private readonly tell: (event: HealthEvent) => void;
  /** No check has ended yet. */
  first = true;
  private passes = 0;
  private failures = 0;
  /** The watched flags as they were left here; others are somebody else's doing. */
  private known: number;

  constructor(book: HealthBook, row: number, tell: (event: HealthEvent) => void) {
    this.book = book;
    this.row = row;
    this.tell = tell;
    this.known = book.table.flags(row) & WATCHED;
  }

  /** Nobody knows anything of this host: it gets no requests before a check. */
  begin(): void {
    const { table, row } = this.book;
    table.raise(row, this.row, HOST_FAILED_ACTIVE | HOST_PENDING_ACTIVE);
    table.lower(row, this.row, HOST_DEGRADED | HOST_EXCLUDED);
    this.known = HOST_FAILED_ACTIVE;
  }

  /** It is not checked any more: nothing is left of what was found. */
  forget(): void {
    this.book.table.lower(this.book.row, this.row, HOST_FAILED_ACTIVE | HOST_PENDING_ACTIVE | HOST_DEGRADED | HOST_EXCLUDED);
  }

  /** A worker may have seen the host say that it fails. It has counted that; here it is remembered and logged. */
  notice(): void {
    const flags = this.book.table.flags(this.row) & WATCHED;
    const fresh = flags & ~this.known;
    this.known = flags;
    if (fresh === 0) return;
    this.passes = 0;
    if ((fresh & HOST_FAILED_ACTIVE) !== 0) this.tell({ eject_unhealthy_event: { failure_type: 'PASSIVE', http_status_code: 0 } });
    if (this.first || this.book.alwaysLogFailures) this.tell({ health_check_failure_event: { failure_type: 'PASSIVE', first_check: this.first, http_status_code: 0 } });
    this.first = false;
  }

  judge(verdict: Verdict): Change {
    this.notice();
    const change = verdict.healthy ? this.pass(verdict.degraded) : this.fail(verdict);
    this.first = false;
    this.known = this.book.table.flags(this.row) & WATCHED;
    return change;
  }

  private pass(degraded: boolean): Change {
    const { table, row, healthyThreshold, clock } = this.book;
    const flags = table.flags(this.row);
    let lowered = flags & HOST_PENDING_ACTIVE;
    let change: Change = lowered === 0 ? UNCHANGED : CHANGED;
    this.failures = 0;
    if ((flags & HOST_FAILED_ACTIVE) === 0) {
      lowered |= HOST_EXCLUDED;
    } else if (this.first || ++this.passes >= healthyThreshold) {
      this.passes = 0;
      lowered |= HOST_FAILED_ACTIVE | HOST_EXCLUDED;
      change = CHANGED;
      table.setJoinedAt(this.row, clock.now);
      this.tell({ add_healthy_event: { first_check: this.first } });
    } else if (change === UNCHANGED) {
      change = CHANGE_PENDING;
    }
    // Degraded before healthy: no worker may see it as good as the others in between.
    if (degraded && table.raise(row, this.row, HOST_DEGRADED)) this.tell({ degraded_healthy_host: {} });
    if (!degraded && (flags & HOST_DEGRADED) !== 0) {
      lowered |= HOST_DEGRADED;
      this.tell({ no_longer_degraded_host: {} });
    }
    if (degraded !== ((flags & HOST_DEGRADED) !== 0) && change === UNCHANGED) change = CHANGED;
    table.lower(row, this.row, lowered);
    const after = table.flags(this.row);
    if ((after & HOST_FAILED_OUTLIER) !== 0 && (after & HOST_FAILED_ACTIVE) === 0) this.book.passed(this.row);
    this.book.count(HEALTH_SUCCESS);
    return change;
  }

  private fail(verdict: Verdict): Change {
    const { table, row, unhealthyThreshold, alwaysLogFailures } = this.book;
    const told = { failure_type: verdict.failure, http_status_code: verdict.status };
    let change: Change = UNCHANGED;
    this.passes = 0;
    if (verdict.exclude) table.raise(row, this.row, HOST_EXCLUDED);
    if ((table.flags(this.row) & HOST_FAILED_ACTIVE) === 0) {
      change = CHANGE_PENDING;
      if (!isCounted(verdict) || ++this.failures >= unhealthyThreshold) {
        this.failures = 0;
        change = CHANGED;
        table.raise(row, this.row, HOST_FAILED_ACTIVE);
        this.tell({ eject_unhealthy_event: told });
      }
    }
    if (table.lower(row, this.row, HOST_PENDING_ACTIVE)) change = CHANGED;
    if (this.first || alwaysLogFailures) this.tell({ health_check_failure_event: { ...told, first_check: this.first } });
    this.book.count(HEALTH_FAILURE);
    if (verdict.failure !== 'ACTIVE') this.book.count(HEALTH_NETWORK_FAILURE);
    return change;
  }
}
