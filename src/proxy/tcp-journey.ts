// @hot
// The life of one TCP connection: choose, connect, pass bytes both ways, log. Worker thread; one per caller, not pooled.
//
//   begin ──► connecting (perhaps again) ──► open: each side may end by itself ──► both closed: finish
//
// Either side's FIN goes to the other behind all bytes before it; a reset goes to the other at once, since half of what was
// said must not look like the whole. `finish` comes once, when both connections are gone: there the log line is.

import type { Cluster } from '../cluster/cluster.ts';
import type { Host } from '../cluster/host.ts';
import { proxyHeader } from '../cluster/proxy-header.ts';
import { TcpUp } from '../cluster/tcp-up.ts';
import type { WeightedCluster } from '../config/snapshot.ts';
import { FLAG_NR, FLAG_UF, FLAG_UH, FLAG_UO, FLAG_URX } from '../core/flags.ts';
import type { Caller, Passage } from '../core/passage.ts';
import { Timer, type TimerTarget } from '../core/timer.ts';
import * as S from '../observe/stat-names.ts';
import type { TcpRuntime } from './tcp-runtime.ts';

/** How long a caller may still send what nobody takes any more, so that a RST does not destroy what it has not read. */
const LINGER_MS = 1000;

export class TcpJourney implements Passage, TimerTarget {
  private readonly runtime: TcpRuntime;
  private readonly down: Caller;
  private up: TcpUp | null = null;
  private cluster: Cluster | null = null;
  private host: Host | null = null;
  private tried: Host[] | null = null;
  private attempts = 0;
  private flags = 0;
  private upReadyYet = false;
  private downOpen = true;
  private downEnded = false;
  private downPaused = true;
  private upPaused = false;
  private flushing = false;
  private received = 0;
  private sent = 0;
  /** Bytes of the caller's that the host does not take yet, and of the host's that the caller does not: at the last write. */
  private waitingUp = 0;
  private waitingDown = 0;
  // For the log: the upstream's connection is gone when the line is written.
  private upConnectionId = 0;
  private upLocalAddress = '';
  private readonly startAt: number;
  private readonly startWall: number;
  private lastActive: number;
  private readonly timer: Timer;

  constructor(runtime: TcpRuntime, down: Caller) {
    const { clock } = runtime.tools;
    this.runtime = runtime;
    this.down = down;
    this.startAt = clock.now;
    this.startWall = clock.wall();
    this.lastActive = clock.now;
    this.timer = new Timer(this, 0);
  }

  begin(): void {
    const { ways, config, clusters, tools } = this.runtime;
    this.count(S.TCP_DOWN_CX_TOTAL, 1);
    const way = ways.find(serverNameOf(this.down));
    if (way === undefined || way.length === 0) {
      this.count(S.TCP_DOWN_CX_NO_ROUTE, 1);
      this.giveUp(FLAG_NR);
      return;
    }
    if (config.idleTimeoutMs > 0) tools.timers.arm(this.timer, config.idleTimeoutMs);
    this.cluster = clusters.get(way.length === 1 ? way[0]!.name : this.choose(way))!;
    this.connect();
  }

  // ---- the caller ----

  downData(buf: Buffer, start: number, end: number): void {
    this.lastActive = this.runtime.tools.clock.now;
    this.received += end - start;
    this.count(S.TCP_DOWN_CX_RX_BYTES_TOTAL, end - start);
    if (this.up === null || this.up.write(buf, start, end)) return;
    this.countWaitingUp(this.up.pending);
    if (this.downPaused) return;
    this.downPaused = true;
    this.count(S.TCP_DOWN_FLOW_PAUSED_READING, 1);
    this.down.pauseRead();
  }

  downWritable(): void {
    this.lastActive = this.runtime.tools.clock.now;
    this.countWaitingDown(0);
    if (!this.upPaused) return;
    this.upPaused = false;
    this.countCluster(S.UP_FLOW_RESUMED_READING);
    this.up?.resume();
  }

  downEnd(): void {
    this.downEnded = true;
    this.lastActive = this.runtime.tools.clock.now;
    if (this.upReadyYet) this.up?.end();
  }

  downClosed(broken: boolean): void {
    const { up } = this;
    this.downOpen = false;
    if (up === null) {
      this.finish();
      return;
    }
    if (!this.upReadyYet) {
      this.up = null;
      up.reset(); // it may say nothing of its end any more
      this.finish();
    } else if (broken) {
      up.reset();
    } else {
      this.flush(up);
    }
  }

  // ---- the host ----

  upReady(): void {
    const up = this.up!;
    this.cluster!.outlier?.connectedForGood(this.host!);
    this.upReadyYet = true;
    this.upConnectionId = up.connectionId;
    this.upLocalAddress = up.localAddress;
    this.lastActive = this.runtime.tools.clock.now;
    if (this.downEnded) up.end();
    this.downPaused = false;
    this.down.resumeRead();
  }

  upFailed(): void {
    this.up = null;
    this.cluster!.noteFailure(this.host!, 'connectFailure');
    if (this.attempts < this.runtime.config.maxConnectAttempts) {
      this.tried ??= [];
      this.tried.push(this.host!);
      this.connect();
      return;
    }
    this.countCluster(S.UP_CX_CONNECT_ATTEMPTS_EXCEEDED);
    this.giveUp(FLAG_UF | FLAG_URX);
  }

  upData(buf: Buffer, start: number, end: number): void {
    this.lastActive = this.runtime.tools.clock.now;
    this.sent += end - start;
    this.count(S.TCP_DOWN_CX_TX_BYTES_TOTAL, end - start);
    if (!this.downOpen || this.down.write(buf, start, end)) return;
    this.countWaitingDown(this.down.pending);
    if (this.upPaused) return;
    this.upPaused = true;
    this.countCluster(S.UP_FLOW_PAUSED_READING);
    this.up!.pause();
  }

