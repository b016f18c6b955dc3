// @hot
// The life of one request: route, choose, attempt, answer, log. Worker thread; pooled by Journeys.
//
//   FREE ──► ASKED ──► the Attempts' phases ──► ANSWERING ──► FREE
//              └────────── local reply ─────────────┘
// Every way out leads through `finish`, once: there the counters, the log and the return to the pool are.

import type { Fault } from '../core/fault.ts';
import { FLAG_DC, FLAG_DPE, FLAG_NC, FLAG_NR, FLAG_SI } from '../core/flags.ts';
import { BODY_LENGTH, BODY_NONE, BODY_TUNNEL } from '../core/stream.ts';
import { isGrpc } from '../http/grpc.ts';
import { statusText } from '../http/status-text.ts';
import { Timer, type TimerTarget } from '../core/timer.ts';
import type { ChainMaker } from '../filter/registry.ts';
import { codeSlot } from '../observe/code-slots.ts';
import { record } from '../observe/histogram.ts';
import * as S from '../observe/stat-names.ts';
import { ROUTE_FORWARD, ROUTE_REDIRECT, type CompiledRoute } from '../route/compiled-route.ts';
import { redirectLocation } from '../route/rewrite.ts';
import { readAffinity } from './affinity.ts';
import { editAnswer, editLocalReply } from './answer.ts';
import { callTimeout, grpcReply, noteAnswerEnd, noteAnswerHead } from './grpc.ts';
import { clusterOf, editRequest } from './onward.ts';
import { GONE, IDLE_DOWN, IDLE_UP, MALFORMED, NO_HOST, TIMED_OUT, TOO_LARGE, TOO_LONG, TOO_SLOW } from './faults.ts';
import { Filtered } from './filtered.ts';
import { ANSWERING, ASKED, FREE, RESTING, WAITING } from './phase.ts';
import { detailsAfterStart, mildReply, OVERLOADED, replyOf, type LocalReply } from './reply.ts';
import { retryStateOf } from './retry-wishes.ts';
import { refusalOfUpgrade } from './tunnel.ts';

const EMPTY = Buffer.alloc(0);

export class Journey extends Filtered implements TimerTarget {
  /** Of a tunnel: the upstream has sent its last byte. */
  private answerDone = false;
  private idleMs = 0;
  /** Monotonic ms; 0: none. */
  private answerDeadline = 0;
  private requestDeadline = 0;
  private readonly timer: Timer;

  constructor() {
    super();
    this.timer = new Timer(this, 0);
  }

  // ---- from the caller ----

  begin(more: boolean): void {
    const { runtime, reqHead } = this;
    this.start();
    this.moreNow = more;
    if (runtime.tools.overload.stopsRequests) {
      this.count(S.DOWN_RQ_OVERLOAD_CLOSE);
      this.reply(OVERLOADED);
      return;
    }
    this.count(S.RQ_TOTAL);
    const route = runtime.routes.match(this, runtime.tools.random);
    if (this.upgrade !== '' && this.refusesUpgrade(route)) return;
    const chain = route === null ? runtime.filters : (route.filters as ChainMaker);
    if (chain === null) this.takeRoute(route);
    else this.filter(chain, route);
    this.moreNow = false;
    // What is still needed of the head after this callback must not stand in the loop's buffer.
    if (this.phase === WAITING || this.phase === ASKED || (this.phase !== FREE && this.keepsRequestHead())) reqHead.retain();
  }

  refuse(status: number, details: string, flags: number, location: string): void {
    if (this.phase === FREE) {
      this.start();
    } else if (this.phase === ANSWERING) {
      this.flags |= flags;
      this.details = details;
      this.breakOff();
      return;
    }
    if (flags === FLAG_SI) {
      this.fail(IDLE_DOWN);
      return;
    }
    const body = location === '' && flags !== 0 ? statusText(status) : '';
    if (location !== '') this.answerHead().add('location', location);
    this.reply({ status, flags, details, body, overloaded: false });
  }

