// @hot
// A regular expression in RE2's language and in linear time, whatever the input: never the engine's own backtracking
// RegExp. Compiled at load on any thread; matched on the worker.

import { RE2JS } from 're2js';
import { fromByteString, toByteString } from './byte-string.ts';

export class LinearRegex {
  readonly pattern: string;
  private readonly re: RE2JS;

  /** @throws Error when the pattern is not RE2. */
  constructor(pattern: string) {
    this.pattern = pattern;
    this.re = RE2JS.compile(pattern);
  }

  /** Number of capturing groups. */
  get groups(): number {
    return this.re.groupCount();
  }

  /** Does the whole text match? */
  matches(bytes: string): boolean {
    return this.re.matches(fromByteString(bytes));
  }

  /**
   * Every match replaced, left to right; an empty match right behind the one before it does not count (RE2's
   * GlobalReplace). null when there is none.
   * @param parts text, group, text, group, …, text: even places hold strings, odd ones group numbers.
   */
  replaceAll(bytes: string, parts: readonly (string | number)[]): string | null {
    const text = fromByteString(bytes);
    const matcher = this.re.matcher(text);
    let out = '';
    let copied = 0;
    let lastEnd = -1;
    while (matcher.find()) {
      const start = matcher.start();
      const end = matcher.end();
      if (start === end && start === lastEnd) continue;
      out += text.slice(copied, start);
      for (let k = 0; k < parts.length; k++) {
        const part = parts[k]!;
        out += typeof part === 'string' ? part : (matcher.group(part) ?? '');
      }
      copied = end;
      lastEnd = end;
    }
    return lastEnd < 0 ? null : toByteString(out + text.slice(copied));
  }
}
