// @hot
// Text as bytes: header values, paths and log lines are strings in which each character is one byte (latin1), so that
// what came in leaves unchanged. Any thread.

/** `\u0000` … `\u001f`, with the short forms where there are any. */
const CONTROLS: readonly string[] = [
  '\\u0000', '\\u0001', '\\u0002', '\\u0003', '\\u0004', '\\u0005', '\\u0006', '\\u0007', '\\b', '\\t', '\\n', '\\u000b',
  '\\f', '\\r', '\\u000e', '\\u000f', '\\u0010', '\\u0011', '\\u0012', '\\u0013', '\\u0014', '\\u0015', '\\u0016',
  '\\u0017', '\\u0018', '\\u0019', '\\u001a', '\\u001b', '\\u001c', '\\u001d', '\\u001e', '\\u001f',
];

/** A text of ours (a name, a literal of the configuration) as the characters of its UTF-8 bytes. */
export function utf8Bytes(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 127) return Buffer.from(text, 'utf8').latin1Slice();
  }
  return text;
}

/** The inside of a JSON string: valid UTF-8 stays as it is, and where it is not valid each high byte becomes `\u00XX`, as Envoy does. */
export function jsonEscape(bytes: string): string {
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes.charCodeAt(i);
    if (c < 32 || c === 34 || c === 92 || c > 127) return escapeAll(bytes);
  }
  return bytes;
}

function escapeAll(bytes: string): string {
  const raw = isUtf8(bytes);
  let out = '';
  for (let i = 0; i < bytes.length; i++) {
    const c = bytes.charCodeAt(i);
    if (c === 34) out += '\\"';
    else if (c === 92) out += '\\\\';
    else if (c < 32) out += CONTROLS[c]!;
    else if (c > 127 && !raw) out += '\\u00' + c.toString(16);
    else out += bytes[i]!;
  }
  return out;
}


/** RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
export function isUtf8(bytes: string): boolean {
  for (let i = 0; i < bytes.length; ) {
    const c = bytes.charCodeAt(i++);
    if (c < 0x80) continue;
    const more = c >= 0xc2 && c <= 0xdf ? 1 : c >= 0xe0 && c <= 0xef ? 2 : c >= 0xf0 && c <= 0xf4 ? 3 : 0;
    if (more === 0 || i + more > bytes.length) return false;
    const next = bytes.charCodeAt(i);
    if (c === 0xe0 && next < 0xa0) return false;
    if (c === 0xed && next > 0x9f) return false;
    if (c === 0xf0 && next < 0x90) return false;
    if (c === 0xf4 && next > 0x8f) return false;
    for (const end = i + more; i < end; i++) if ((bytes.charCodeAt(i) & 0xc0) !== 0x80) return false;
  }
  return true;
}
