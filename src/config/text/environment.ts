// `${NAME}` and `${NAME:-default}` inside the text values (not the keys) of a document. Primary thread; pure: the
// environment is handed in. As in a shell, the default also stands in for an empty variable; `$${` is a literal `${`.
// What a variable holds is not looked through again.

import type { Problem } from '../errors.ts';
import { childPointer } from '../pointer.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Substituted {
  readonly value: unknown;
  readonly problems: Problem[];
  /** Pointers of values that are nothing but one `${…}`: they may stand for a number or a boolean. */
  readonly wholes: string[];
}

const PLACEHOLDER = /\$\$\{|\$\{([^}]*)(\}?)/g;
const WHOLE = /^\$\{[^}]*\}$/;
const NAME = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/** @param value plain data, as `plainCopy` gives it. */
export function substituteEnvironment(value: unknown, environment: Environment): Substituted {
  const problems: Problem[] = [];
  const wholes: string[] = [];

  function walk(item: unknown, pointer: string): unknown {
    if (typeof item === 'string') {
      if (WHOLE.test(item)) wholes.push(pointer);
      return item.includes('${') ? substituteText(item, pointer) : item;
    }
    if (Array.isArray(item)) return item.map((child, index) => walk(child, childPointer(pointer, index)));
    if (typeof item !== 'object' || item === null) return item;
    return Object.fromEntries(Object.entries(item).map(([key, child]) => [key, walk(child, childPointer(pointer, key))]));
  }

  function substituteText(text: string, pointer: string): string {
    return text.replace(PLACEHOLDER, (whole, inner: string | undefined, close: string | undefined) => {
      if (inner === undefined) return '${';
      const parts = close === '}' ? NAME.exec(inner) : null;
      if (parts === null) {
        const message = `${JSON.stringify(whole)} is not \${NAME} or \${NAME:-default}; write $\${ for a literal \${`;
        problems.push({ code: 'env-syntax', pointer, message });
        return whole;
      }
      return valueOf(parts[1] ?? '', parts[2], pointer);
    });
  }

  function valueOf(name: string, fallback: string | undefined, pointer: string): string {
    const set = Object.hasOwn(environment, name) ? environment[name] : undefined;
    if (fallback !== undefined && (set === undefined || set === '')) return fallback;
    if (set === undefined) {
      problems.push({ code: 'env-unset', pointer, message: `the environment variable ${name} is not set and has no default` });
      return '';
    }
    return set;
  }

  return { value: walk(value, ''), problems, wholes };
}
