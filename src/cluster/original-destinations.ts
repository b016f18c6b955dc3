// The hosts of an originalDst cluster: made for each address that callers wanted to go to, and let go when nobody has for a
// while. Worker thread; owned by its Cluster. They share one row of counters: nobody can say beforehand who they will be.

import { formatAddress } from '../core/address.ts';
import type { StreamRecord } from '../core/stream.ts';
import { Timer, type TimerTarget } from '../core/timer.ts';
import type { Cluster } from './cluster.ts';
import type { HostPlan } from '../shared/plan.ts';
import { drainHost, Host } from './host.ts';
import type { Picker } from './pick.ts';

/** Envoy: cleanup_interval 5 s. */
const CLEANUP_MS = 5000;

export class OriginalDestinations implements Picker, TimerTarget {
  private readonly cluster: Cluster;
  private readonly places: HostPlan;
  private readonly hosts = new Map<string, Host>();
  private readonly picked = new Set<string>();
  private readonly timer: Timer;

  constructor(cluster: Cluster, places: HostPlan) {
    this.cluster = cluster;
    this.places = places;
    this.timer = new Timer(this, 0);
  }

  /** Null for a caller that was not redirected: it wanted to come here, and nowhere else. */
  pick(stream: StreamRecord): Host | null {
    const address = stream.originalDestination;
    if (address === null) return null;
    const text = formatAddress(address);
    let host = this.hosts.get(text);
    if (host === undefined) {
      host = new Host(address, text, 1, this.places);
      this.hosts.set(text, host);
    }
    this.picked.add(text);
    if (this.timer.deadline === 0) this.cluster.tools.loop.timers.arm(this.timer, CLEANUP_MS);
    return host;
  }

  /** Those that nobody asked for since the last look go; their requests under way are finished. */
  onTimer(): void {
    for (const [text, host] of this.hosts) {
      if (this.picked.has(text)) continue;
      this.hosts.delete(text);
      drainHost(host);
    }
    this.picked.clear();
    if (this.hosts.size > 0) this.cluster.tools.loop.timers.arm(this.timer, CLEANUP_MS);
  }

  drain(): void {
    this.cluster.tools.loop.timers.disarm(this.timer);
    for (const host of this.hosts.values()) drainHost(host);
    this.hosts.clear();
  }
}
