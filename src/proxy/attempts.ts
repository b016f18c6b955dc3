// @hot
// The attempts of one request: choose a host, wait for a connection, send, and try again while the rules allow it. Worker
// thread. The part of the Journey between its valves (Flow) and its life (Journey).
//
//   ──► WAITING (for a connection) ──► SENT ──► ANSWERING
//          ▲        │ failed             │ failed, timed out, or answered with what is tried again
//          └───── RESTING ◄──────────────┘
// RESTING: no attempt of its own is on; one is due at `nextTryAt`, or slow ones (Bystanders) are still out.
// One place each for whoever wants to know: `choose` (a host), `attempt`, `responseHead` (answered), `attemptFailed`.

import type { Host } from '../cluster/host.ts';
import { noteImmediateFailure } from '../cluster/immediate-failure.ts';
import type { Pool } from '../cluster/pool.ts';
import type { Fault } from '../core/fault.ts';
import { FLAG_UO, FLAG_URX } from '../core/flags.ts';
import { BODY_NONE, BODY_TUNNEL, type StreamRecord, UPGRADE_CONNECT, type UpStream } from '../core/stream.ts';
import { codeSlot } from '../observe/code-slots.ts';
import * as S from '../observe/stat-names.ts';
import { RETRY_AT, RETRY_CLASSES, RETRY_CODES, RETRY_COMPLETED } from '../observe/upkeep-stats.ts';
import type { CompiledRoute } from '../route/compiled-route.ts';
import { Bystander, type Racer } from './bystander.ts';
import { NO_HOST, REPLAY_TOO_LARGE, TRY_TOO_LONG, TRY_TOO_SILENT } from './faults.ts';
import { Flow } from './flow.ts';
import { judgedStatus } from './grpc.ts';
import { KeptBody } from './kept-body.ts';
import { editAttempt } from './onward.ts';
import { ANSWERING, FREE, RESTING, SENT, WAITING } from './phase.ts';
import type { RetryState } from './retry-state.ts';

const NO_HOSTS: readonly Host[] = [];
/** So often is a request repeated that no host has seen, whatever the policy says: the first time at once. */
const MAX_REPEATS = 3;
/** Of the body of a request without a policy so much is kept for that: a gRPC message, a form. */
const UNSEEN_BYTES = 16 * 1024;
/** The request is not kept: it cannot be sent again. */
const GONE_UP = -1;

export abstract class Attempts extends Flow implements Racer {
  route: CompiledRoute | null = null;
  retry: RetryState | null = null;
  /** The route's time-out, or what an internal caller wishes instead; 0: none. */
  timeoutMs = 0;
  /** A gRPC call with a deadline of its own, from its first byte on; the route's time-out does not count. */
  callLimited = false;
  protected phase = FREE;
  /** Where this request waits for a connection. Whatever ends a journey takes it off that queue first. */
  protected waitsIn: Pool | null = null;
  protected requestDone = false;
  /** Body bytes follow in the callback that is running. */
  protected moreNow = false;
  protected readonly kept: KeptBody = new KeptBody();
  /** How much of the body is kept beside the attempt that is on; GONE_UP. */
  private replayLimit = GONE_UP;
  /** Monotonic ms; 0: none. */
  private nextTryAt = 0;
  private tryDeadline = 0;
  /** When the host last said something, where its silence is watched; 0: it is not. */
  protected heardAt = 0;
  /** The next attempt is due, or denied, although this one is still on. */
  private outpaced = false;
  /** How often the request has been repeated because nobody had seen it, and whether it is about to be. */
  private repeats = 0;
  private repeatsNext = false;

  /** The head that goes down. */
  protected abstract answered(more: boolean): void;
  protected abstract fail(why: Fault): void;
  /** Some deadline is new. */
  protected abstract watch(): void;

  // ---- an attempt ----

  /** A host for the next attempt, or null when there is none. */
  protected choose(): Host | null {
    const cluster = this.cluster!;
    const { retry } = this;
    if (retry === null || this.attempts < 2 || !retry.policy.previousHosts) return cluster.pick(this, NO_HOSTS);
    let host = cluster.pick(this, retry.tried);
    for (let left = retry.policy.hostSelectionAttempts; left > 0 && host !== null && retry.tried.includes(host); left--) {
      host = cluster.pick(this, retry.tried);
    }
    return host;
  }