  requestData(buf: Buffer, start: number, end: number, last: boolean): void {
    if (this.reqBody === BODY_TUNNEL || this.reqBody === BODY_NONE) {
      this.tunnelData(buf, start, end, last);
      return;
    }
    const limit = this.runtime.config.maxRequestBodyBytes;
    this.bytesReceived += end - start;
    this.lastActive = this.runtime.tools.clock.now;
    if (limit > 0 && this.bytesReceived > limit && this.phase !== ANSWERING) {
      this.count(S.DOWN_RQ_TOO_LARGE);
      this.fail(TOO_LARGE);
      return;
    }
    if (this.phase === ASKED) this.keepForFilters(buf, start, end, last);
    else this.feed(buf, start, end, last);
  }

  protected feed(buf: Buffer, start: number, end: number, last: boolean): void {
    if (this.chain === null) {
      this.sendOn(buf, start, end, last);
      return;
    }
    const bytes = this.chain.requestData(this, buf.subarray(start, end), last);
    if (bytes === null) this.fail(MALFORMED);
    else this.sendOn(bytes, 0, bytes.length, this.chain.last);
  }

  protected sendOn(buf: Buffer, start: number, end: number, last: boolean): void {
    if (last) {
      this.requestEnded();
      if (this.up !== null && this.retry !== null && this.phase !== ANSWERING) this.beginTry(this.retry);
      this.watch();
    }
    if (this.up !== null || this.phase !== ANSWERING) this.upload(buf, start, end, last);
  }

  downWritable(): void {
    this.lastActive = this.runtime.tools.clock.now;
    if (this.heardAt > 0 && this.upPaused) this.heardAt = this.lastActive;
    this.resumeUp();
  }

  abandon(why: Fault = GONE): void {
    this.start();
    this.downReset(why);
  }

  forget(): void {
    this.clear();
    this.runtime.tools.journeys.giveBack(this);
  }

  downReset(why: Fault): void {
    this.flags |= why.kind === 'downstreamProtocol' ? FLAG_DPE : FLAG_DC;
    this.details = why.details;
    this.count(S.DOWN_RQ_RX_RESET);
    this.finish();
  }

  release(): void {
    this.chain?.end(this, true);
    this.finish();
  }

  // ---- from the upstream ----

  upWritable(): void {
    this.lastActive = this.runtime.tools.clock.now;
    this.resumeDown();
  }

  responseInterim(): void {
    this.lastActive = this.runtime.tools.clock.now;
    this.countCluster(S.UP_RQ_1XX);
    this.down!.writeInterim();
  }

  protected answered(more: boolean): void {
    const { runtime, status } = this;
    const { clock } = runtime.tools;
    this.phase = ANSWERING;
    this.lastActive = this.responseStartAt = clock.now;
    if (this.heardAt > 0) this.heardAt = clock.now;
    this.details = 'via_upstream';
    this.countCode(status);
    this.countHost(status >= 500 ? S.HOST_RQ_ERROR : S.HOST_RQ_SUCCESS);
    if (this.reqBody === BODY_TUNNEL) this.tunnelAnswered();
    if (this.isGrpc) noteAnswerHead(this);
    editAnswer(this);
    if (this.chain !== null) this.chain.response(this);
    if (!this.down!.writeHead(more)) this.pauseUp();
    if (runtime.keepsResponseHead) this.resHead.retain();
    else this.dropAnswerHead();
    if (this.resBody === BODY_TUNNEL) this.openTunnel();
  }

  responseData(buf: Buffer, start: number, end: number, last: boolean): void {
    if (this.heardAt > 0) this.heardAt = this.runtime.tools.clock.now;
    if (last) {
      if (this.isGrpc) noteAnswerEnd(this);
      this.answerDone = true;
      // First of all: the upstream's connection is free already, and no filter may pause it any more.
      if (this.resBody !== BODY_TUNNEL || this.requestDone) this.attemptEnded(this.runtime.tools.clock.now);
    }
    if (this.chain === null || this.resBody === BODY_TUNNEL) {
      this.sendDown(buf, start, end, last);
      return;
    }
    const bytes = this.chain.responseData(this, buf.subarray(start, end), last);
    if (last && !this.chain.last) this.keepEnd();
    this.sendDown(bytes, 0, bytes.length, this.chain.last);
  }

  protected sendDown(buf: Buffer, start: number, end: number, last: boolean): void {
    this.bytesSent += end - start;
    this.lastActive = this.runtime.tools.clock.now;
    // With `last` the journey may be over, and another one, when this returns.
    if (!this.down!.writeData(buf, start, end, last) && !last) this.pauseUp();
  }

