// A caller that sends tagged requests, one behind the other and in pieces, and checks that each answer is that of its
// request. Played on the far side of an accepted connection. Test code only.

import assert from 'node:assert/strict';

import type { Random } from '../../src/core/random.ts';
import type { FakeConn } from './fake-conn.ts';
import { one, readMessage, type Message } from './message-text.ts';
import { BY_CHUNKS, BY_CLOSE, isTagged } from './tagged-origin.ts';

interface Asked {
  readonly tag: string;
  readonly method: string;
}

export class TaggedClient {
  readonly conn: FakeConn;
  /** Final answers in order. */
  readonly answers: Message[] = [];
  private readonly asked: Asked[] = [];
  private readonly random: Random;
  private unsent = '';
  private text = '';

  constructor(conn: FakeConn, random: Random) {
    this.conn = conn;
    this.random = random;
  }

  get isOpen(): boolean {
    return this.conn.state === 'open' && !this.conn.ended && this.conn.peerSees === 'open';
  }

  /** Requests that were sent to their end and are not answered. */
  get unanswered(): number {
    return this.unsent === '' ? this.asked.length - this.answers.length : 0;
  }

  get hasUnsent(): boolean {
    return this.unsent !== '';
  }

  ask(tag: string): void {
    const { random } = this;
    const kind = random.below(8);
    const method = kind < 2 ? 'POST' : kind === 2 ? 'HEAD' : 'GET';
    const close = random.below(30) === 0 ? 'Connection: close\r\n' : '';
    const start = `${method} /${tag} HTTP/1.1\r\nHost: here\r\n${close}`;
    const upload = 'u'.repeat(random.below(4) === 0 ? 30_000 : random.below(50) + 1);
    this.asked.push({ tag, method });
    if (kind === 0) this.unsent += `${start}Content-Length: ${upload.length}\r\n\r\n${upload}`;
    else if (kind === 1) this.unsent += `${start}Transfer-Encoding: chunked\r\n\r\n${this.chunks(upload)}`;
    else this.unsent += `${start}\r\n`;
  }

  /** Sends the next piece, `most` bytes of it. */
  send(most: number): void {
    const piece = this.unsent.slice(0, most);
    this.unsent = this.unsent.slice(most);
    if (piece !== '' && this.isOpen) this.conn.receive(piece);
  }

  /** Reads what has come, and judges it. */
  read(): void {
    this.text += this.conn.takeSent().toString('latin1');
    while (this.text !== '') {
      const asked = this.asked[this.answers.length];
      assert.ok(asked !== undefined, `an answer to nothing: ${JSON.stringify(this.text.slice(0, 200))}`);
      const message = readMessage(this.text, { method: asked.method, ended: this.conn.peerSees === 'fin' });
      if (message === null) return this.judgePart(asked);
      this.text = this.text.slice(message.length);
      const status = Number(message.line.slice(9, 12));
      const tag = one(message.fields, 'x-tag');
      assert.equal(tag ?? asked.tag, asked.tag, 'the head of another answer');
      if (status < 200) continue;
      this.answers.push(message);
      if (tag !== undefined) this.judge(message, asked, status);
    }
  }

  private judge(message: Message, asked: Asked, status: number): void {
    if (asked.method === 'HEAD') return;
    const whole = status !== BY_CLOSE;
    if (whole || message.body !== '') assert.ok(isTagged(message.body, asked.tag, whole), `${asked.tag} (${status}) got ${JSON.stringify(message.body.slice(0, 200))}`);
    const end = one(message.trailers, 'x-end');
    if (end !== undefined) assert.equal(end, asked.tag);
    if (message.trailers.length > 0) assert.equal(status, BY_CHUNKS);
  }

  /** A body that is not complete must be the beginning of the right one. */
  private judgePart(asked: Asked): void {
    const end = this.text.indexOf('\r\n\r\n');
    if (end < 0 || !/\r\nx-tag: /i.test(this.text.slice(0, end))) return;
    if (!/\r\ncontent-length: /i.test(this.text.slice(0, end))) return;
    const body = this.text.slice(end + 4);
    assert.ok(body === '' || isTagged(body, asked.tag, false), `${asked.tag} gets ${JSON.stringify(body.slice(0, 200))}`);
  }

  private chunks(text: string): string {
    const cut = this.random.below(text.length + 1);
    const chunk = (part: string): string => (part === '' ? '' : `${part.length.toString(16)}\r\n${part}\r\n`);
    return `${chunk(text.slice(0, cut))}${chunk(text.slice(cut))}0\r\n${this.random.below(2) === 0 ? 'X-Sum: 1\r\n' : ''}\r\n`;
  }
}
