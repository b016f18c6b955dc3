// The far side of a connection as a test plays it, under the same contract as the engines keep (io/conn.ts): how many
// bytes the socket takes, what arrives, how it ends. Test code only.
// Each thing that happens is a turn of the FakeLoop, at whose end the owner hears of what closed during it.

import assert from 'node:assert/strict';

import {
  CLOSED_CONNECT,
  CLOSED_LOCAL,
  CLOSED_REMOTE,
  CLOSED_RESET,
  type CloseReason,
  type Conn,
  type ConnFacts,
  type ConnOwner,
} from '../../src/io/conn.ts';
import type { Address } from '../../src/core/address.ts';
import type { TlsInfo } from '../../src/core/tls-info.ts';
import { Ending } from '../../src/io/ending.ts';
import type { FakeLoop } from './fake-loop.ts';

export type FakeState = 'connecting' | 'open' | 'closing' | 'lingering' | 'closed';

/** How the peer sees the connection end. */
export type PeerView = 'open' | 'fin' | 'reset';

export class FakeConn implements Conn {
  owner: ConnOwner;
  readonly id: number;
  error = '';
  remoteAddress = '192.0.2.5';
  remotePort = 40_000;
  localAddress = '198.51.100.7';
  localPort = 8080;
  tls: TlsInfo | null = null;
  facts: ConnFacts | null = null;
  /** `originalDestination`. */
  wanted: Address | null = null;
  state: FakeState;
  paused = false;
  /** The peer has sent its end, and the owner was told. */
  ended = false;
  /** What the peer sees of our end. */
  peerSees: PeerView = 'open';
  closedWhy: CloseReason | null = null;
  /** Calls of pauseRead that changed something, and of resumeRead. */
  pauses = 0;
  resumes = 0;
  /** Sizes of the segments that left, in order: one per write that the socket took bytes of. */
  readonly segments: number[] = [];
  private readonly loop: FakeLoop;
  /** Bytes that the socket still takes. */
  private room = Infinity;
  private out: Buffer[] = [];
  private kept: Buffer[] = [];
  private keptBytes = 0;
  /** What the peer has sent and the owner has not been told, in order; null is its end. */
  private incoming: (Buffer | null)[] = [];
  private shutWanted = false;
  private told = false;
  private ending: Ending | null = null;

  constructor(loop: FakeLoop, owner: ConnOwner, id: number, connecting: boolean) {
    this.loop = loop;
    this.owner = owner;
    this.id = id;
    this.state = connecting ? 'connecting' : 'open';
  }

  // ---- the contract ----

  readdress(remoteAddress: string, remotePort: number, localAddress: string, localPort: number): void {
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
    this.localAddress = localAddress;
    this.localPort = localPort;
  }

  get originalDestination(): Address | null {
    return this.wanted;
  }

  get pending(): number {
    return this.keptBytes;
  }

  write(buf: Buffer, start: number, end: number, _more = false): boolean {
    assert.ok(start >= 0 && start <= end && end <= buf.length, `write of [${start}, ${end}) of ${buf.length} bytes`);
    if (this.state !== 'open' && this.state !== 'connecting') return true;
    if (this.shutWanted) return true;
    if (start === end) return this.keptBytes === 0;
    const bytes = Buffer.from(buf.subarray(start, end));
    const now = this.state === 'connecting' || this.keptBytes > 0 ? 0 : Math.min(this.room, bytes.length);
    if (now > 0) this.leave(bytes.subarray(0, now));
    if (now === bytes.length) return true;
    this.kept.push(bytes.subarray(now));
    this.keptBytes += bytes.length - now;
    return false;
  }

  pauseRead(): void {
    if (!this.paused) this.pauses++;
    this.paused = true;
  }

  resumeRead(): void {
    if (this.paused) this.resumes++;
    this.paused = false;
    this.loop.readable(this);
  }

  shutdownWrite(): void {
    if (this.state !== 'open' || this.shutWanted) return;
    this.shutWanted = true;
    if (this.keptBytes === 0) this.sendEnd();
  }

  close(): void {
    if (this.state === 'closed' || this.state === 'closing') return;
    if (this.keptBytes === 0 || this.state === 'connecting') {
      this.closeLater(CLOSED_LOCAL, this.incoming.some((one) => one !== null) ? 'reset' : 'fin');
      return;
    }
    this.state = 'closing';
    this.startEnding(0);
  }

  closeLingering(ms: number): void {
    if (this.state !== 'open') return;
    if (this.ended) {
      this.close();
      return;
    }
    this.state = 'lingering';
    this.paused = false;
    this.startEnding(ms);
    this.loop.readable(this);
    if (this.keptBytes === 0) this.sendEnd();
  }