  // ---- time ----

  onTimer(): void {
    if (this.phase === FREE) return;
    const { now } = this.runtime.tools.clock;
    if (this.callLimited && now >= this.answerDeadline) {
      this.count(S.DOWN_RQ_MAX_DURATION_REACHED);
      this.fail(TOO_LONG);
    } else if (this.answerDeadline > 0 && now >= this.answerDeadline) {
      this.countTimeouts();
      this.fail(TIMED_OUT);
    } else if (this.requestDeadline > 0 && !this.requestDone && now >= this.requestDeadline) {
      this.count(S.DOWN_RQ_TIMEOUT);
      this.fail(TOO_SLOW);
    } else if (this.idleMs > 0 && now - this.lastActive >= this.idleMs) {
      this.count(S.DOWN_RQ_IDLE_TIMEOUT);
      this.fail(this.requestDone ? IDLE_UP : IDLE_DOWN);
    } else if (!this.tryTimesOut(now)) {
      this.watch();
    }
  }

  /** The pool has enough: nothing may refer to this journey any more. */
  retire(): void {
    this.runtime.tools.timers.disarm(this.timer);
  }

  // ---- inside ----

  private start(): void {
    const { config, tools } = this.runtime;
    this.phase = ASKED;
    this.requestDone = this.reqBody === BODY_NONE;
    this.isGrpc = isGrpc(this.reqHead);
    this.lastActive = tools.clock.now;
    this.idleMs = config.timeouts.streamIdleMs;
    this.requestDeadline = config.timeouts.requestMs > 0 ? this.startAt + config.timeouts.requestMs : 0;
    this.count(S.DOWN_RQ_TOTAL);
    this.count(this.down!.protocol === 'HTTP/2' ? S.DOWN_RQ_HTTP2_TOTAL : S.DOWN_RQ_HTTP1_TOTAL);
    this.count(S.DOWN_RQ_ACTIVE);
  }

  /** A tunnel is wanted. It may be refused, or not be one after all. */
  private refusesUpgrade(route: CompiledRoute | null): boolean {
    const refusal = refusalOfUpgrade(this, route);
    if (refusal !== null) {
      if (refusal.status === 403) this.count(S.DOWN_RQ_WS_ON_NON_WS_ROUTE);
      if (this.reqBody === BODY_TUNNEL) this.reqBody = BODY_NONE;
      this.reply(refusal);
      return true;
    }
    if (this.reqBody === BODY_TUNNEL) {
      this.requestDone = false;
      this.requestDeadline = 0;
      this.count(S.DOWN_CX_UPGRADES_TOTAL);
      this.count(S.DOWN_CX_UPGRADES_ACTIVE);
    }
    return false;
  }

  /** Bytes of the caller for a tunnel. Before it is open nobody may see them. */
  private tunnelData(buf: Buffer, start: number, end: number, last: boolean): void {
    const { now } = this.runtime.tools.clock;
    if (this.reqBody === BODY_NONE) return; // it came to nothing: its bytes must not follow the request on the host's connection
    this.bytesReceived += end - start;
    this.lastActive = now;
    if (last) this.requestDone = true;
    if (this.phase !== ANSWERING) {
      this.kept.add(buf, start, end);
      if (!last) this.pauseDown();
    } else if (this.up !== null) {
      const { up } = this;
      if (last && this.answerDone) this.attemptEnded(now);
      if (!up.writeData(buf, start, end, last) && !last) this.pauseDown();
    }
  }

  /** The answer to a request for a tunnel: it is the tunnel, or the request was an ordinary one. */
  private tunnelAnswered(): void {
    if (this.resBody === BODY_TUNNEL) {
      this.answerDeadline = 0;
      return;
    }
    this.endUpgrade();
    this.kept.clear();
    this.requestDone = true;
  }

  /** The head has gone down: what has been held may go up, and more may come. */
  private openTunnel(): void {
    const { kept, up } = this;
    if (kept.begun || this.requestDone) {
      const taken = up!.writeData(kept.bytes, 0, kept.length, this.requestDone);
      kept.clear();
      if (!taken && !this.requestDone) {
        this.pauseDown();
        return;
      }
    }
    if (this.downPaused) this.resumeDown();
    else this.down?.resume();
  }