  protected attempt(host: Host): void {
    this.host = host;
    this.upstreamHost = host.shown;
    this.upstreamHostname = host.hostname;
    this.retry?.tried.push(host);
    this.phase = WAITING;
    this.waitsIn = this.cluster!.poolFor(host, this.upgrade === UPGRADE_CONNECT, this.route!.highPriority);
    this.watch();
    this.waitsIn.acquire(this); // may end the journey before it returns
  }

  upReady(up: UpStream): void {
    const { kept } = this;
    const tunnel = this.reqBody === BODY_TUNNEL;
    const held = kept.begun && !tunnel;
    this.up = up;
    this.cluster!.noteConnected(this.host!);
    this.upstreamProtocol = up.protocol;
    this.waitsIn = null;
    this.phase = SENT;
    this.upstreamStartAt = this.runtime.tools.clock.now;
    this.replayLimit = this.limitOf(up);
    let taken = up.writeHead(this.reqBody === BODY_NONE, !tunnel && (this.moreNow || held));
    if (!this.keepsRequestHead()) this.dropRequestHead();
    if (held) {
      taken = up.writeData(kept.bytes, 0, kept.length, this.requestDone);
      if (kept.length > this.replayLimit) this.giveUpReplay();
    }
    // The bytes of a tunnel wait for its answer.
    if (taken && !(tunnel && kept.begun)) this.resumeDown();
    else if (!this.requestDone) this.pauseDown();
    if (this.retry !== null) this.sent(this.retry);
  }

  private sent(retry: RetryState): void {
    retry.started = true;
    if (this.requestDone) this.beginTry(retry);
  }

  /** The whole request is here and an attempt is on a connection. */
  protected beginTry(retry: RetryState): void {
    const { now } = this.runtime.tools.clock;
    if (retry.perTryMs > 0) this.tryDeadline = now + retry.perTryMs;
    if (retry.perTryIdleMs > 0) this.heardAt = now;
    this.watch();
  }

  /** Bytes of the request's body, for the attempt that is on and for those that may follow it. */
  protected upload(buf: Buffer, start: number, end: number, last: boolean): void {
    const { up, kept } = this;
    if (up === null) {
      const limit = this.retry === null ? Infinity : this.retry.policy.maxReplayBytes;
      if (this.phase === RESTING && kept.length + end - start > limit) {
        this.abandonRetry();
        this.fail(REPLAY_TOO_LARGE);
        return;
      }
      kept.add(buf, start, end);
      if (!last) this.pauseDown();
      return;
    }
    if (this.replayLimit >= 0) {
      if (kept.length + end - start > this.replayLimit) this.giveUpReplay();
      else kept.add(buf, start, end);
    }
    if (!up.writeData(buf, start, end, last) && !last) this.pauseDown();
  }

  private limitOf(up: UpStream): number {
    const tunnel = this.reqBody === BODY_TUNNEL;
    if (this.retry !== null && this.retry.open && !tunnel) return this.retry.policy.maxReplayBytes;
    if (this.repeats >= MAX_REPEATS) return GONE_UP;
    return up.mayRefuse || (up.isReused && !tunnel && isIdempotent(this.method)) ? UNSEEN_BYTES : GONE_UP;
  }

  /** There is more of the body than is kept: this attempt is the last. */
  private giveUpReplay(): void {
    if (this.retry !== null && this.retry.open) this.abandonRetry();
    this.replayLimit = GONE_UP;
    this.kept.clear();
    if (!this.runtime.keepsRequestHead) this.dropRequestHead();
  }

  private abandonRetry(): void {
    const retry = this.retry!;
    this.countCluster(S.UP_RETRY_OR_SHADOW_ABANDONED);
    this.giveRetryBack(retry);
    retry.open = false;
  }

  /** Somebody needs the request's head after it was sent. */
  protected keepsRequestHead(): boolean {
    return this.runtime.keepsRequestHead || this.replayLimit >= 0 || this.phase === RESTING;
  }