  upWritable(): void {
    this.lastActive = this.runtime.tools.clock.now;
    this.countWaitingUp(0);
    if (!this.downPaused) return;
    this.downPaused = false;
    this.count(S.TCP_DOWN_FLOW_RESUMED_READING, 1);
    if (this.downOpen) this.down.resumeRead();
  }

  upEnd(): void {
    this.lastActive = this.runtime.tools.clock.now;
    if (this.downOpen) this.down.shutdownWrite();
  }

  upClosed(broken: boolean): void {
    this.up = null;
    if (this.flushing) this.count(S.TCP_UPSTREAM_FLUSH_ACTIVE, -1);
    if (!this.downOpen) this.finish();
    else if (broken) this.down.reset();
    else this.down.closeLingering(LINGER_MS);
  }

  /** Looks whether the silence has lasted; bytes do not touch the wheel. */
  onTimer(): void {
    const { clock, timers } = this.runtime.tools;
    const left = this.lastActive + this.runtime.config.idleTimeoutMs - clock.now;
    if (left > 0) {
      timers.arm(this.timer, left);
      return;
    }
    this.count(S.TCP_IDLE_TIMEOUT, 1);
    if (this.up !== null && !this.downOpen) this.up.reset();
    if (this.downOpen) this.down.closeLingering(LINGER_MS);
  }

  // ---- inside ----

  private choose(way: readonly WeightedCluster[]): string {
    let total = 0;
    for (let i = 0; i < way.length; i++) total += way[i]!.weight;
    let left = this.runtime.tools.random.below(total);
    for (let i = 0; i < way.length; i++) {
      left -= way[i]!.weight;
      if (left < 0) return way[i]!.name;
    }
    return way[0]!.name;
  }

  private connect(): void {
    const cluster = this.cluster!;
    const host = this.pick(cluster);
    if (host === null) {
      this.countCluster(S.UP_CX_NONE_HEALTHY);
      this.giveUp(FLAG_UH);
      return;
    }
    const { proxyProtocol } = cluster.config;
    this.host = host;
    this.attempts++;
    this.up = TcpUp.open(cluster, host, this, proxyProtocol === null ? null : proxyHeader(proxyProtocol, this.down));
    if (this.up === null) this.giveUp(FLAG_UO);
  }

  private pick(cluster: Cluster): Host | null {
    const { record } = this.runtime.tools;
    record.clear();
    this.describe();
    if (cluster.config.type === 'originalDst') record.originalDestination = this.down.originalDestination;
    return cluster.pick(record, this.tried ?? []);
  }

  /** There is nobody to pass the caller on to. */
  private giveUp(flags: number): void {
    this.flags = flags;
    this.down.closeLingering(LINGER_MS);
  }

  /** The caller has gone: what it said last still goes out. */
  private flush(up: TcpUp): void {
    if (up.pending > 0) {
      this.flushing = true;
      this.count(S.TCP_UPSTREAM_FLUSH_TOTAL, 1);
      this.count(S.TCP_UPSTREAM_FLUSH_ACTIVE, 1);
    }
    up.close();
  }

  private finish(): void {
    const { tools, logs } = this.runtime;
    const { record, clock } = tools;
    tools.timers.disarm(this.timer);
    this.countWaitingDown(0);
    this.countWaitingUp(0);
    if (logs.length === 0) return;
    record.clear();
    this.describe();
    record.flags = this.flags;
    record.bytesReceived = this.received;
    record.bytesSent = this.sent;
    record.attempts = this.attempts;
    record.clusterName = this.cluster === null ? '' : this.cluster.name;
    record.upstreamHost = this.host === null ? '' : this.host.shown;
    record.upstreamHostname = this.host === null ? '' : this.host.hostname;
    record.upstreamConnectionId = this.upConnectionId;
    record.upstreamLocalAddress = this.upLocalAddress;
    record.endAt = clock.now;
    for (let i = 0; i < logs.length; i++) tools.logBatch.add(logs[i]!.path, logs[i]!.format(record), clock.now);
  }

  private describe(): void {
    const { record } = this.runtime.tools;
    const { down } = this;
    record.connectionId = down.id;
    record.remoteAddress = down.remoteAddress;
    record.trustedAddress = down.remoteAddress;
    record.remotePort = down.remotePort;
    record.localAddress = down.localAddress;
    record.localPort = down.localPort;
    record.serverName = serverNameOf(down);
    record.tls = down.tls;
    record.startAt = this.startAt;
    record.startWall = this.startWall;
  }

  private countWaitingUp(bytes: number): void {
    this.count(S.TCP_DOWN_CX_RX_BYTES_BUFFERED, bytes - this.waitingUp);
    this.waitingUp = bytes;
  }

  private countWaitingDown(bytes: number): void {
    this.count(S.TCP_DOWN_CX_TX_BYTES_BUFFERED, bytes - this.waitingDown);
    this.waitingDown = bytes;
  }

  private count(slot: number, by: number): void {
    this.runtime.tools.cells[this.runtime.stats + slot]! += by;
  }

  private countCluster(slot: number): void {
    const cluster = this.cluster!;
    cluster.tools.cells[cluster.stats + slot]!++;
  }
}

/** What the caller asked for in TLS, ended here or looked at; '' without. */
function serverNameOf(down: Caller): string {
  return down.tls?.serverName ?? down.facts?.serverName ?? '';
}
