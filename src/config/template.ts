// The grammar of path templates, as Envoy's URI templates: `{name}` and `*` stand for one segment or a part of it, `**` for
// any number of segments, `{name=…}` gives what matches a name. The matcher of `route` reads the same grammar; a test
// holds the two together. Any thread; pure.

/** Envoy: at most five variables, with names of at most 16 characters. */
const MAX_VARIABLES = 5;
const VARIABLE_NAME = /^[A-Za-z][A-Za-z0-9_]{0,15}$/;
const TOKENS = /\{[^={}*/]*=?|\}|\*\*?|\/|[^{}*/]+/g;
const LITERAL = /^[A-Za-z0-9\-._~%!$&'()+,;:@=]+$/;

/** What is wrong with a template that is a path otherwise, or null. */
export function explainTemplate(text: string): string | null {
  if (text.includes('//')) return 'must not hold an empty segment';
  const reader = new TemplateReader();
  for (const [token] of text.matchAll(TOKENS)) {
    const wrong = reader.take(token);
    if (wrong !== null) return wrong;
  }
  return reader.finish();
}

/** The names in a template without mistakes. */
export function templateVariables(text: string): string[] {
  return [...text.matchAll(/\{([^={}*/]*)/g)].map((found) => found[1] ?? '');
}

class TemplateReader {
  private readonly names = new Set<string>();
  /** The variable that is open; bare ones (`{name}`) must be closed at once, those with `=` must not. */
  private open: 'bare' | 'empty' | 'filled' | null = null;
  private wildcards = 0;
  private wildcardInSegment = false;
  private sawDouble = false;

  take(token: string): string | null {
    if (token.startsWith('{')) return this.openVariable(token);
    if (token === '}') return this.closeVariable();
    if (this.open === 'bare') return 'names no variable: a name is a letter and up to 15 letters, digits or _';
    if (this.open === 'empty') this.open = 'filled';
    if (token.startsWith('*')) return this.wildcard(token === '**');
    if (token === '/') this.wildcardInSegment = false;
    else if (!LITERAL.test(token)) return `cannot hold ${JSON.stringify(token)}: percent-encode it`;
    return null;
  }

  finish(): string | null {
    if (this.open !== null) return 'has a { without }';
    return this.wildcards === 0 ? 'holds no {name} or *: use "path"' : null;
  }

  private openVariable(token: string): string | null {
    if (this.open !== null) return 'has a variable inside another';
    const name = token.replace(/^\{|=$/g, '');
    if (!VARIABLE_NAME.test(name)) return `${JSON.stringify(name)} is no variable name: a letter and up to 15 letters, digits or _`;
    if (this.names.has(name)) return `uses {${name}} twice`;
    if (this.names.add(name).size > MAX_VARIABLES) return `has more than ${MAX_VARIABLES} variables`;
    this.open = token.endsWith('=') ? 'empty' : 'bare';
    return null;
  }

  private closeVariable(): string | null {
    const { open } = this;
    this.open = null;
    if (open === null) return 'has a } without {';
    if (open === 'empty') return 'has a variable whose pattern is empty';
    return open === 'bare' ? this.wildcard(false) : null;
  }

  private wildcard(isDouble: boolean): string | null {
    if (this.sawDouble) return 'has a wildcard after **';
    if (this.wildcardInSegment) return 'has two wildcards in one segment: use "regex"';
    this.wildcards++;
    this.wildcardInSegment = true;
    this.sawDouble = isDouble;
    return null;
  }
}
