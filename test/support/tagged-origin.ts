// An upstream that answers each request with its own tag over and over, so that bytes of a wrong answer are seen; played
// on the far sides of a house's outgoing connections, in pieces and disorder of the test's choosing. Test code only.

import assert from 'node:assert/strict';

import type { Random } from '../../src/core/random.ts';
import type { FakeConn } from './fake-conn.ts';

/** How an answer was framed, told by its status. */
export const BY_LENGTH = 200;
export const BY_CHUNKS = 201;
export const BY_CLOSE = 202;

const HEAD_END = '\r\n\r\n';

/** `tag;tag;tag;.` */
export function taggedBody(tag: string, times: number): string {
  return `${tag};`.repeat(times) + '.';
}

/** Whether `body` is the beginning of an answer to `tag`, or with `whole` all of one. */
export function isTagged(body: string, tag: string, whole: boolean): boolean {
  const unit = `${tag};`;
  const whatever = taggedBody(tag, Math.floor(body.length / unit.length) + 1).slice(0, -1);
  if (!whole) return whatever.startsWith(body) || (body.endsWith('.') && isTagged(body, tag, true));
  return body.endsWith('.') && (body.length - 1) % unit.length === 0 && whatever.startsWith(body.slice(0, -1));
}

/** One connection as the upstream sees it. */
export class OriginConn {
  readonly conn: FakeConn;
  private readonly random: Random;
  /** What has come and is not understood yet. */
  private text = '';
  /** Rest of the body of the request being read: bytes, or -1 for chunked. */
  private bodyLeft = 0;
  private answers = '';
  private closing = false;
  private begun = false;
  /** Requests that were answered at all. */
  answered = 0;

  /** One in so many answers is a 503; 0: none. */
  private readonly failing: number;

  constructor(conn: FakeConn, random: Random, failing = 0) {
    this.conn = conn;
    this.random = random;
    this.failing = failing;
  }

  /** Reads what has been sent and makes up the answers. */
  read(): void {
    this.text += this.conn.takeSent().toString('latin1');
    for (;;) {
      if (!this.skipBody()) return;
      const end = this.text.indexOf(HEAD_END);
      if (end < 0) return;
      this.take(this.text.slice(0, end));
      this.text = this.text.slice(end + HEAD_END.length);
    }
  }

  get hasAnswer(): boolean {
    return this.conn.state === 'open' && !this.conn.ended && (this.answers !== '' || this.closing);
  }

  /** The first bytes of an answer have been sent, and not the last. */
  get midAnswer(): boolean {
    return this.begun && (this.answers !== '' || this.closing);
  }

  /** Sends the next piece of what is to be answered, `most` bytes of it. */
  send(most: number): void {
    const piece = this.answers.slice(0, most);
    this.begun = true;
    this.answers = this.answers.slice(most);
    if (piece !== '') this.conn.receive(piece);
    if (this.answers === '') this.begun = this.closing;
    if (this.answers === '' && this.closing && this.conn.state === 'open') {
      this.closing = false;
      this.conn.end();
    }
  }

  private take(head: string): void {
    const [, method, tag] = /^([A-Z]+) \/(\S+) HTTP\/1\.1\r\n/.exec(`${head}\r\n`) ?? [];
    assert.ok(tag !== undefined, `the upstream got ${JSON.stringify(head)}`);
    this.bodyLeft = /\r\ntransfer-encoding: chunked/i.test(head) ? -1 : Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    this.answered++;
    this.answers += this.makeAnswer(method!, tag);
  }

  private makeAnswer(method: string, tag: string): string {
    const { random } = this;
    const body = taggedBody(tag, random.below(random.below(8) === 0 ? 4000 : 6));
    const interim = random.below(6) === 0 ? `HTTP/1.1 103 Early Hints\r\nX-Tag: ${tag}\r\n\r\n` : '';
    const close = random.below(10) === 0 ? 'Connection: close\r\n' : '';
    const fields = `X-Tag: ${tag}\r\n${close}`;
    if (this.failing > 0 && random.below(this.failing) === 0) return `${interim}HTTP/1.1 503 No\r\n${fields}Content-Length: ${method === 'HEAD' ? 0 : body.length}\r\n\r\n${method === 'HEAD' ? '' : body}`;
    const kind = random.below(5);
    if (method === 'HEAD') return `${interim}HTTP/1.1 200 OK\r\n${fields}Content-Length: 10\r\n\r\n`;
    if (kind === 0) {
      this.closing = true;
      return `${interim}HTTP/1.1 ${BY_CLOSE} OK\r\n${fields}\r\n${body}`;
    }
    if (kind < 3) return `${interim}HTTP/1.1 ${BY_LENGTH} OK\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
    const cut = random.below(body.length + 1);
    const trailer = random.below(2) === 0 ? `X-End: ${tag}\r\n` : '';
    const chunk = (text: string): string => (text === '' ? '' : `${text.length.toString(16)}\r\n${text}\r\n`);
    return `${interim}HTTP/1.1 ${BY_CHUNKS} OK\r\n${fields}Transfer-Encoding: chunked\r\n\r\n${chunk(body.slice(0, cut))}${chunk(body.slice(cut))}0\r\n${trailer}\r\n`;
  }

  /** True when the body of the request that was read last has been passed. */
  private skipBody(): boolean {
    while (this.bodyLeft === -1) {
      const size = /^([0-9a-f]+)\r\n/i.exec(this.text);
      if (size === null) {
        assert.ok(/^[0-9a-f]*\r?$/i.test(this.text), `the upstream got ${JSON.stringify(this.text.slice(0, 80))} as a chunk`);
        return false;
      }
      const bytes = Number.parseInt(size[1]!, 16);
      const whole = size[0].length + bytes + 2;
      if (bytes === 0) {
        const end = this.text.startsWith('0\r\n\r\n') ? 5 : this.text.indexOf(HEAD_END) + HEAD_END.length;
        if (end < 5) return false;
        this.text = this.text.slice(end);
        this.bodyLeft = 0;
      } else {
        if (this.text.length < whole) return false;
        assert.equal(this.text.slice(whole - 2, whole), '\r\n', 'behind a chunk');
        this.text = this.text.slice(whole);
      }
    }
    const taken = Math.min(this.bodyLeft, this.text.length);
    this.text = this.text.slice(taken);
    this.bodyLeft -= taken;
    return this.bodyLeft === 0;
  }
}

/** The upstreams behind all outgoing connections of a house. */
export class TaggedOrigin {
  private readonly random: Random;
  private readonly known = new Map<FakeConn, OriginConn>();

  private readonly failing: number;

  constructor(random: Random, failing = 0) {
    this.random = random;
    this.failing = failing;
  }

  of(conn: FakeConn): OriginConn {
    let one = this.known.get(conn);
    if (one === undefined) this.known.set(conn, (one = new OriginConn(conn, this.random, this.failing)));
    return one;
  }
}
