// One cluster whose endpoints are looked up: its names, and the endpoints that they stand for at present. Primary thread;
// owned by Discovery; lives over reloads that do not change what it looks up.

import type { ClusterConfig, DnsConfig, EndpointConfig } from '../../config/cluster-snapshot.ts';
import type { Address } from '../../core/address.ts';
import { formatAddress } from '../../core/address.ts';
import * as S from '../../observe/upkeep-stats.ts';
import { DnsTarget, type DnsTools, type TargetOwner } from './dns-target.ts';

/** What a cluster tells Discovery. */
export interface DnsWatcher {
  /** A number greater than every one before. */
  nextAnswer(): number;
  changed(): void;
}

export class DnsCluster implements TargetOwner {
  readonly tools: DnsTools;
  readonly name: string;
  readonly title: string;
  readonly dns: DnsConfig;
  readonly logical: boolean;
  /** Which look-ups of which names: a cluster of the same key goes on with this object. */
  readonly key: string;
  endpoints: readonly EndpointConfig[];
  /** Number of the answer that made `endpoints`. */
  answer: number;
  private readonly targets: readonly DnsTarget[];
  private readonly watcher: DnsWatcher;
  /** Where `cluster.NAME.update_*` is counted: here, until the cluster has its place. */
  private cells: Float64Array = new Float64Array(S.UPDATE_STATS.length);
  private cellsAt = 0;

  /** @param before the cluster of this name so far: what it knows of the same names is known here. */
  constructor(config: ClusterConfig, before: DnsCluster | undefined, watcher: DnsWatcher, tools: DnsTools) {
    this.name = config.name;
    this.title = `cluster "${config.name}"`;
    this.dns = config.dns!;
    this.logical = config.type === 'logicalDns';
    this.key = keyOf(config);
    this.tools = tools;
    this.watcher = watcher;
    this.targets = this.dns.targets.map((endpoint) => new DnsTarget(this, endpoint, before?.knownOf(endpoint.hostname, this.dns) ?? null));
    this.endpoints = this.collect();
    this.answer = watcher.nextAnswer();
  }

  start(): void {
    for (const target of this.targets) target.start();
  }

  stop(): void {
    for (const target of this.targets) target.stop();
  }

  /** Resolves when every name has had a first answer. */
  async firstAnswers(): Promise<void> {
    await Promise.all(this.targets.map((target) => target.firstAnswer()));
  }

  /** Names without a first answer. */
  get unanswered(): readonly string[] {
    return this.targets.filter(({ settled }) => !settled).map(({ endpoint }) => endpoint.hostname);
  }

  /** From now on counts at `cells[at + UPDATE_…]`. */
  countAt(cells: Float64Array, at: number): void {
    if (cells === this.cells) return; // a cluster keeps its place for as long as it is configured
    this.cells.forEach((count, slot) => (cells[at + slot]! += count));
    this.cells = cells;
    this.cellsAt = at;
  }

  targetAsks(): void {
    this.count(S.UPDATE_ATTEMPT);
  }

  targetFailed(): void {
    this.count(S.UPDATE_FAILURE);
  }

  targetFound(): void {
    this.count(S.UPDATE_SUCCESS);
    const endpoints = this.collect();
    if (sameEndpoints(endpoints, this.endpoints)) {
      this.count(S.UPDATE_NO_REBUILD);
      return;
    }
    if (endpoints.length === 0) this.count(S.UPDATE_EMPTY);
    this.endpoints = endpoints;
    this.answer = this.watcher.nextAnswer();
    this.watcher.changed();
  }

  private count(slot: number): void {
    this.cells[this.cellsAt + slot]!++;
  }

  /** Addresses of a name that is asked for in the same way, or null. */
  private knownOf(hostname: string, dns: DnsConfig): readonly string[] | null {
    if (dns.lookupFamily !== this.dns.lookupFamily || dns.resolvers.join() !== this.dns.resolvers.join()) return null;
    const target = this.targets.find(({ endpoint, settled }) => endpoint.hostname === hostname && settled);
    return target?.addresses ?? null;
  }

  /** Each address once: the name that is listed first has it. */
  private collect(): EndpointConfig[] {
    const found = new Map<string, EndpointConfig>();
    for (const { endpoint, addresses } of this.targets) {
      if (endpoint.hostname === '') {
        const text = formatAddress(endpoint.address);
        if (!found.has(text)) found.set(text, endpoint);
        continue;
      }
      // The order of an answer means nothing (servers rotate it) but to who takes the first.
      const taken = this.logical ? addresses.slice(0, 1) : [...addresses].sort();
      for (const host of taken) {
        const address: Address = { kind: 'ip', host, port: endpoint.address.kind === 'ip' ? endpoint.address.port : 0 };
        const text = formatAddress(address);
        // A logical host stays the same host wherever it is: its connections to an earlier address live on.
        if (!found.has(text)) found.set(text, { ...endpoint, address, text: this.logical ? endpoint.text : text });
      }
    }
    return [...found.values()];
  }
}

export function keyOf({ type, dns }: ClusterConfig): string {
  return JSON.stringify([type, dns]);
}

function sameEndpoints(a: readonly EndpointConfig[], b: readonly EndpointConfig[]): boolean {
  return a.length === b.length && a.every((one, i) => formatAddress(one.address) === formatAddress(b[i]!.address) && one.hostname === b[i]!.hostname);
}
