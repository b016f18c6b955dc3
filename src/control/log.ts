// The proxy's own log: one human line per event on stderr. Primary thread; workers send their lines as messages.
// The level can be changed while running (reload, `/logging`).

import type { LogLevel } from '../config/snapshot.ts';
import type { TimeSource } from '../core/clock.ts';
import { systemTime } from '../core/clock.ts';

export type LineLevel = Exclude<LogLevel, 'off'>;

export const LOG_LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'off'];

export function isLogLevel(word: string): word is LogLevel {
  return (LOG_LEVELS as readonly string[]).includes(word);
}

export class Logger {
  level: LogLevel;
  private readonly write: (line: string) => void;
  private readonly time: TimeSource;

  constructor(level: LogLevel, write: (line: string) => void, time: TimeSource = systemTime) {
    this.level = level;
    this.write = write;
    this.time = time;
  }

  enabled(level: LineLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(this.level);
  }

  line(level: LineLevel, text: string): void {
    if (!this.enabled(level)) return;
    const at = new Date(this.time.wallMs()).toISOString();
    // Continuation lines are indented, so that one event stays one block for whoever reads or greps.
    this.write(`${at} ${level.padEnd(5)} ${text.trimEnd().replaceAll('\n', '\n    ')}\n`);
  }

  debug(text: string): void {
    this.line('debug', text);
  }

  info(text: string): void {
    this.line('info', text);
  }

  warn(text: string): void {
    this.line('warn', text);
  }

  error(text: string): void {
    this.line('error', text);
  }

  /** An error nobody foresaw: one line for the user; the stack only for whoever asked for debug lines. */
  unexpected(what: string, error: unknown): void {
    this.error(`${what}: ${messageOf(error)}`);
    if (error instanceof Error && error.stack !== undefined) this.debug(error.stack);
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