  reset(): void {
    if (this.state === 'closed') return;
    this.closeLater(CLOSED_LOCAL, 'reset');
  }

  // ---- the test's side ----

  /** Everything that has left so far and was not taken yet. */
  takeSent(): Buffer {
    const all = Buffer.concat(this.out);
    this.out = [];
    return all;
  }

  peekSent(): Buffer {
    const all = Buffer.concat(this.out);
    this.out = [all];
    return all;
  }

  get sentText(): string {
    return this.peekSent().toString('latin1');
  }

  /** The socket takes at most so many bytes from now on; what is kept goes first. */
  setRoom(bytes: number): void {
    this.room = bytes;
    this.loop.turn(() => this.drainKept());
  }

  get wantsToClose(): boolean {
    return this.state === 'closing' || this.state === 'lingering';
  }

  connectOk(): void {
    assert.equal(this.state, 'connecting');
    this.loop.turn(() => {
      this.state = 'open';
      this.owner.onConnect(this);
      this.drainKept();
    });
  }

  connectFail(error: string): void {
    assert.equal(this.state, 'connecting');
    this.error = error;
    this.loop.turn(() => this.closeLater(CLOSED_CONNECT, 'reset'));
  }

  /** Bytes arrive, as one read when nothing holds them up. */
  receive(...reads: readonly (string | Buffer)[]): void {
    for (const bytes of reads) this.incoming.push(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes));
    this.loop.turn(() => this.loop.readable(this));
  }

  /** The peer's FIN. */
  end(): void {
    this.incoming.push(null);
    this.loop.turn(() => this.loop.readable(this));
  }

  /** The peer's RST. */
  breakOff(error = 'ECONNRESET'): void {
    if (this.state === 'closed') return;
    assert.notEqual(this.state, 'connecting');
    this.error = error;
    this.loop.turn(() => this.closeLater(CLOSED_RESET, 'reset'));
  }

  // ---- called by the loop ----

  /** Delivers what has arrived, as far as the owner wants it. */
  deliver(): void {
    while (this.incoming.length > 0 && !this.paused) {
      if (this.state === 'lingering') {
        if (this.incoming.shift() === null) this.closeLater(CLOSED_REMOTE, 'fin');
        continue;
      }
      if (this.state !== 'open') return;
      const next = this.incoming.shift()!;
      if (next === null) this.deliverEnd();
      else this.loop.lend(next, (buf, start, end) => this.owner.onData(this, buf, start, end));
    }
    // A reset or an end is noticed also where reading is paused, when nothing lies before it.
    if (this.paused && this.state === 'open' && this.incoming.length === 1 && this.incoming[0] === null) {
      this.incoming.length = 0;
      this.deliverEnd();
    }
  }

  /** The time for ending is over. */
  giveUp(): void {
    if (this.state !== 'closed') this.closeLater(CLOSED_LOCAL, this.keptBytes > 0 ? 'reset' : 'fin');
  }

  tellClosed(): void {
    assert.equal(this.told, false, 'onClose comes once');
    this.told = true;
    this.owner.onClose(this, this.closedWhy!);
  }

  // ---- inside ----

  private deliverEnd(): void {
    assert.equal(this.ended, false);
    this.ended = true;
    this.owner.onEnd(this);
    if (this.state === 'open' && this.peerSees === 'fin') this.closeLater(CLOSED_REMOTE, 'fin');
  }

  private leave(bytes: Buffer): void {
    this.room -= bytes.length;
    this.out.push(bytes);
    this.segments.push(bytes.length);
  }

  private drainKept(): void {
    if (this.keptBytes === 0 || this.state === 'closed' || this.state === 'connecting') return;
    const all = Buffer.concat(this.kept);
    const now = Math.min(this.room, all.length);
    if (now === 0) return;
    this.leave(all.subarray(0, now));
    this.kept = now === all.length ? [] : [all.subarray(now)];
    this.keptBytes = all.length - now;
    if (this.keptBytes > 0) return;
    if (this.state === 'closing') this.closeLater(CLOSED_LOCAL, 'fin');
    else if (this.state === 'lingering' || this.shutWanted) this.sendEnd();
    else this.owner.onWritable(this);
  }

  private sendEnd(): void {
    this.peerSees = 'fin';
    if (this.ended) this.closeLater(CLOSED_REMOTE, 'fin');
  }

  private startEnding(lingerMs: number): void {
    this.ending?.stop();
    this.ending = new Ending(this, this.loop.timers, lingerMs);
  }

  private closeLater(why: CloseReason, peerSees: PeerView): void {
    this.state = 'closed';
    this.closedWhy = why;
    this.peerSees = peerSees;
    this.kept = [];
    this.keptBytes = 0;
    this.incoming = [];
    this.ending?.stop();
    this.loop.closed(this);
  }
}
