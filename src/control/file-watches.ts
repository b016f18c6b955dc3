// Watches the files that a configuration names: certificates, keys. Primary thread; owns one ConfigWatch per file, and keeps
// those of files that stay over a reload, so that no change falls between two of them.

import type { Timers } from '../core/host-timer.ts';
import { ConfigWatch } from './config-watch.ts';

export class FileWatches {
  private readonly timers: Timers;
  private readonly onChange: () => void;
  private readonly watches = new Map<string, ConfigWatch>();

  constructor(timers: Timers, onChange: () => void) {
    this.timers = timers;
    this.onChange = onChange;
  }

  /** Watches exactly these from now on; resolves when their present state has been noted. */
  async follow(paths: readonly string[]): Promise<void> {
    const wanted = new Set(paths);
    for (const [path, watch] of this.watches) {
      if (wanted.has(path)) continue;
      watch.close();
      this.watches.delete(path);
    }
    const fresh = [...wanted].filter((path) => !this.watches.has(path));
    await Promise.all(
      fresh.map((path) => {
        const watch = new ConfigWatch({ path, timers: this.timers, onChange: this.onChange });
        this.watches.set(path, watch);
        return watch.start();
      }),
    );
  }

  close(): void {
    for (const watch of this.watches.values()) watch.close();
    this.watches.clear();
  }
}
