// Reads a format string: `literal %NAME(arguments):length% literal`, with `%%` for a percent sign. Envoy's syntax.
// Any thread, at load. What the names mean stands in `operators.ts`.

export interface Command {
  readonly name: string;
  /** What stands in the parentheses; null without them. */
  readonly args: string | null;
  /** Bytes to keep at most; null without a limit. */
  readonly length: number | null;
}

/** Literals and commands take turns: there is one literal more than there are commands. */
export interface ParsedFormat {
  readonly literals: readonly string[];
  readonly commands: readonly Command[];
}

export class FormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FormatError';
  }
}

const NAME = /[A-Z0-9_]+/y;
/** The first `)` that ends the command: format arguments may hold percent signs and parentheses of their own. */
const REST = /(?:\((.*?)\))?(?::([0-9]+))?%/sy;

/** @throws FormatError */
export function parseFormat(text: string): ParsedFormat {
  const literals: string[] = [];
  const commands: Command[] = [];
  let literal = '';
  for (let at = 0; at < text.length; ) {
    const percent = text.indexOf('%', at);
    if (percent < 0) {
      literal += text.slice(at);
      break;
    }
    literal += text.slice(at, percent);
    if (text[percent + 1] === '%') {
      literal += '%';
      at = percent + 2;
      continue;
    }
    const { command, end } = parseCommand(text, percent);
    literals.push(literal);
    commands.push(command);
    literal = '';
    at = end;
  }
  literals.push(literal);
  return { literals, commands };
}

function parseCommand(text: string, percent: number): { command: Command; end: number } {
  NAME.lastIndex = percent + 1;
  const name = NAME.exec(text)?.[0];
  if (name !== undefined) {
    REST.lastIndex = NAME.lastIndex;
    const rest = REST.exec(text);
    if (rest !== null) {
      const length = rest[2] === undefined ? null : Number(rest[2]);
      return { command: { name, args: rest[1] ?? null, length }, end: REST.lastIndex };
    }
  }
  throw new FormatError(`"${text.slice(percent, percent + 40)}" at position ${percent} is not an operator: write %NAME%, %NAME(arguments)%, or %% for a percent sign`);
}
