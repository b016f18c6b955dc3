// Base64 that comes in pieces, cut anywhere: whole groups of four are decoded, the rest waits for the next piece. Several
// padded texts may follow each other, as clients send one for each message. Worker thread; one per body.

const GROUPS = /^(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)*$/;
const EMPTY = Buffer.alloc(0);
const PADDED = /=+/g;

export class Base64Reader {
  private rest = '';

  /** @returns the bytes; null when it is no base64, or ends inside a group */
  read(chunk: Buffer, last: boolean): Buffer | null {
    const text = this.rest + chunk.toString('latin1');
    const end = text.length - (text.length % 4);
    this.rest = text.slice(end);
    if (last && this.rest !== '') return null;
    if (end === 0) return EMPTY;
    const groups = text.slice(0, end);
    if (!GROUPS.test(groups)) return null;
    if (!groups.includes('=')) return Buffer.from(groups, 'base64');
    // Behind padding the decoder reads nothing more.
    return Buffer.concat(groups.split(PADDED).map((part) => Buffer.from(part, 'base64')));
  }
}
