// The files of the access logs: workers send batches of lines, each goes to the file that it names. Primary thread; owns
// the files. A file that is slow or gone costs log lines, which are counted, and never a request.

import type { CancelTimer, Timers } from '../core/host-timer.ts';
import type { Logger } from './log.ts';
import { messageOf } from './log.ts';
import { emptyFilesystemStats, LogFile } from './log-file.ts';

/** What one file may have waiting; 16 MiB are some 80,000 default lines. */
const MAX_QUEUED_BYTES = 16 << 20;
export class AccessLogFiles {
  readonly stats = emptyFilesystemStats();
  private readonly logger: Logger;
  private readonly timers: Timers;
  private readonly maxQueuedBytes: number;
  private files = new Map<string, LogFile>();

  constructor(logger: Logger, timers: Timers, maxQueuedBytes = MAX_QUEUED_BYTES) {
    this.logger = logger;
    this.timers = timers;
    this.maxQueuedBytes = maxQueuedBytes;
  }

  /** Makes sure that these files can be written, before a configuration that names them is published. */
  async prepare(paths: Iterable<string>): Promise<readonly string[]> {
    const errors: string[] = [];
    for (const path of new Set(paths)) {
      try {
        await this.fileOf(path).openNow();
      } catch (error) {
        this.files.delete(path);
        errors.push(`access log ${path} cannot be opened: ${messageOf(error)}`);
      }
    }
    return errors;
  }

  append(path: string, bytes: Uint8Array): void {
    this.fileOf(path).append(bytes);
  }

  /** Closes the files and opens them anew, after what waits has been written: for log rotation. */
  async reopen(): Promise<void> {
    await Promise.all(
      [...this.files.values()].map(async (file) => {
        try {
          await file.reopen();
        } catch (error) {
          this.stats.reopen_failed++;
          this.logger.error(`access log ${file.path} cannot be reopened: ${messageOf(error)}`);
        }
      }),
    );
  }

  /** Writes what waits, at most for `timeoutMs`, then closes. */
  async close(timeoutMs: number): Promise<void> {
    const files = [...this.files.values()];
    this.files = new Map();
    let cancel: CancelTimer = () => undefined;
    const late = new Promise<void>((resolve) => (cancel = this.timers.after(timeoutMs, resolve)));
    await Promise.race([Promise.all(files.map((file) => file.idle())), late]);
    cancel();
    await Promise.all(files.map((file) => file.close()));
  }

  private fileOf(path: string): LogFile {
    let file = this.files.get(path);
    if (file === undefined) {
      const { stats, logger, timers, maxQueuedBytes } = this;
      file = new LogFile(path, { stats, logger, timers, maxQueuedBytes });
      this.files.set(path, file);
    }
    return file;
  }
}
