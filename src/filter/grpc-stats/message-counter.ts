// @hot
// Counts the messages of one direction of a gRPC call as they pass, wherever the bytes are cut (PROTOCOL-HTTP2: a flag, four
// bytes of length, the message). Worker thread; owned by its filter. A message counts with its first byte, as in Envoy.

const HEAD_BYTES = 5;

export class MessageCounter {
  /** Bytes of the current message's head that have come. */
  private headBytes = 0;
  private length = 0;
  /** Bytes of its payload that are still to come. */
  private left = 0;

  /** @returns how many messages begin in the chunk */
  count(chunk: Buffer): number {
    let begun = 0;
    let at = 0;
    while (at < chunk.length) {
      if (this.left > 0) {
        const step = Math.min(this.left, chunk.length - at);
        this.left -= step;
        at += step;
      } else {
        if (this.headBytes === 0) begun++;
        else this.length = this.length * 256 + chunk[at]!;
        at++;
        if (++this.headBytes === HEAD_BYTES) this.beginPayload();
      }
    }
    return begun;
  }

  private beginPayload(): void {
    this.left = this.length;
    this.headBytes = 0;
    this.length = 0;
  }
}
