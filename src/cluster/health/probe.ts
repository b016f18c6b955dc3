// The connection to one host for its health checks, and the question under way. Primary thread; owned by its HostSession.
//
//   none ──ask──► connecting ──► asking ──answered──► kept, or closed ──ask──► …
// A connection that ends between questions says nothing about the host: the next question makes another.

import type { Address } from '../../core/address.ts';
import type { CloseReason, Conn, ConnOwner, Loop } from '../../io/conn.ts';
import type { Gate } from './gate.ts';
import type { Recipe } from './recipe.ts';
import type { Talk, TalkOwner } from './talk.ts';
import { NO_ANSWER, type Verdict } from './verdict.ts';

export interface ProbeOwner {
  judged(verdict: Verdict): void;
}

export interface ProbeTools {
  readonly loop: Loop;
  readonly gate: Gate;
}

export class Probe implements ConnOwner, TalkOwner {
  private readonly owner: ProbeOwner;
  private readonly address: Address;
  private readonly recipe: Recipe;
  private readonly tools: ProbeTools;
  private conn: Conn | null = null;
  /** From when the connection is up. */
  private talk: Talk | null = null;
  asking = false;

  constructor(owner: ProbeOwner, address: Address, recipe: Recipe, tools: ProbeTools) {
    this.owner = owner;
    this.address = address;
    this.recipe = recipe;
    this.tools = tools;
  }

  /** Never calls back before it returns. */
  ask(): void {
    this.asking = true;
    if (this.talk?.ask() === true) return;
    this.drop(false);
    this.tools.gate.connections++;
    this.conn = this.tools.loop.connect(this.address, this, this.recipe.tls, this.recipe.serverName);
  }

  /** Nobody waits for an answer any more; the connection is of no further use either. */
  cancel(): void {
    this.asking = false;
    this.drop(true);
  }

  // ---- TalkOwner ----

  answered(verdict: Verdict, keep: boolean): void {
    if (!this.asking) return;
    this.asking = false;
    if (!keep || !this.recipe.config.reuseConnection || !this.tools.gate.mayKeep) this.drop(false);
    this.owner.judged(verdict);
  }

  broken(): void {
    const { asking } = this;
    this.asking = false;
    this.drop(false);
    if (asking) this.owner.judged(NO_ANSWER);
  }

  send(buf: Buffer, start: number, end: number): boolean {
    return this.conn === null || this.conn.write(buf, start, end);
  }

  later(fn: () => void): void {
    this.tools.loop.atTurnEnd(fn);
  }

  // ---- ConnOwner ----

  onConnect(conn: Conn): void {
    if (conn !== this.conn) return;
    this.talk = this.recipe.talk(this, conn.tls === null ? null : conn.tls.alpn);
    if (this.talk === null || !this.talk.ask()) this.broken();
  }

  onData(conn: Conn, buf: Buffer, start: number, end: number): void {
    if (conn === this.conn) this.talk?.receive(buf, start, end);
  }

  onWritable(conn: Conn): void {
    if (conn === this.conn) this.talk?.writable();
  }

  onEnd(conn: Conn): void {
    if (conn !== this.conn) return;
    if (this.talk?.ended() !== true) this.broken();
  }

  onClose(conn: Conn, _why: CloseReason): void {
    this.tools.gate.connections--;
    if (conn !== this.conn) return;
    this.conn = null;
    this.broken();
  }

  // ---- inside ----

  /** `hard`: what has not been sent yet is of no use. */
  private drop(hard: boolean): void {
    const { conn, talk } = this;
    this.conn = null;
    this.talk = null;
    talk?.close();
    if (conn === null) return;
    if (hard || conn.pending > 0) conn.reset();
    else conn.close();
  }
}
