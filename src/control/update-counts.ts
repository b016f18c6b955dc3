// What a configuration changed, counted as Envoy's listener manager and cluster manager count it. Primary thread.

import type { Snapshot } from '../config/snapshot.ts';

interface Named {
  readonly name: string;
  readonly hash: string;
}

export interface ChangeCounts {
  added: number;
  modified: number;
  removed: number;
  active: number;
}

export class UpdateCounts {
  readonly listeners: ChangeCounts = { added: 0, modified: 0, removed: 0, active: 0 };
  readonly clusters: ChangeCounts = { added: 0, modified: 0, removed: 0, active: 0 };

  /** @returns what to tell the operator: `listeners: 1 added; clusters: 2 modified`. */
  record(before: Snapshot | null, after: Snapshot): string {
    const parts = [
      describe('listeners', count(this.listeners, before?.listeners ?? [], after.listeners)),
      describe('clusters', count(this.clusters, before?.clusters ?? [], after.clusters)),
    ].filter((part) => part !== '');
    return parts.length === 0 ? 'only settings of the whole' : parts.join('; ');
  }
}

function count(counts: ChangeCounts, before: readonly Named[], after: readonly Named[]): Omit<ChangeCounts, 'active'> {
  const old = new Map(before.map(({ name, hash }) => [name, hash]));
  const names = new Set(after.map(({ name }) => name));
  const added = after.filter(({ name }) => !old.has(name)).length;
  const modified = after.filter(({ name, hash }) => old.has(name) && old.get(name) !== hash).length;
  const removed = before.filter(({ name }) => !names.has(name)).length;
  counts.added += added;
  counts.modified += modified;
  counts.removed += removed;
  counts.active = after.length;
  return { added, modified, removed };
}

function describe(what: string, change: Omit<ChangeCounts, 'active'>): string {
  const parts = Object.entries(change).filter(([, n]) => n > 0).map(([how, n]) => `${n} ${how}`);
  return parts.length === 0 ? '' : `${what}: ${parts.join(', ')}`;
}