  // ---- what becomes of it ----

  upFailed(why: Fault): void {
    this.waitsIn = null;
    this.attemptFailed(why);
  }

  upReset(why: Fault): void {
    this.up = null;
    if (this.phase !== ANSWERING) this.dropAnswerHead(); // what has come of a head is not ours to send
    this.attemptFailed(why);
  }

  responseHead(more: boolean): void {
    this.noteAnswer(this, this.host!);
    if (this.retry !== null && this.isTriedAgain(this.retry)) return;
    this.settle();
    this.answered(more);
  }

  /** Every head of an answer, also of one that nobody will see, tells of its host. */
  private noteAnswer(answer: StreamRecord, host: Host): void {
    const cluster = this.cluster!;
    const { now } = this.runtime.tools.clock;
    if (host.latency !== null) host.latency.note(now - answer.upstreamStartAt, now);
    if (cluster.outlier !== null) cluster.noteAnswer(host, judgedStatus(answer));
    noteImmediateFailure(answer.resHead, cluster, host);
  }

  private attemptFailed(why: Fault): void {
    const { phase, retry } = this;
    if (phase === ANSWERING) {
      this.countHost(S.HOST_RQ_ERROR);
      this.cluster!.noteFailure(this.host!, why.kind);
      this.fail(why);
      return;
    }
    const mayRetry = retry !== null && retry.open && !this.outpaced && (phase === WAITING || this.reqBody !== BODY_TUNNEL);
    const wanted = mayRetry && retry.wantsAfter(why);
    const unseen = phase === SENT && !this.outpaced && this.replayLimit >= 0 && this.repeats < MAX_REPEATS && this.isUnseen(why);
    this.rest();
    if (unseen && !(wanted && retry!.left > 0 && (why.retry !== 'ifReused' || this.repeats > 0))) {
      this.repeat();
      return;
    }
    this.countHost(S.HOST_RQ_ERROR);
    this.cluster!.noteFailure(this.host!, why.kind);
    if (mayRetry && this.schedule(retry, wanted, false)) return;
    if (!this.othersAreOut()) this.fail(why);
  }

  /** No attempt is on. */
  private rest(): void {
    this.phase = RESTING;
    this.tryDeadline = 0;
    this.heardAt = 0;
    this.outpaced = false;
  }

  /** Nothing of the request can have had an effect, or it may have it twice. */
  private isUnseen(why: Fault): boolean {
    return why.kind === 'refusedStream' || (why.retry === 'ifReused' && isIdempotent(this.method));
  }

  /** The same again, on another connection: the first time at once, then when all that this turn has brought was looked at. */
  private repeat(): void {
    this.repeats++;
    if (this.repeats === 1) {
      this.attempt(this.host!);
      return;
    }
    this.repeatsNext = true;
    this.nextTryAt = this.runtime.tools.clock.now;
    this.watch();
  }

  /** The head of an answer is here: is it let go, because there will be another attempt, or one that may do better? */
  private isTriedAgain(retry: RetryState): boolean {
    if (!retry.open || this.reqBody === BODY_TUNNEL) return false;
    const wanted = retry.wantsAnother(this);
    let retried = false;
    if (wanted && !this.outpaced) {
      retry.noteReset(this.resHead, this.runtime.tools.clock.wall());
      retried = this.schedule(retry, true, false);
    } else if (!wanted && !this.outpaced && retry.holds) {
      this.countCluster(S.UP_RQ_RETRY_SUCCESS);
    }
    if (!wanted || (!retried && !this.othersAreOut())) return false;
    this.countHost(S.HOST_RQ_ERROR);
    if (retried) this.countRetried();
    const { up } = this;
    this.up = null;
    this.rest();
    up!.discard();
    this.dropAnswerHead();
    this.status = 0;
    return true;
  }

  private countRetried(): void {
    const { cells } = this.runtime.tools;
    const at = this.cluster!.stats + RETRY_AT;
    const { status } = this;
    cells[at + RETRY_COMPLETED]!++;
    cells[at + RETRY_CODES + codeSlot(status)]!++;
    if (status < 600) cells[at + RETRY_CLASSES + ((status / 100) | 0) - 1]!++;
  }

