// Reads what surrounds RE2 patterns: substitutions, and the text a pattern surely begins with. At load, any thread; pure.

const PLAIN_LITERAL = /[A-Za-z0-9/_~%!&',:;=@-]/;
const ESCAPED_LITERALS = './-_~+$()*';
const SUBSTITUTION = /\\(.?)/gs;

/**
 * RE2's substitution language: `\0` … `\9` are groups, `\\` is a backslash. Once, at load.
 * @throws Error naming what is wrong.
 */
export function parseSubstitution(text: string, groups: number): (string | number)[] {
  const parts: (string | number)[] = [];
  let literal = '';
  let from = 0;
  for (const found of text.matchAll(SUBSTITUTION)) {
    literal += text.slice(from, found.index);
    from = found.index + found[0].length;
    const what = found[1]!;
    if (what === '\\') literal += '\\';
    else if (what >= '0' && what <= '9') {
      if (Number(what) > groups) throw new Error(`the substitution names group \\${what}, the pattern has ${groups}`);
      parts.push(literal, Number(what));
      literal = '';
    } else throw new Error(`in a substitution a backslash stands before a digit or a backslash, not before '${what}'`);
  }
  parts.push(literal + text.slice(from));
  return parts;
}

/**
 * The characters every matching text begins with, as far as they are easily seen; '' when in doubt. It lets the path
 * index leave out most routes with regular expressions without running them.
 */
export function literalPrefix(pattern: string): string {
  if (hasOuterAlternative(pattern)) return '';
  let prefix = '';
  let i = pattern.startsWith('^') ? 1 : 0;
  while (i < pattern.length) {
    let char = pattern[i]!;
    let width = 1;
    if (char === '\\') {
      char = pattern[i + 1] ?? '';
      if (!ESCAPED_LITERALS.includes(char) || char === '') return prefix;
      width = 2;
    } else if (!PLAIN_LITERAL.test(char)) return prefix;
    const next = pattern[i + width];
    if (next !== undefined && '*?{+'.includes(next)) return prefix;
    prefix += char;
    i += width;
  }
  return prefix;
}

/** Is there a `|` outside of all groups? True also where that takes a closer look than this one. */
function hasOuterAlternative(pattern: string): boolean {
  if (!pattern.includes('|')) return false;
  let depth = 0;
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i];
    if (pattern.startsWith('\\Q', i)) return true;
    if (char === '[') {
      i = classEnd(pattern, i);
      if (i < 0) return true;
    } else if (char === '\\') i++;
    else if (char === '(') depth++;
    else if (char === ')') depth--;
    else if (char === '|' && depth === 0) return true;
  }
  return false;
}

/** The `]` of a character class; -1 when its end is not plain to see. */
function classEnd(pattern: string, from: number): number {
  let i = from + (pattern[from + 1] === '^' ? 2 : 1);
  if (pattern[i] === ']') i++;
  for (; i < pattern.length; i++) {
    if (pattern[i] === '\\') i++;
    else if (pattern[i] === ']') return i;
    else if (pattern[i] === '[') return -1; // a class in the class
  }
  return -1;
}
