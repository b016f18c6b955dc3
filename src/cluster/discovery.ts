// Looks up the endpoints of clusters by DNS, once for the whole process, and knows what their names stand for at present.
// Primary thread; owned by the Publisher, which brings changes to the workers.
//
//   warm ──► resolve, delivery ─┬─► commit: these clusters are looked up from now on, others no more
//                               └─► abandon

import type { ClusterConfig } from '../config/cluster-snapshot.ts';
import { UPDATE_AT } from '../observe/upkeep-stats.ts';
import type { Plan } from '../shared/plan.ts';
import { DnsCluster, keyOf } from './dns/dns-cluster.ts';
import type { DnsTools } from './dns/dns-target.ts';
import type { LookUp } from './dns/look-up.ts';
import { DnsResolver } from './dns/resolver.ts';

/** As long as a start or a reload waits for first answers; what has none by then begins without endpoints. */
const WARM_MS = 5000;

export type { Answer, LookUp, Question } from './dns/look-up.ts';

export interface DiscoveryParts extends Omit<DnsTools, 'lookUp'> {
  /** The system's own when there is none. */
  readonly lookUp?: LookUp;
  /** What names stand for has changed: `changes` tells. */
  onChange(): void;
}

export class Discovery {
  private readonly parts: DiscoveryParts;
  private readonly tools: DnsTools;
  /** Of the configuration in effect. */
  private current = new Map<string, DnsCluster>();
  /** Of the one that is to be; those that it shares with the current one are the same objects. */
  private next: Map<string, DnsCluster> | null = null;
  private answers = 0;
  private closed = false;

  constructor(parts: DiscoveryParts) {
    const { timers, random } = parts;
    this.parts = parts;
    this.tools = { timers, random, lookUp: parts.lookUp ?? new DnsResolver(), info: (text) => parts.info(text), warn: (text) => parts.warn(text) };
  }

  /** Begins to look up what a configuration needs. Resolves when every name has had an answer, or the time for it is over. */
  async warm(clusters: readonly ClusterConfig[]): Promise<void> {
    this.abandon();
    if (this.closed) return;
    const next = new Map<string, DnsCluster>();
    for (const config of clusters) {
      if (config.dns === null) continue;
      const before = this.current.get(config.name);
      next.set(config.name, before?.key === keyOf(config) ? before : this.make(config, before));
    }
    this.next = next;
    const all = Promise.all([...next.values()].map((cluster) => cluster.firstAnswers()));
    let cancel: () => void = () => undefined;
    const late = new Promise<void>((resolve) => (cancel = this.tools.timers.after(WARM_MS, resolve)));
    await Promise.race([all, late]);
    cancel();
    for (const { title, unanswered } of next.values()) {
      if (unanswered.length > 0) this.parts.warn(`${title}: no answer for ${unanswered.map((name) => `"${name}"`).join(', ')} within ${WARM_MS / 1000} s: it goes on without`);
    }
  }

  /** The clusters with the endpoints known now. */
  resolve(clusters: readonly ClusterConfig[]): ClusterConfig[] {
    return clusters.map((config) => filledIn(config, this.next?.get(config.name)));
  }

  /** Of the configuration in effect those clusters whose endpoints are other ones by now. */
  changes(clusters: readonly ClusterConfig[]): ClusterConfig[] {
    return clusters.filter(({ name, answer }) => (this.current.get(name)?.answer ?? answer) !== answer).map((config) => filledIn(config, this.current.get(config.name)));
  }

  /** The configuration that was warmed is in effect. @param cells what the primary counts. */
  commit(plan: Plan, cells: Float64Array): void {
    const before = this.current;
    this.current = this.next ?? before;
    this.next = null;
    for (const [name, cluster] of before) if (this.current.get(name) !== cluster) cluster.stop();
    for (const [name, cluster] of this.current) cluster.countAt(cells, plan.clusters[name]!.stats + UPDATE_AT);
  }

  /** It never took effect. */
  abandon(): void {
    for (const [name, cluster] of this.next ?? []) if (this.current.get(name) !== cluster) cluster.stop();
    this.next = null;
  }

  close(): void {
    this.closed = true;
    this.abandon();
    for (const cluster of this.current.values()) cluster.stop();
    this.current.clear();
    this.tools.lookUp.close();
  }

  private make(config: ClusterConfig, before: DnsCluster | undefined): DnsCluster {
    const watcher = {
      nextAnswer: () => ++this.answers,
      changed: () => {
        if (this.current.get(config.name) === cluster) this.parts.onChange();
      },
    };
    const cluster = new DnsCluster(config, before, watcher, this.tools);
    cluster.start();
    return cluster;
  }
}

function filledIn(config: ClusterConfig, found: DnsCluster | undefined): ClusterConfig {
  return found === undefined ? config : { ...config, endpoints: found.endpoints, answer: found.answer };
}