  /** The upstream has said all, but a filter has not passed it on. */
  private keepEnd(): void {
    if (!this.callLimited) this.answerDeadline = 0;
    this.resTrailers?.retain();
  }

  private endUpgrade(): void {
    this.reqBody = BODY_NONE;
    this.runtime.tools.cells[this.runtime.stats + S.DOWN_CX_UPGRADES_ACTIVE]!--;
  }

  /** The choice between several is the same however often it is made. */
  protected clusterNameOf(route: CompiledRoute): string {
    return clusterOf(this, route)?.name ?? '';
  }

  protected takeRoute(route: CompiledRoute | null): void {
    this.route = route;
    if (route === null) {
      this.count(S.NO_ROUTE);
      this.reply({ status: 404, flags: FLAG_NR, details: 'route_not_found', body: '', overloaded: false });
      return;
    }
    this.routeName = route.name;
    if (route.kind === ROUTE_FORWARD) this.forward(route);
    else this.answerByRoute(route);
  }

  private forward(route: CompiledRoute): void {
    const { config } = this.runtime;
    const cluster = clusterOf(this, route);
    if (cluster === null) {
      this.count(S.NO_CLUSTER);
      this.reply({ status: 503, flags: FLAG_NC, details: 'cluster_not_found', body: '', overloaded: false });
      return;
    }
    this.cluster = cluster;
    this.clusterName = cluster.name;
    if (config.maxRequestBodyBytes > 0 && this.reqHead.contentLength > config.maxRequestBodyBytes) {
      this.count(S.DOWN_RQ_TOO_LARGE);
      this.fail(TOO_LARGE);
      return;
    }
    if (route.idleTimeoutMs >= 0) this.idleMs = route.idleTimeoutMs;
    this.timeoutMs = route.timeoutMs;
    if (this.isInternal || route.retry !== null) this.retry = retryStateOf(this, route);
    if (this.isGrpc && route.grpcTimeoutMaxMs >= 0) this.limitCall(route);
    if (this.requestDone || this.reqBody === BODY_TUNNEL) this.requestEnded();
    if (cluster.config.type === 'originalDst') this.originalDestination = this.down?.originalDestination ?? null;
    if (route.sticky !== null || route.hashRules.length > 0) readAffinity(this, route, cluster);
    this.attempts = 1;
    const host = this.choose();
    if (host === null) {
      this.countCluster(S.UP_CX_NONE_HEALTHY);
      this.fail(NO_HOST);
      return;
    }
    this.upstreamHost = host.shown; // edits may speak of it
    this.upstreamHostname = host.hostname;
    editRequest(this, route, host);
    this.attempt(host);
  }

  private answerByRoute(route: CompiledRoute): void {
    const redirect = route.kind === ROUTE_REDIRECT;
    this.count(redirect ? S.RQ_REDIRECT : S.RQ_DIRECT_RESPONSE);
    const head = this.answerHead();
    if (redirect) head.add('location', redirectLocation(route, this));
    const fields = route.respondHeaders;
    for (let i = 0; i < fields.length; i += 2) head.add(fields[i]!, fields[i + 1]!);
    this.reply({ status: route.status, flags: 0, details: 'direct_response', body: '', overloaded: false }, route.respondBody);
  }

  private limitCall(route: CompiledRoute): void {
    const limit = callTimeout(this, route);
    this.callLimited = true;
    this.answerDeadline = limit === 0 ? Infinity : this.startAt + limit;
  }

  /** The whole request is here, or the head that stands for it: from now on the route's time-out runs. */
  private requestEnded(): void {
    const { clock } = this.runtime.tools;
    const { timeoutMs } = this;
    this.requestDone = this.reqBody !== BODY_TUNNEL;
    this.requestEndAt = clock.now;
    if (timeoutMs > 0 && !this.callLimited) this.answerDeadline = clock.now + timeoutMs;
  }

  protected fail(why: Fault): void {
    if (this.phase !== ANSWERING) {
      const reply = replyOf(why);
      const local = this.retry !== null && this.retry.timeoutStatus !== 504 ? mildReply(reply, this.retry.timeoutStatus) : reply;
      if (this.cluster !== null && isOfCluster(why)) {
        this.countCode(local.status);
        this.countCluster(S.UP_RQ_COMPLETED);
      }
      this.reply(local);
      return;
    }
    const { flags, details } = detailsAfterStart(why);
    this.flags |= flags;
    this.details = details;
    if (why.side === 'up') this.count(S.RQ_RESET_AFTER_DOWNSTREAM_RESPONSE_STARTED);
    this.breakOff();
  }

