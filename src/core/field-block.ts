// @hot
// Complete field lines as bytes, made once and appended to many heads: what every request of a caller, of a route or of
// this second gets alike. Any thread; the bytes do not change while a head refers to them.

export class FieldBlock {
  readonly buf: Buffer;
  readonly view: DataView;
  /** Where each value begins and ends. A name stands between the line before and `: `. */
  readonly spans: readonly number[];
  private readonly names: readonly string[];

  /** Name in lower case, value, name, value, … in latin1, checked by the caller. */
  constructor(fields: readonly string[]) {
    const names: string[] = [];
    const spans: number[] = [];
    let text = '';
    for (let i = 0; i < fields.length; i += 2) {
      names.push(fields[i]!);
      text += `${fields[i]!}: `;
      spans.push(text.length, text.length + fields[i + 1]!.length);
      text += `${fields[i + 1]!}\r\n`;
    }
    this.names = names;
    this.spans = spans;
    this.buf = Buffer.from(text, 'latin1');
    this.view = new DataView(this.buf.buffer, this.buf.byteOffset, this.buf.length);
  }

  /** The value of the first field of this name, or undefined. */
  value(lowerName: string): string | undefined {
    const i = this.names.indexOf(lowerName);
    return i < 0 ? undefined : this.valueAt(i);
  }

  /** The fields again, appended to `pairs`. */
  unfold(pairs: string[]): void {
    for (let i = 0; i < this.names.length; i++) pairs.push(this.names[i]!, this.valueAt(i));
  }

  private valueAt(i: number): string {
    return this.buf.latin1Slice(this.spans[2 * i]!, this.spans[2 * i + 1]!);
  }
}
