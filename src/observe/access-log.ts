// Access-log lines and header values with operators: a format compiled once into a flat list of literals and readers.
// Compiled at load (any thread, so that the rehearsal finds errors); runs on workers. Lines are byte strings (latin1).

import type { AccessLogConfig } from '../config/snapshot.ts';
import type { StreamRecord } from '../core/stream.ts';
import { jsonEscape, utf8Bytes } from './byte-text.ts';
import { FormatError, parseFormat } from './format-syntax.ts';
import { compileOperator, type Environment, type Needs, type Operator, type Read } from './operators.ts';

export type { Environment } from './operators.ts';

export interface CompiledFormat {
  /** The whole text when it holds no operator, or only such as are known at load. */
  readonly constant: string | null;
  format(stream: StreamRecord): string;
}

export interface AccessLog {
  readonly path: string;
  /** What the line reads must be kept until it is written. */
  readonly needsRequestHead: boolean;
  readonly needsResponseHead: boolean;
  /** False when the filter leaves this stream out. */
  wants(stream: StreamRecord): boolean;
  /** One line with its newline; each character is one byte. */
  format(stream: StreamRecord): string;
}

/** How a value is written: as it is, as a JSON value, or inside a JSON string. */
type Style = 0 | 1 | 2;
const PLAIN: Style = 0;
const JSON_VALUE: Style = 1;
const JSON_PART: Style = 2;

/** It would end a header early and begin another one. */
const LINE_BREAK = /[\0\r\n]/;

/** literal, value, literal, value, …, literal */
class Line {
  private readonly literals: string[] = [''];
  private readonly reads: Read[] = [];
  private readonly styles: Style[] = [];
  private readonly missing: string;
  readonly needs = new Set<Needs>();

  /** `missing`: what stands for a value that there is not. */
  constructor(missing: string) {
    this.missing = missing;
  }

  get constant(): string | null {
    return this.reads.length === 0 ? this.literals[0]! : null;
  }

  holds(pattern: RegExp): boolean {
    return this.literals.some((literal) => pattern.test(literal));
  }

  addText(text: string): void {
    this.literals[this.literals.length - 1] += text;
  }

  addOperator(operator: Operator, style: Style): void {
    if (operator.constant !== undefined) {
      const text = operator.constant;
      this.addText(style === PLAIN ? text : style === JSON_PART ? jsonEscape(text) : `"${jsonEscape(text)}"`);
      return;
    }
    this.reads.push(operator.read);
    this.styles.push(style);
    this.literals.push('');
    this.needs.add(operator.needs);
  }

  format(stream: StreamRecord): string {
    const { literals, reads, styles } = this;
    let out = literals[0]!;
    for (let i = 0; i < reads.length; i++) {
      const value = reads[i]!(stream);
      if (styles[i] === PLAIN) out += value === undefined ? this.missing : value;
      else out += this.json(value, styles[i]!);
      out += literals[i + 1]!;
    }
    return out;
  }

  /** Numbers are numbers and what is missing is null; inside a longer string both are text. */
  private json(value: string | number | undefined, style: Style): string | number {
    if (style === JSON_PART) return value === undefined ? this.missing : jsonEscape(String(value));
    if (value === undefined) return 'null';
    return typeof value === 'number' ? value : '"' + jsonEscape(value) + '"';
  }
}

/**
 * For header values: what is missing is nothing. An empty result means that the header is not added, as in Envoy.
 * @throws FormatError
 */
export function compileFormat(text: string, environment: Environment): CompiledFormat {
  const line = new Line('');
  addFormat(line, text, PLAIN, environment);
  if (line.holds(LINE_BREAK)) throw new FormatError('a header value cannot hold a line break or a NUL, as one of its environment variables does');
  return line;
}

/** @throws FormatError */
export function compileAccessLog(config: AccessLogConfig, environment: Environment): AccessLog {
  const line = new Line('-');
  if (config.format !== null) {
    addFormat(line, config.format, PLAIN, environment);
  } else {
    addJson(line, config.json ?? {}, environment);
    line.addText('\n');
  }
  const range = config.filter?.status ?? null;
  return {
    path: config.path,
    needsRequestHead: line.needs.has('request'),
    needsResponseHead: line.needs.has('response') || line.needs.has('trailers'),
    wants: range === null ? () => true : (stream) => stream.status >= range.min && stream.status <= range.max,
    format: (stream) => line.format(stream),
  };
}

/** The error of a format text or a JSON form, or null. Which variables are set does not matter. */
export function checkFormat(format: string | Readonly<Record<string, unknown>>): string | null {
  const environment: Environment = { hostname: '', variables: {} };
  try {
    if (typeof format === 'string') addFormat(new Line(''), format, PLAIN, environment);
    else addJson(new Line(''), format, environment);
    return null;
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
}

function addFormat(line: Line, text: string, style: Style, environment: Environment): void {
  const { literals, commands } = parseFormat(text);
  literals.forEach((literal, i) => {
    const bytes = utf8Bytes(literal);
    line.addText(style === PLAIN ? bytes : jsonEscape(bytes));
    const command = commands[i];
    if (command !== undefined) line.addOperator(compileOperator(command, environment), style);
  });
}

function addJson(line: Line, value: unknown, environment: Environment): void {
  if (typeof value === 'string') {
    addJsonText(line, value, environment);
  } else if (Array.isArray(value)) {
    addList(line, '[]', value, (item) => addJson(line, item, environment));
  } else if (typeof value === 'object' && value !== null) {
    addList(line, '{}', Object.entries(value), ([key, item]) => {
      line.addText(`"${jsonEscape(utf8Bytes(key))}":`);
      addJson(line, item, environment);
    });
  } else {
    line.addText(JSON.stringify(value) ?? 'null');
  }
}

function addList<T>(line: Line, brackets: '[]' | '{}', items: readonly T[], add: (item: T) => void): void {
  line.addText(brackets[0]!);
  items.forEach((item, i) => {
    if (i > 0) line.addText(',');
    add(item);
  });
  line.addText(brackets[1]!);
}

/** A string that is one operator and nothing else takes its type; any other is a string. */
function addJsonText(line: Line, text: string, environment: Environment): void {
  const { literals, commands } = parseFormat(text);
  if (commands.length === 1 && literals[0] === '' && literals[1] === '') {
    line.addOperator(compileOperator(commands[0]!, environment), JSON_VALUE);
    return;
  }
  line.addText('"');
  addFormat(line, text, JSON_PART, environment);
  line.addText('"');
}
