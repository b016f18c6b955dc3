// @hot
// Refuses part of the requests while too many fail, so that what fails is not pressed further (Envoy's admission_control
// filter, its formula): with n requests in the window of which s went well, p = ((n - s / rate) / (n + 1)) ^ (1 / aggression).
// Counted over all workers. Worker thread; one per stream. What it refuses itself does not count.

import type { AdmissionControlConfig } from '../../config/limit-snapshot.ts';
import type { StatusRange } from '../../config/snapshot.ts';
import type { Stream } from '../../core/stream.ts';
import { ADMISSION_FAILURE, ADMISSION_REJECTED, ADMISSION_SUCCESS } from '../../observe/limit-stats.ts';
import { RollingWindow } from '../../shared/rolling-window.ts';
import { CONTINUE, Filter, REPLIED, type FilterReply, type FilterSeat, type FilterTools, type Step } from '../filter.ts';

const REFUSAL: FilterReply = { status: 503, flags: 0, details: 'denied_by_admission_control', body: '', overloaded: false, headers: [] };
/** Envoy draws with four digits. */
const ACCURACY = 10_000;

/** One for all streams. */
export class Admission {
  private readonly config: AdmissionControlConfig;
  private readonly tools: FilterTools;
  private readonly stats: number;
  private readonly window: RollingWindow;
  private readonly successRate: number;
  private readonly ranges: readonly StatusRange[];
  private readonly grpcStatuses: readonly number[];

  constructor(config: AdmissionControlConfig, tools: FilterTools) {
    const place = tools.limits[config.key]!;
    this.config = config;
    this.tools = tools;
    this.stats = place.stats;
    this.window = new RollingWindow(tools.limitWords, place.words, config.windowMs / 1000);
    this.successRate = config.successRatePercent / 100;
    this.ranges = config.successStatuses;
    this.grpcStatuses = config.successGrpcStatuses;
  }

  refuses(): boolean {
    const { cells, clock, random } = this.tools;
    const probability = this.probability(clock.now);
    if (probability <= 0 || probability * ACCURACY <= random.below(ACCURACY)) return false;
    cells[this.stats + ADMISSION_REJECTED]!++;
    return true;
  }

  probability(now: number): number {
    const { window, config } = this;
    window.look(now);
    const { requests, successes } = window;
    if (requests / (config.windowMs / 1000) < config.rpsThreshold) return 0;
    const excess = (requests - successes / this.successRate) / (requests + 1);
    if (excess <= 0) return 0;
    return Math.min(config.aggression === 1 ? excess : Math.pow(excess, 1 / config.aggression), config.maxRejectionPercent / 100);
  }

  count(success: boolean): void {
    const { cells, clock } = this.tools;
    this.window.count(clock.now, success);
    cells[this.stats + (success ? ADMISSION_SUCCESS : ADMISSION_FAILURE)]!++;
  }

  isSuccess(stream: Stream): boolean {
    if (stream.isGrpc) return this.grpcStatuses.includes(stream.grpcStatus);
    const { ranges } = this;
    for (let i = 0; i < ranges.length; i++) if (stream.status >= ranges[i]!.min && stream.status <= ranges[i]!.max) return true;
    return false;
  }
}

export class AdmissionControl extends Filter {
  private readonly admission: Admission;
  private admitted = false;

  constructor(admission: Admission) {
    super();
    this.admission = admission;
  }

  override onRequest(_stream: Stream, seat: FilterSeat): Step {
    if (this.admission.refuses()) {
      seat.reply(REFUSAL);
      return REPLIED;
    }
    this.admitted = true;
    return CONTINUE;
  }

  /** A stream that is broken off has failed, as in Envoy. */
  override onEnd(stream: Stream, complete: boolean): void {
    if (this.admitted) this.admission.count(complete && this.admission.isSuccess(stream));
  }
}