  private countCode(status: number): void {
    const { cells } = this.runtime.tools;
    const { stats } = this.cluster!;
    cells[stats + S.CLUSTER_CODES_AT + codeSlot(status)]!++;
    if (status < 600) cells[stats + S.UP_RQ_1XX + ((status / 100) | 0) - 1]!++;
  }

  /** The answer has begun and cannot be completed. */
  private breakOff(): void {
    this.count(S.DOWN_RQ_TX_RESET);
    this.stopAttempt();
    this.down!.reset();
    this.finish();
  }

  protected reply(local: LocalReply, body: Buffer = local.body === '' ? EMPTY : Buffer.from(local.body, 'utf8')): void {
    const down = this.down!;
    this.stopAttempt();
    this.phase = ANSWERING;
    this.isLocalReply = true;
    this.status = local.status;
    this.flags |= local.flags;
    this.details = local.details;
    this.resBody = BODY_LENGTH;
    this.responseStartAt = this.runtime.tools.clock.now;
    if (this.isGrpc) {
      grpcReply(this, local, body);
      body = EMPTY;
      this.status = 200;
    }
    editLocalReply(this, local, body.length);
    if (this.chain !== null) this.chain.response(this);
    const silent = this.method === 'HEAD' || local.status === 204 || local.status === 304;
    if (!silent) this.bytesSent = body.length;
    down.writeHead(true);
    down.writeData(body, 0, silent ? 0 : body.length, true);
  }

  private attemptEnded(now: number): void {
    const { buckets } = this.runtime.tools;
    this.up = null;
    this.countCluster(S.UP_RQ_COMPLETED);
    record(buckets, this.cluster!.histograms + S.UP_RQ_TIME, (now - this.upstreamStartAt) * 1000);
  }

  /** Arms the one timer for the next thing that can happen; an earlier one that is still armed is left and looks again. */
  protected watch(): void {
    const { clock, timers } = this.runtime.tools;
    let next = this.idleMs > 0 ? this.lastActive + this.idleMs : Infinity;
    if (this.answerDeadline > 0 && this.answerDeadline < next) next = this.answerDeadline;
    if (this.requestDeadline > 0 && !this.requestDone && this.requestDeadline < next) next = this.requestDeadline;
    if (this.retry !== null || this.phase === RESTING) next = Math.min(next, this.nextTryTime());
    if (next === Infinity) return;
    if (this.timer.deadline !== 0 && this.timer.deadline <= next) return;
    timers.arm(this.timer, Math.max(0, next - clock.now));
  }

  private finish(): void {
    const { runtime } = this;
    const { tools, stats } = runtime;
    const now = tools.clock.now;
    this.endAt = now;
    this.stopAttempt();
    this.chain?.end(this, false);
    // What is paused still reads on when nobody is left to pause it.
    if (this.downPaused) this.countDownResumed();
    if (this.upPaused) this.countCluster(S.UP_FLOW_RESUMED_READING);
    if (this.reqBody === BODY_TUNNEL) this.endUpgrade();
    tools.cells[stats + S.DOWN_RQ_ACTIVE]!--;
    tools.cells[stats + S.DOWN_RQ_COMPLETED]!++;
    if (this.status >= 100 && this.status < 600) tools.cells[stats + S.DOWN_RQ_1XX + ((this.status / 100) | 0) - 1]!++;
    record(tools.buckets, runtime.histograms + S.DOWN_RQ_TIME, (now - this.startAt) * 1000);
    const { logs } = runtime;
    for (let i = 0; i < logs.length; i++) {
      const log = logs[i]!;
      if (log.wants(this)) tools.logBatch.add(log.path, log.format(this), now);
    }
    this.clear();
    tools.journeys.giveBack(this);
  }

  override clear(): void {
    super.clear();
    this.answerDone = false;
    this.answerDeadline = 0;
    this.requestDeadline = 0;
  }
}

/** As in Envoy, a cluster that gives no answer is counted with the code that its caller is told. */
function isOfCluster({ side, kind }: Fault): boolean {
  return side !== 'down' && kind !== 'streamIdle';
}
