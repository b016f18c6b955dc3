// Reads URI templates and the path rewrites that use their variables. At load, any thread; pure. Throws Error with a
// sentence for the operator. The limits are Envoy's (five variables, names of 16 characters), one is ours: a segment
// holds one wildcard, so that matching never has to try again.

import { CLOSE, GLOB, LITERAL, OPEN, PathTemplate, TEXT_GLOB } from './template.ts';
import type { Piece } from './template.ts';

const MAX_VARIABLES = 5;
const VARIABLE_NAME = /^[A-Za-z][A-Za-z0-9_]{0,15}$/;
const LITERAL_CHAR = /[A-Za-z0-9\-._~%!$&'()+,;:@=/]/;

export function parseTemplate(text: string): PathTemplate {
  if (!text.startsWith('/')) throw new Error('a template begins with /');
  if (text.includes('//')) throw new Error('a template has no empty segments');
  const parser = new Parser(text);
  parser.run();
  return new PathTemplate(text, withTails(parser.pieces), parser.variables);
}

class Parser {
  readonly pieces: Piece[] = [];
  readonly variables: string[] = [];
  private readonly text: string;
  private at = 0;
  private open = -1;
  private wildcardInSegment = false;
  private sawTextGlob = false;

  constructor(text: string) {
    this.text = text;
  }

  run(): void {
    while (this.at < this.text.length) this.step(this.text[this.at]!);
    if (this.open >= 0) throw new Error('a { has no }');
  }

  private step(char: string): void {
    if (char === '{') this.openVariable();
    else if (char === '}') this.closeVariable();
    else if (char === '*') this.wildcard();
    else if (LITERAL_CHAR.test(char)) this.literal(char);
    else throw new Error(`the character '${char}' cannot stand in a template`);
  }

  private literal(char: string): void {
    this.at++;
    if (char === '/') this.wildcardInSegment = false;
    const last = this.pieces.at(-1);
    if (last?.kind === LITERAL) this.pieces[this.pieces.length - 1] = piece(LITERAL, last.text + char);
    else this.pieces.push(piece(LITERAL, char));
  }

  private wildcard(): void {
    const double = this.text[this.at + 1] === '*';
    if (this.sawTextGlob) throw new Error('no wildcard can follow **');
    if (this.wildcardInSegment) throw new Error('a segment holds one wildcard; use "regex" for more');
    this.at += double ? 2 : 1;
    this.wildcardInSegment = true;
    this.sawTextGlob = double;
    this.pieces.push(piece(double ? TEXT_GLOB : GLOB));
  }

  private openVariable(): void {
    if (this.open >= 0) throw new Error('variables do not nest');
    const stop = this.text.slice(this.at).search(/[=}]/);
    if (stop < 0) throw new Error('a { has no }');
    const name = this.text.slice(this.at + 1, this.at + stop);
    if (!VARIABLE_NAME.test(name)) throw new Error(`'${name}' is no variable name: a letter, then up to 15 letters, digits and _`);
    if (this.variables.includes(name)) throw new Error(`the variable {${name}} occurs twice`);
    if (this.variables.length === MAX_VARIABLES) throw new Error(`a template has at most ${MAX_VARIABLES} variables`);
    this.open = this.variables.push(name) - 1;
    this.pieces.push(piece(OPEN, '', this.open));
    this.at += stop;
    if (this.text[this.at] === '}') {
      this.globOfBareName();
      return;
    }
    this.at++;
    if (this.text[this.at] === '}') throw new Error(`the variable {${name}=} has no pattern`);
  }

  /** `{id}` is `{id=*}`. */
  private globOfBareName(): void {
    if (this.sawTextGlob) throw new Error('no wildcard can follow **');
    if (this.wildcardInSegment) throw new Error('a segment holds one wildcard; use "regex" for more');
    this.wildcardInSegment = true;
    this.pieces.push(piece(GLOB));
  }

  private closeVariable(): void {
    if (this.open < 0) throw new Error('a } has no {');
    this.pieces.push(piece(CLOSE, '', this.open));
    this.open = -1;
    this.at++;
  }
}

function piece(kind: Piece['kind'], text = '', variable = 0): Piece {
  return { kind, text, variable, tail: 0 };
}

/** Tells each wildcard how much literal text stands between it and the point its reach ends at. */
function withTails(pieces: readonly Piece[]): Piece[] {
  return pieces.map((one, index) => {
    if (one.kind !== GLOB && one.kind !== TEXT_GLOB) return one;
    const rest = pieces.slice(index + 1).map((after) => after.text).join('');
    const slash = rest.indexOf('/');
    return { ...one, tail: one.kind === TEXT_GLOB || slash < 0 ? rest.length : slash };
  });
}

/**
 * A path rewrite that may name variables: text, variable, text, … as `parseSubstitution` returns it.
 * @param variables of the route's template; null when the route has none, then braces are errors.
 */
export function parsePathRewrite(text: string, variables: readonly string[] | null): (string | number)[] {
  if (!text.startsWith('/')) throw new Error('a path begins with /');
  const parts: (string | number)[] = [];
  let from = 0;
  for (const found of text.matchAll(/\{([^{}]*)\}/g)) {
    const variable = variables?.indexOf(found[1]!) ?? -1;
    if (variables === null) throw new Error(`${found[0]} names a variable, and the route does not match by "template"`);
    if (variable < 0) throw new Error(`the template has no variable ${found[0]}`);
    parts.push(text.slice(from, found.index), variable);
    from = found.index + found[0].length;
  }
  parts.push(text.slice(from));
  const literal = parts.filter((part) => typeof part === 'string').join('');
  if (/[{}]/.test(literal)) throw new Error('a brace has no partner');
  if (/[?#]/.test(literal)) throw new Error('a path holds no ? or #; the query of the request is kept');
  return parts;
}
