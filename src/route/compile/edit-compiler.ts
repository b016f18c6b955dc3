// Compiles `requestHeaders` and `responseHeaders`. At load, any thread; pure.

import type { HeaderEdits } from '../../config/snapshot.ts';
import { HeaderEdit } from '../header-edits.ts';
import type { EditLevel } from '../header-edits.ts';
import { toByteString } from '../rule/byte-string.ts';
import type { Place } from './place.ts';

/** No level where there is nothing to do, one otherwise. */
export function compileEdits(config: HeaderEdits, place: Place): EditLevel[] {
  if (config.set.length + config.add.length + config.remove.length === 0) return [];
  const edits = [
    ...config.set.map(([name, value]) => compileEdit(name, value, true, place.at('set', name))),
    ...config.add.map(([name, value]) => compileEdit(name, value, false, place.at('add', name))),
  ];
  config.remove.forEach((name, k) => checkName(name, place.at('remove', k)));
  return [{ remove: config.remove.map((name) => name.toLowerCase()), edits }];
}

function compileEdit(name: string, value: string, replace: boolean, place: Place): HeaderEdit {
  checkName(name, place);
  const compiled = place.attempt(() => place.tools.compileFormat(value), { constant: '' });
  return new HeaderEdit(name, 'constant' in compiled ? toByteString(compiled.constant) : compiled, replace);
}

/** What frames a message, or says whom it is for, is not a field that a route may edit. */
const NOT_EDITABLE = new Set(['host', 'content-length', 'transfer-encoding', 'connection']);

function checkName(name: string, place: Place): void {
  if (name.startsWith(':')) place.problem(`${name} is not a header field; use "rewrite" for the path and the host`);
  else if (name.toLowerCase() === 'host') place.problem('the Host field is changed with "rewrite": { "host": … }');
  else if (NOT_EDITABLE.has(name.toLowerCase())) place.problem(`${name} belongs to the connection and cannot be edited`);
}
