// What the admin pages see of the proxy, and what they can ask of it: the Primary implements it, tests fake it.
// Primary thread.

import type { LogLevel, Snapshot } from '../../config/snapshot.ts';
import type { Address } from '../../core/address.ts';
import type { CertificateFacts } from '../../security/certificate-facts.ts';
import type { Plan } from '../../shared/plan.ts';
import type { OutlierFigures } from '../outlier/outlier-detection.ts';

/** Envoy's names of the states of a server. */
export type ServerState = 'PRE_INITIALIZING' | 'INITIALIZING' | 'LIVE' | 'DRAINING';

/** The configuration that the workers carry. */
export interface Published {
  readonly snapshot: Snapshot;
  /** In the user's own words. */
  readonly document: unknown;
  readonly plan: Plan;
  /** As bound, by listener name. */
  readonly addresses: Readonly<Record<string, Address>>;
  /** Milliseconds since the epoch. */
  readonly publishedAt: number;
}

export interface AdminView {
  readonly version: string;
  readonly configPath: string;
  readonly state: ServerState;
  readonly published: Published | null;
  readonly workers: number;
  readonly engine: string;
  readonly uptimeMs: number;
  /** What carries a listener, and why that is not what the others have; '' when it is. */
  engineOf(listener: string): { readonly engine: string; readonly why: string };
  /** Of the certificates in use. */
  readonly certificates: CertificateFacts;
  logLevel: LogLevel;
  /** Sum of a cell over all workers. */
  cell(index: number): number;
  /** Percent of a host's requests in outlier detection's last interval; -1: too few, or none is configured. @param host its row in the host table */
  successRate(cluster: string, host: number, local: boolean): number;
  /** null: the cluster has no outlier detection. */
  outlierFigures(cluster: string): OutlierFigures | null;
  /** What is known of a host, by its row in the host table. */
  hostFlags(row: number): number;
  /** Makes `/ready` say no, or tell the truth again, while traffic goes on. */
  failHealthCheck(fail: boolean): void;
  /** Stops accepting; the process goes on. */
  drainListeners(): void;
  reopenLogs(): Promise<void>;
  /** Drains and ends the process. */
  quit(): void;
}
