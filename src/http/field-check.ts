// The door for field names and values that do not come from a parser: configuration, filters, local answers. Any thread.
// The writer does not look again, so what passes here cannot split a message.

import { TOKEN, VALUE } from './byte-class.ts';

/** Whether `name` is a token. */
export function isFieldName(name: string): boolean {
  return name.length > 0 && every(name, TOKEN);
}

/** Whether `value` can stand in a field line: no control characters but HTAB, code units below 256, no white space around it. */
export function isFieldValue(value: string): boolean {
  return every(value, VALUE) && !/^[ \t]|[ \t]$/.test(value);
}

/** @throws TypeError naming the offender */
export function assertFieldName(name: string): void {
  if (!isFieldName(name)) throw new TypeError(`not a header field name: ${JSON.stringify(name)}`);
}

/** @throws TypeError naming the offender */
export function assertFieldValue(value: string): void {
  if (!isFieldValue(value)) throw new TypeError(`not a header field value: ${JSON.stringify(value)}`);
}

function every(text: string, table: Uint8Array): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255 || table[code]! === 0) return false;
  }
  return true;
}
