// What the process does on signals. Primary thread. SIGTERM and SIGINT drain, then exit 0; a second one ends everything
// without waiting for what is in flight and exits 1, because something was cut off; a third one does not even wait for
// the workers. SIGHUP reloads; SIGUSR1 reopens log files (and so no longer starts Node's debugger).

import type { Logger } from './log.ts';

export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

export interface SignalTarget {
  drain(): Promise<void>;
  /** Ends everything now. */
  stop(): Promise<void>;
  reload(): Promise<unknown>;
  reopenLogs(): Promise<void>;
}

export class Signals {
  private readonly source: SignalSource;
  private readonly logger: Logger;
  private readonly exit: (code: number) => void;
  private target: SignalTarget | null = null;
  /** A stop is under way; the process ends by itself. */
  ending = false;
  private cutOff = false;

  /** From here on no signal has its default effect, also while the proxy is still starting. */
  constructor(source: SignalSource, logger: Logger, exit: (code: number) => void) {
    this.source = source;
    this.logger = logger;
    this.exit = exit;
    source.on('SIGTERM', this.onEnd);
    source.on('SIGINT', this.onEnd);
    source.on('SIGHUP', this.onReload);
    source.on('SIGUSR1', this.onReopen);
  }

  attach(target: SignalTarget): void {
    this.target = target;
  }

  close(): void {
    this.source.off('SIGTERM', this.onEnd);
    this.source.off('SIGINT', this.onEnd);
    this.source.off('SIGHUP', this.onReload);
    this.source.off('SIGUSR1', this.onReopen);
  }

  /** Drains and exits; also what `/quitquitquit` asks for. */
  end(): void {
    if (this.ending) return;
    this.ending = true;
    const drained = this.target?.drain() ?? Promise.resolve();
    drained.then(
      () => this.exit(this.cutOff ? 1 : 0),
      (error: unknown) => {
        this.logger.unexpected('drain', error);
        this.exit(1);
      },
    );
  }

  private readonly onEnd = (signal: NodeJS.Signals): void => {
    if (!this.ending) {
      this.logger.info(`${signal}: stopping`);
      this.end();
    } else if (!this.cutOff && this.target !== null) {
      this.cutOff = true;
      this.logger.warn(`${signal} again: exiting at once`);
      // Workers end themselves: a thread that is ended from outside takes the process with it where uWebSockets.js runs.
      this.target.stop().then(this.exitCutOff, this.exitCutOff);
    } else {
      this.exit(1);
    }
  };

  private readonly exitCutOff = (): void => this.exit(1);

  private readonly onReload = (): void => {
    this.logger.info('SIGHUP: reloading');
    void this.target?.reload();
  };

  private readonly onReopen = (): void => {
    void this.target?.reopenLogs();
  };
}
