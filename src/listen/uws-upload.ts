// @hot
// The body of one request on uWebSockets.js, on its way up. Worker thread; owned by its UwsDown.
//
// The library's `pause` holds only from its next look at the socket on: until then it hands over what it reads (`uws.ts`
// bounds that). It waits here, in blocks that are used again, and goes on in portions that the upstream's connection can
// keep without growing.

import type { Stream } from '../core/stream.ts';
import * as S from '../observe/stat-names.ts';
import type { HttpResponse } from './uws-types.ts';
import type { UwsListener } from './uws.ts';

const PORTION_BYTES = 64 * 1024;
const BLOCK_BYTES = 512 * 1024;
/** Empty blocks that a worker keeps. */
const SPARE_BLOCKS = 32;

const EMPTY = Buffer.alloc(0);
const spare: Buffer[] = [];

export class UwsUpload {
  /** The library has handed over all of it. */
  done = false;
  private readonly listener: UwsListener;
  private readonly res: HttpResponse;
  private stream: Stream | null;
  /** The one behind us can take no more. */
  private paused = false;
  /** The library was told so. */
  private held = false;
  /** Whether the library's object may be called. */
  private open = true;
  private readonly blocks: Buffer[] = [];
  /** Where the bytes in the first block begin, and end in the last one. */
  private start = 0;
  private end = 0;

  constructor(listener: UwsListener, res: HttpResponse, stream: Stream) {
    this.listener = listener;
    this.res = res;
    this.stream = stream;
    res.onData((chunk, last) => listener.run(() => this.onData(chunk, last)));
  }

  pause(): void {
    this.paused = true;
    if (this.done || !this.open) return;
    this.held = true;
    this.res.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.pass();
    if (!this.paused) this.release();
  }

  /** The connection is to be read again, whatever becomes of this request: the next one comes on it. */
  release(): void {
    if (!this.held || !this.open) return;
    this.held = false;
    this.res.resume();
  }

  /** Makes the library's own timer start anew. */
  stayAlive(): void {
    if (this.done || this.held || !this.open) return;
    this.res.pause();
    this.res.resume();
  }

  /** The library's object is not to be called any more. What it still reads of the body it throws away. */
  close(): void {
    this.open = false;
  }

  /** Nobody wants the rest. */
  drop(): void {
    this.stream = null;
    while (this.blocks.length > 0) this.recycle();
  }

  private onData(chunk: ArrayBuffer, last: boolean): void {
    const { tools, plan } = this.listener;
    tools.cells[plan.http + S.DOWN_CX_RX_BYTES_TOTAL]! += chunk.byteLength;
    this.done = last;
    if (this.stream === null) return;
    const bytes = Buffer.from(chunk);
    const from = this.blocks.length > 0 ? 0 : this.give(bytes, 0, bytes.length);
    if (from < bytes.length) this.putAside(bytes, from);
    else if (last && this.blocks.length === 0 && bytes.length === 0) this.finish();
    // A blocked answer makes the library read again, whatever it was told before.
    if (this.held && this.open && !last) this.res.pause();
  }

  /** Passes bytes on until no more are taken. @returns where it stopped. */
  private give(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && !this.paused && this.stream !== null) {
      const next = Math.min(at + PORTION_BYTES, end);
      const last = this.done && next === end && this.blocks.length <= 1;
      if (last) this.stream.requestEndAt = this.listener.tools.clock.now;
      this.stream.requestData(bytes, at, next, last);
      at = next;
    }
    return at;
  }

  private finish(): void {
    this.stream!.requestEndAt = this.listener.tools.clock.now;
    this.stream!.requestData(EMPTY, 0, 0, true);
  }

  /** Passes on what waits here. */
  private pass(): void {
    while (this.blocks.length > 0 && !this.paused) {
      const block = this.blocks[0]!;
      const end = this.blocks.length === 1 ? this.end : BLOCK_BYTES;
      const at = this.give(block, this.start, end);
      if (this.blocks.length === 0) return; // dropped meanwhile
      this.start = at;
      if (at === end) this.recycle();
    }
  }

  private putAside(bytes: Buffer, from: number): void {
    if (this.stream === null) return;
    let at = from;
    while (at < bytes.length) {
      if (this.blocks.length === 0 || this.end === BLOCK_BYTES) {
        this.blocks.push(spare.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES));
        this.end = 0;
      }
      const count = bytes.copy(this.blocks[this.blocks.length - 1]!, this.end, at);
      this.end += count;
      at += count;
    }
  }

  private recycle(): void {
    const block = this.blocks.shift()!;
    this.start = 0;
    if (spare.length < SPARE_BLOCKS) spare.push(block);
  }
}
