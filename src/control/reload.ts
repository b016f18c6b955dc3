// Reloads, one at a time: while one is under way, any number of further wishes become one more, which reads the file as it
// is then, so the newest wins. Primary thread; owns the counters of updates.

export type ReloadResult =
  | { readonly outcome: 'applied'; readonly version: string }
  | { readonly outcome: 'unchanged' }
  | { readonly outcome: 'rejected'; readonly errors: readonly string[] };

/** Counted as Envoy counts the updates of a discovery service. */
export interface ReloadStats {
  update_attempt: number;
  update_success: number;
  update_rejected: number;
}

export class Reloads {
  readonly stats: ReloadStats = { update_attempt: 0, update_success: 0, update_rejected: 0 };
  private readonly reload: () => Promise<ReloadResult>;
  private running: Promise<ReloadResult> | null = null;
  private queued: Promise<ReloadResult> | null = null;

  /** `reload` reads, checks and applies; it reports by itself. */
  constructor(reload: () => Promise<ReloadResult>) {
    this.reload = reload;
  }

  /** Resolves when a reload that began after this call is over. */
  request(): Promise<ReloadResult> {
    if (this.running === null) return (this.running = this.run());
    this.queued ??= this.running.then(() => {
      this.queued = null;
      return (this.running = this.run());
    });
    return this.queued;
  }

  /** Resolves when none is under way. */
  async idle(): Promise<void> {
    while (this.running !== null) await (this.queued ?? this.running);
  }

  private async run(): Promise<ReloadResult> {
    this.stats.update_attempt++;
    let result: ReloadResult;
    try {
      result = await this.reload();
    } catch (error) {
      result = { outcome: 'rejected', errors: [error instanceof Error ? error.message : String(error)] };
    }
    if (result.outcome === 'rejected') this.stats.update_rejected++;
    else this.stats.update_success++;
    if (this.queued === null) this.running = null;
    return result;
  }
}
