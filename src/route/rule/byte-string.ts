// Text of the configuration is Unicode, text on the road is bytes seen as latin1. Everything that is compared with a
// request, or sent, goes through here once at load, so that `é` in a file means its two UTF-8 bytes. Any thread; pure.

/** The UTF-8 bytes of a text, one character each. */
export function toByteString(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').latin1Slice();
}

/** The way back, for what reads characters (regular expressions). Bytes that are no UTF-8 become U+FFFD. */
export function fromByteString(bytes: string): string {
  return isAscii(bytes) ? bytes : Buffer.from(bytes, 'latin1').toString('utf8');
}

export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** Lower-case as paths without regard to case are compared: A … Z only. */
export function foldAscii(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
