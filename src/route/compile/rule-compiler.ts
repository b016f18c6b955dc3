// Compiles the conditions on headers and query parameters. At load, any thread; pure.

import type { ValueMatch } from '../../config/snapshot.ts';
import { toByteString } from '../rule/byte-string.ts';
import { LinearRegex } from '../rule/linear-regex.ts';
import {
  AUTHORITY,
  CONTAINS,
  EXACT,
  HEADER,
  METHOD,
  PATH,
  PREFIX,
  PRESENT,
  QUERY,
  RANGE,
  REGEX,
  SCHEME,
  SUFFIX,
  ValueRule,
} from '../rule/value-rule.ts';
import type { Place } from './place.ts';

const KINDS: Readonly<Record<ValueMatch['kind'], number>> = {
  exact: EXACT,
  prefix: PREFIX,
  suffix: SUFFIX,
  contains: CONTAINS,
  regex: REGEX,
  range: RANGE,
  present: PRESENT,
};

/** Names that stand for parts of the request line. `host` is one, because the target may carry the host. */
const PSEUDO: Readonly<Record<string, number>> = {
  ':method': METHOD,
  ':path': PATH,
  ':authority': AUTHORITY,
  host: AUTHORITY,
  ':scheme': SCHEME,
};

export function compileHeaderRule(config: ValueMatch, place: Place): ValueRule {
  const name = config.name.toLowerCase();
  const pseudo = Object.hasOwn(PSEUDO, name) ? PSEUDO[name]! : -1;
  if (name.startsWith(':') && pseudo < 0) {
    place.problem(`there is no ${name}; the names with a colon are :method, :path, :authority and :scheme`);
  }
  return compileRule({ source: pseudo < 0 ? HEADER : pseudo, name }, config, place);
}

export function compileQueryRule(config: ValueMatch, place: Place): ValueRule {
  if (config.name === '') place.problem('a query parameter has a name');
  return compileRule({ source: QUERY, name: toByteString(config.name) }, config, place);
}

function compileRule(where: { source: number; name: string }, config: ValueMatch, place: Place): ValueRule {
  const kind = KINDS[config.kind];
  const needsText = kind === PREFIX || kind === SUFFIX || kind === CONTAINS;
  if (needsText && config.value === '') place.at(config.kind).problem('an empty text is in every value; use "present"');
  if (kind === RANGE && config.start >= config.end) {
    place.at('range').problem(`no number is in a range from ${config.start} up to, and without, ${config.end}`);
  }
  return new ValueRule(where, {
    kind,
    text: toByteString(config.value),
    regex: kind === REGEX ? compileRegex(config.value, place.at('regex')) : null,
    start: config.start,
    end: config.end,
    present: config.present,
    invert: config.invert,
  });
}

/** null after a problem. */
export function compileRegex(pattern: string, place: Place): LinearRegex | null {
  if (pattern === '') {
    place.problem('a regular expression is not empty');
    return null;
  }
  return place.attempt(() => new LinearRegex(pattern), null);
}
