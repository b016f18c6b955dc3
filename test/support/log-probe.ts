// A Logger whose lines a test can read and wait for.

import { Logger } from '../../src/control/log.ts';

export class LogProbe {
  readonly lines: string[] = [];
  readonly logger: Logger;
  private waiting: { pattern: RegExp; resolve: (line: string) => void }[] = [];

  constructor() {
    this.logger = new Logger('trace', (line) => this.take(line));
  }

  has(pattern: RegExp): boolean {
    return this.lines.some((line) => pattern.test(line));
  }

  /** The first line, past or future, that matches. */
  line(pattern: RegExp): Promise<string> {
    const found = this.lines.find((line) => pattern.test(line));
    if (found !== undefined) return Promise.resolve(found);
    return this.next(pattern);
  }

  /** The next line from now on that matches. */
  next(pattern: RegExp): Promise<string> {
    return new Promise((resolve) => this.waiting.push({ pattern, resolve }));
  }

  private take(line: string): void {
    this.lines.push(line);
    const due = this.waiting.filter(({ pattern }) => pattern.test(line));
    this.waiting = this.waiting.filter((one) => !due.includes(one));
    for (const one of due) one.resolve(line);
  }
}
