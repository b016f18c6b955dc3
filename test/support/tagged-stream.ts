// A request without a caller, for tests of room cluster: it carries a tag, sends it in its target, and writes down
// everything it is told. Test code only.

import assert from 'node:assert/strict';

import type { Pool } from '../../src/cluster/pool.ts';
import type { Fault } from '../../src/core/fault.ts';
import { takeHead } from '../../src/core/head-pool.ts';
import { BODY_CHUNKED, BODY_NONE, Stream, type UpStream } from '../../src/core/stream.ts';
import { parseRequestHead } from '../../src/http/h1-parser.ts';
import { requestBody } from '../../src/http/h1-framing.ts';
import { DEFAULT_HEAD_LIMITS } from '../../src/http/h1-state.ts';

export class TaggedStream extends Stream {
  readonly tag: string;
  /** `ready`, `failed …`, `interim 100`, `head 200`, `end`, `reset …`, in order. */
  readonly events: string[] = [];
  body = '';
  fault: Fault | null = null;
  /** Bytes of a body to send, and whether more will follow. Empty: none, or as the head says. */
  upload: readonly string[];
  over = false;
  writable = 0;
  onEvent: (event: string) => void = () => undefined;

  constructor(tag: string, part: { head?: string; upload?: readonly string[] } = {}) {
    super();
    this.reqHead = takeHead();
    this.tag = tag;
    const text = part.head ?? `GET /${tag} HTTP/1.1\r\nHost: origin\r\n\r\n`;
    const bytes = Buffer.from(text, 'latin1');
    assert.equal(parseRequestHead(this.reqHead, bytes, 0, bytes.length, DEFAULT_HEAD_LIMITS), bytes.length);
    this.method = text.slice(0, text.indexOf(' '));
    this.path = text.slice(text.indexOf(' ') + 1, text.indexOf(' HTTP/'));
    this.authority = this.reqHead.get('host') ?? '';
    this.reqBody = requestBody(this.reqHead);
    this.upload = part.upload ?? [];
  }

  /** `head 200,end` */
  get story(): string {
    return this.events.join();
  }

  cancelIn(pool: Pool): void {
    this.over = true;
    pool.cancel(this);
  }

  giveUp(): void {
    this.over = true;
    const up = this.up;
    this.up = null;
    up?.abort();
  }

  upReady(up: UpStream): void {
    this.note('ready');
    this.up = up;
    const none = this.reqBody === BODY_NONE;
    up.writeHead(none, this.upload.length > 0);
    if (!none) this.upload.forEach((text, i) => this.send(text, i === this.upload.length - 1));
  }

  send(text: string, last: boolean): boolean {
    const bytes = Buffer.from(text, 'latin1');
    return this.up!.writeData(bytes, 0, bytes.length, last);
  }

  upFailed(fault: Fault): void {
    this.fault = fault;
    this.over = true;
    this.note(`failed ${fault.kind}`);
  }

  upWritable(): void {
    assert.ok(!this.over, `${this.tag} is told that it may write after its end`);
    this.writable++;
  }

  responseInterim(): void {
    this.note(`interim ${this.interim!.status}`);
  }

  responseHead(): void {
    this.note(`head ${this.status}`);
  }

  responseData(buf: Buffer, start: number, end: number, last: boolean): void {
    assert.ok(!this.over, `${this.tag} is given bytes after its end`);
    this.body += buf.latin1Slice(start, end);
    if (!last) return;
    this.over = true;
    this.up = null;
    this.note('end');
  }

  /** One that was refused unseen may be sent again. */
  upReset(fault: Fault): void {
    const refused = fault.kind === 'refusedStream';
    this.fault = fault;
    this.over = !refused;
    this.up = null;
    this.note(refused ? 'refused' : `reset ${fault.kind}`);
  }

  begin(): void {}
  requestData(): void {}
  downWritable(): void {}
  refuse(): void {}
  abandon(): void {}
  forget(): void {}
  downReset(): void {}
  release(): void {}

  private note(event: string): void {
    assert.ok(!this.over || event === 'end' || event.startsWith('failed') || event.startsWith('reset'), `${this.tag}: ${event} after its end`);
    this.events.push(event);
    this.onEvent(event);
  }
}

export function chunkedStream(tag: string, upload: readonly string[] = []): TaggedStream {
  const stream = new TaggedStream(tag, { head: `POST /${tag} HTTP/1.1\r\nHost: origin\r\nTransfer-Encoding: chunked\r\n\r\n`, upload });
  assert.equal(stream.reqBody, BODY_CHUNKED);
  return stream;
}
