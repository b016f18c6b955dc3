// Methods every Node Buffer has and its documentation leaves to its readers: the byte ↔ string primitives without the
// encoding lookup of `toString` and `write`. Faster by the cost of that lookup; stable since Node 0.x.

declare global {
  interface Buffer {
    latin1Slice(start?: number, end?: number): string;
    latin1Write(text: string, offset?: number, length?: number): number;
    utf8Write(text: string, offset?: number, length?: number): number;
  }
}

export {};
