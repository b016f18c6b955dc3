// %START_TIME(format)%: strftime in UTC, with Envoy's fractions (%f, %3f, %E3S) and %s for seconds since the epoch.
// Any thread. A format keeps the texts of its current second, and the last text: most lines of a busy log share them.

import { FormatError } from './format-syntax.ts';

export const DEFAULT_TIME = '%Y-%m-%dT%H:%M:%S.%3fZ';

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const DAY_MS = 86_400_000;

type SecondPart = (date: Date) => string;

const PARTS: Readonly<Record<string, SecondPart>> = {
  a: (d) => DAYS[d.getUTCDay()]!.slice(0, 3),
  A: (d) => DAYS[d.getUTCDay()]!,
  b: (d) => MONTHS[d.getUTCMonth()]!.slice(0, 3),
  B: (d) => MONTHS[d.getUTCMonth()]!,
  C: (d) => two(Math.floor(d.getUTCFullYear() / 100)),
  d: (d) => two(d.getUTCDate()),
  e: (d) => String(d.getUTCDate()).padStart(2, ' '),
  h: (d) => MONTHS[d.getUTCMonth()]!.slice(0, 3),
  H: (d) => two(d.getUTCHours()),
  I: (d) => two(d.getUTCHours() % 12 || 12),
  j: (d) => String(dayOfYear(d)).padStart(3, '0'),
  k: (d) => String(d.getUTCHours()).padStart(2, ' '),
  l: (d) => String(d.getUTCHours() % 12 || 12).padStart(2, ' '),
  m: (d) => two(d.getUTCMonth() + 1),
  M: (d) => two(d.getUTCMinutes()),
  p: (d) => (d.getUTCHours() < 12 ? 'AM' : 'PM'),
  s: (d) => String(Math.floor(d.getTime() / 1000)),
  S: (d) => two(d.getUTCSeconds()),
  t: () => '\t',
  u: (d) => String(d.getUTCDay() || 7),
  U: (d) => two(Math.floor((dayOfYear(d) + 6 - d.getUTCDay()) / 7)),
  w: (d) => String(d.getUTCDay()),
  W: (d) => two(Math.floor((dayOfYear(d) + 6 - ((d.getUTCDay() + 6) % 7)) / 7)),
  y: (d) => two(d.getUTCFullYear() % 100),
  Y: (d) => String(d.getUTCFullYear()),
  z: () => '+0000',
  Z: () => 'UTC',
};

/** Conversions that stand for several. */
const SHORT_FORMS: Readonly<Record<string, string>> = {
  c: '%a %b %e %H:%M:%S %Y',
  D: '%m/%d/%y',
  F: '%Y-%m-%d',
  r: '%I:%M:%S %p',
  R: '%H:%M',
  T: '%H:%M:%S',
  x: '%m/%d/%y',
  X: '%H:%M:%S',
};

/** % then one of: %, an optional number before f, E with a number before S, Ez, or a letter. */
const CONVERSION = /%(?:(%)|([1-9])?f|E([0-9])S|(Ez)|([A-Za-z]))/g;

export class TimeFormat {
  /** Texts within one second, and between them how many digits of the fraction. */
  private readonly parts: SecondPart[][] = [[]];
  private readonly digits: number[] = [];
  private second = NaN;
  private readonly texts: string[];
  /** Nothing finer than a millisecond is shown: the last text holds for the whole of its own. */
  private readonly isCoarse: boolean;
  private lastMs = NaN;
  private last = '';

  /** @throws FormatError */
  constructor(format: string) {
    this.add(format);
    this.texts = this.parts.map(() => '');
    this.isCoarse = this.digits.every((digits) => digits <= 3);
  }

  /** `wallMs`: milliseconds since the epoch, with a fraction. */
  format(wallMs: number): string {
    const ms = Math.floor(wallMs);
    if (ms === this.lastMs && this.isCoarse) return this.last;
    const second = Math.floor(wallMs / 1000);
    if (second !== this.second) this.turn(second);
    const { texts, digits } = this;
    let out = texts[0]!;
    for (let i = 0; i < digits.length; i++) out += fraction(wallMs - second * 1000, digits[i]!) + texts[i + 1]!;
    this.lastMs = ms;
    this.last = out;
    return out;
  }

  private turn(second: number): void {
    const date = new Date(second * 1000);
    for (let i = 0; i < this.parts.length; i++) {
      let text = '';
      for (const part of this.parts[i]!) text += part(date);
      this.texts[i] = text;
    }
    this.second = second;
  }

  private add(format: string): void {
    let at = 0;
    for (const match of format.matchAll(CONVERSION)) {
      this.addText(format.slice(at, match.index), format);
      at = match.index + match[0].length;
      this.addConversion(match, format);
    }
    this.addText(format.slice(at), format);
  }

  private addConversion(match: RegExpMatchArray, format: string): void {
    const [all, percent, fractionDigits, secondDigits, colonZone, letter] = match;
    if (percent !== undefined) {
      this.addPart(() => '%');
    } else if (all.endsWith('f')) {
      this.addFraction(fractionDigits === undefined ? 9 : Number(fractionDigits));
    } else if (secondDigits !== undefined) {
      this.addPart(PARTS['S']!);
      if (secondDigits !== '0') {
        this.addPart(() => '.');
        this.addFraction(Number(secondDigits));
      }
    } else if (colonZone !== undefined) {
      this.addPart(() => '+00:00');
    } else if (SHORT_FORMS[letter!] !== undefined) {
      this.add(SHORT_FORMS[letter!]!);
    } else if (PARTS[letter!] !== undefined) {
      this.addPart(PARTS[letter!]!);
    } else {
      throw new FormatError(`the time format "${format}" has no conversion ${all}`);
    }
  }

  private addText(text: string, format: string): void {
    if (text === '') return;
    const percent = text.indexOf('%');
    if (percent >= 0) throw new FormatError(`the time format "${format}" has no conversion ${text.slice(percent, percent + 2)}`);
    if (/[\r\n]/.test(text)) throw new FormatError('a time format cannot hold a line break');
    this.addPart(() => text);
  }

  private addPart(part: SecondPart): void {
    this.parts[this.parts.length - 1]!.push(part);
  }

  private addFraction(digits: number): void {
    this.digits.push(digits);
    this.parts.push([]);
  }
}

const MILLIS: readonly string[] = Array.from({ length: 1000 }, (_, ms) => String(ms).padStart(3, '0'));

function fraction(ms: number, digits: number): string {
  if (digits === 3) return MILLIS[Math.floor(ms)]!;
  // A wall clock in milliseconds as a float is good to a microsecond; what would follow is noise.
  return `${String(Math.floor(ms * 1000)).padStart(6, '0')}000`.slice(0, digits);
}

function two(n: number): string {
  return n < 10 ? `0${n}` : String(n);
}

function dayOfYear(date: Date): number {
  const first = Date.UTC(date.getUTCFullYear(), 0, 1);
  return Math.floor((date.getTime() - first) / DAY_MS) + 1;
}
