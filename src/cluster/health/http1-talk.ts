// Health checks over HTTP/1.1. Primary thread; owned by its Probe.

import type { HttpProbeConfig } from '../../config/cluster-snapshot.ts';
import { Head } from '../../core/head.ts';
import { BODY_CLOSE } from '../../core/stream.ts';
import { BodyReader } from '../../http/h1-body.ts';
import { isPersistent, responseBody } from '../../http/h1-framing.ts';
import { parseResponseHead } from '../../http/h1-parser.ts';
import { DEFAULT_HEAD_LIMITS } from '../../http/h1-state.ts';
import type { Talk, TalkOwner } from './talk.ts';
import { NO_ANSWER, type Verdict } from './verdict.ts';
import { judgeHead } from './http-judge.ts';

/** Heads of answers under way; between checks no connection has one. */
const freeHeads: Head[] = [];
const MAX_FREE = 64;

export class Http1Talk implements Talk {
  private readonly owner: TalkOwner;
  private readonly probe: HttpProbeConfig;
  private readonly request: Buffer;
  private readonly body: BodyReader = new BodyReader();
  private head: Head | null = null;
  /** What the head said; its body is still to come. */
  private verdict: Verdict | null = null;
  private persistent = false;

  constructor(owner: TalkOwner, probe: HttpProbeConfig, request: Buffer) {
    this.owner = owner;
    this.probe = probe;
    this.request = request;
  }

  ask(): boolean {
    this.verdict = null;
    this.owner.send(this.request, 0, this.request.length);
    return true;
  }

  receive(buf: Buffer, start: number, end: number): void {
    let pos = start;
    while (pos < end && this.owner.asking) {
      pos = this.verdict === null ? this.readHead(buf, pos, end) : this.readBody(buf, pos, end);
      if (pos < 0) return;
    }
    // A byte that nobody asked for: the next answer could not be trusted.
    if (pos < end) this.owner.broken();
  }

  ended(): boolean {
    if (this.verdict === null || this.body.kind !== BODY_CLOSE) return false;
    this.owner.answered(this.verdict, false);
    return true;
  }

  writable(): void {}

  close(): void {
    this.dropHead();
  }

  /** @returns where to go on; -1: the connection is over */
  private readHead(buf: Buffer, pos: number, end: number): number {
    const head = (this.head ??= freeHeads.pop() ?? new Head());
    const { kept } = head;
    let length: number;
    if (kept === 0) {
      length = parseResponseHead(head, buf, pos, end, DEFAULT_HEAD_LIMITS);
      if (length === 0) head.append(buf, pos, end);
    } else {
      head.append(buf, pos, end);
      length = parseResponseHead(head, head.buf, 0, head.kept, DEFAULT_HEAD_LIMITS);
    }
    if (length === 0) return end;
    if (length < 0 || head.status === 101) {
      this.owner.broken();
      return -1;
    }
    const next = pos + length - kept;
    if (head.status < 200) {
      head.reset();
      return next;
    }
    this.verdict = judgeHead(this.probe, head);
    this.persistent = isPersistent(head);
    this.body.begin(responseBody(head, this.probe.method), head.contentLength);
    this.dropHead();
    return this.body.done ? this.answer(next, end) : next;
  }

  private readBody(buf: Buffer, pos: number, end: number): number {
    const next = this.body.read(buf, pos, end);
    if (next < 0) {
      this.owner.broken();
      return -1;
    }
    return this.body.done ? this.answer(next, end) : next;
  }

  private answer(next: number, end: number): number {
    this.owner.answered(this.verdict ?? NO_ANSWER, this.persistent && next === end);
    return end;
  }

  private dropHead(): void {
    const { head } = this;
    this.head = null;
    if (head === null) return;
    head.reset();
    if (freeHeads.length < MAX_FREE) freeHeads.push(head);
  }
}
