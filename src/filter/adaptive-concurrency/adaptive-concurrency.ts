// @hot
// So many requests at one time as the upstream answers without delay (Envoy's adaptive_concurrency filter); `gradient.ts`
// finds out how many. Worker thread; one per stream.

import type { AdaptiveConcurrencyConfig } from '../../config/limit-snapshot.ts';
import type { Stream } from '../../core/stream.ts';
import { ADAPTIVE_BLOCKED } from '../../observe/limit-stats.ts';
import { GradientState } from '../../shared/gradient-state.ts';
import { concurrencyRefusal } from '../concurrency-limit/concurrency-limit.ts';
import { CONTINUE, Filter, REPLIED, type FilterReply, type FilterSeat, type FilterTools, type Step } from '../filter.ts';
import { Gradient } from './gradient.ts';

/** One for all streams. */
export class Adaptation {
  readonly gradient: Gradient;
  readonly tools: FilterTools;
  readonly stats: number;
  readonly refusal: FilterReply;

  constructor(config: AdaptiveConcurrencyConfig, tools: FilterTools) {
    const { stats, words, breakers: row } = tools.limits[config.key]!;
    const { breakers, random } = tools;
    this.gradient = new Gradient(config, { state: new GradientState(tools.limitWords, words), breakers, row, random });
    this.tools = tools;
    this.stats = stats;
    this.refusal = concurrencyRefusal(config.status);
  }
}

export class AdaptiveConcurrency extends Filter {
  private readonly adaptation: Adaptation;
  private admitted = false;
  private since = 0;

  constructor(adaptation: Adaptation) {
    super();
    this.adaptation = adaptation;
  }

  override onRequest(_stream: Stream, seat: FilterSeat): Step {
    const { gradient, tools, stats, refusal } = this.adaptation;
    this.since = tools.clock.now;
    this.admitted = gradient.admits(this.since);
    if (this.admitted) return CONTINUE;
    tools.cells[stats + ADAPTIVE_BLOCKED]!++;
    seat.reply(refusal);
    return REPLIED;
  }

  override onEnd(_stream: Stream, complete: boolean): void {
    if (!this.admitted) return;
    const { now } = this.adaptation.tools.clock;
    this.admitted = false;
    this.adaptation.gradient.ended(now, complete ? now - this.since : -1);
  }
}