  /** An attempt is due, or others than the one in question may still be answered. */
  private othersAreOut(): boolean {
    return this.nextTryAt > 0 || (this.retry !== null && this.retry.asides.length > 0);
  }

  /** The answer that goes down has begun: nothing will be tried again. */
  private settle(): void {
    this.replayLimit = GONE_UP;
    if (this.retry !== null) this.endRetry(this.retry);
    if (this.reqBody !== BODY_TUNNEL && this.kept.begun) this.kept.clear();
    if (!this.runtime.keepsRequestHead) this.dropRequestHead();
  }

  // ---- another attempt ----

  /** Envoy's order: what an earlier retry held is given back first, then this one must be allowed, and find room. */
  private schedule(retry: RetryState, wanted: boolean, late: boolean): boolean {
    const { clock, random } = this.runtime.tools;
    this.giveRetryBack(retry);
    if (!wanted) return false;
    if (retry.left === 0) {
      this.countCluster(S.UP_RQ_RETRY_LIMIT_EXCEEDED);
      this.flags |= FLAG_URX;
      return false;
    }
    retry.left--;
    if (!this.cluster!.tryRetry(this.route!.highPriority)) {
      this.countCluster(S.UP_RQ_RETRY_OVERFLOW);
      this.flags |= FLAG_UO;
      return false;
    }
    retry.holds = true;
    retry.late = late;
    this.countCluster(S.UP_RQ_RETRY);
    this.countCluster(retry.isAsked ? S.UP_RQ_RETRY_BACKOFF_RATELIMITED : S.UP_RQ_RETRY_BACKOFF_EXPONENTIAL);
    this.nextTryAt = clock.now + retry.takeDelay(random);
    this.watch();
    return true;
  }

  private giveRetryBack(retry: RetryState): void {
    if (!retry.holds) return;
    retry.holds = false;
    this.cluster!.retryDone(this.route!.highPriority);
  }

  private nextAttempt(): void {
    const { retry, up } = this;
    this.nextTryAt = 0;
    if (this.repeatsNext) {
      this.repeatsNext = false;
      this.attempt(this.host!);
      return;
    }
    if (up !== null) {
      retry!.asides.push(new Bystander(this, this.host!, up));
      this.up = null;
    }
    this.rest();
    this.attempts++;
    const host = this.choose();
    if (host === null) {
      this.countCluster(S.UP_CX_NONE_HEALTHY);
      this.fail(NO_HOST);
      return;
    }
    editAttempt(this, host, retry!);
    this.attempt(host);
  }

  // ---- the race ----

  asideAnswered(aside: Bystander, more: boolean): void {
    const retry = this.retry!;
    retry.asides.splice(retry.asides.indexOf(aside), 1);
    this.noteAnswer(aside, aside.host);
    if (retry.open && retry.wantsAnother(aside) && (this.up !== null || this.waitsIn !== null || this.othersAreOut())) {
      this.runtime.tools.cells[aside.host.cells + S.HOST_RQ_ERROR]!++;
      aside.discard();
      return;
    }
    this.stopAttempt();
    this.host = aside.host;
    aside.giveTo(this);
    this.settle();
    this.answered(more);
  }

  asideFailed(aside: Bystander, why: Fault): void {
    const retry = this.retry!;
    retry.asides.splice(retry.asides.indexOf(aside), 1);
    this.runtime.tools.cells[aside.host.cells + S.HOST_RQ_ERROR]!++;
    this.cluster!.noteFailure(aside.host, why.kind);
    if (this.up === null && this.waitsIn === null && !this.othersAreOut()) this.fail(why);
  }

  // ---- time ----

  /** When the attempts next want to be looked at; Infinity: they do not. */
  protected nextTryTime(): number {
    let next = this.nextTryAt > 0 ? this.nextTryAt : Infinity;
    if (this.tryDeadline > 0 && this.tryDeadline < next) next = this.tryDeadline;
    if (this.heardAt > 0) next = Math.min(next, this.heardAt + this.retry!.perTryIdleMs);
    return next;
  }

  /** @returns whether anything was due */
  protected tryTimesOut(now: number): boolean {
    if (this.nextTryTime() > now) return false;
    if (this.tryDeadline > 0 && now >= this.tryDeadline) {
      this.tryDeadline = 0;
      this.tooSlow(TRY_TOO_LONG, S.UP_RQ_PER_TRY_TIMEOUT);
    } else if (this.nextTryAt > 0 && now >= this.nextTryAt) {
      this.nextAttempt();
    } else if (this.upPaused) {
      this.heardAt = now; // it is the caller who keeps the host silent
      this.watch();
    } else {
      this.heardAt = 0;
      this.tooSlow(TRY_TOO_SILENT, S.UP_RQ_PER_TRY_IDLE_TIMEOUT);
    }
    return true;
  }

  private tooSlow(why: Fault, stat: number): void {
    const retry = this.retry!;
    if (this.phase !== ANSWERING) this.cluster!.noteTimeout(this.host!);
    if (retry.hedge && this.phase === SENT) {
      if (retry.open && this.reqBody !== BODY_TUNNEL) this.outpaced = this.schedule(retry, true, true);
      this.watch();
      return;
    }
    this.countCluster(stat);
    this.countHost(S.HOST_RQ_TIMEOUT);
    if (this.phase === ANSWERING) {
      this.fail(why);
      return;
    }
    const { up } = this;
    this.up = null;
    up!.abort();
    this.dropAnswerHead();
    this.rest();
    if (retry.open && this.reqBody !== BODY_TUNNEL && this.schedule(retry, retry.wantsAfter(why), true)) {
      this.countHost(S.HOST_RQ_ERROR);
      return;
    }
    if (!this.othersAreOut()) this.fail(why);
  }

  /** The route's time is up: as Envoy, each attempt that is out has timed out. */
  protected countTimeouts(): void {
    if (this.up !== null || this.waitsIn !== null) {
      this.countCluster(S.UP_RQ_TIMEOUT);
      this.countHost(S.HOST_RQ_TIMEOUT);
      if (this.phase === SENT) this.cluster!.noteTimeout(this.host!);
    }
    const asides = this.retry === null ? 0 : this.retry.asides.length;
    for (let i = 0; i < asides; i++) {
      this.countCluster(S.UP_RQ_TIMEOUT);
      this.runtime.tools.cells[this.retry!.asides[i]!.host.cells + S.HOST_RQ_TIMEOUT]!++;
    }
  }

  // ---- the end ----

  protected stopAttempt(): void {
    const { up } = this;
    if (up !== null) {
      this.up = null;
      up.abort();
      if (this.phase !== ANSWERING) this.dropAnswerHead();
    } else if (this.waitsIn !== null) {
      const pool = this.waitsIn;
      this.waitsIn = null;
      pool.cancel(this);
    }
    this.nextTryAt = 0;
    if (this.retry !== null) this.endRetry(this.retry);
  }

  private endRetry(retry: RetryState): void {
    this.giveRetryBack(retry);
    retry.open = false;
    this.nextTryAt = 0;
    this.tryDeadline = 0;
    for (let aside = retry.asides.pop(); aside !== undefined; aside = retry.asides.pop()) aside.abort();
  }

  override clear(): void {
    super.clear();
    this.route = null;
    this.retry = null;
    this.timeoutMs = 0;
    this.callLimited = false;
    this.phase = FREE;
    this.requestDone = false;
    this.moreNow = false;
    if (this.kept.begun) this.kept.clear();
    this.replayLimit = GONE_UP;
    this.nextTryAt = 0;
    this.tryDeadline = 0;
    this.heardAt = 0;
    this.outpaced = false;
    this.repeats = 0;
    this.repeatsNext = false;
  }
}

/** RFC 9110 section 9.2.2: twice is as good as once. */
function isIdempotent(method: string): boolean {
  switch (method) {
    case 'GET':
    case 'HEAD':
    case 'PUT':
    case 'DELETE':
    case 'OPTIONS':
    case 'TRACE':
      return true;
    default:
      return false;
  }
}
