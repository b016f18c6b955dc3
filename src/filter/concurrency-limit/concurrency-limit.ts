// @hot
// So many requests at one time, over all workers; the others are refused at once. Worker thread; one per stream. Envoy has
// it as an adaptive limit only; status and words are the same as there. What a worker holds comes back when it dies.

import type { ConcurrencyLimitConfig } from '../../config/limit-snapshot.ts';
import type { Stream } from '../../core/stream.ts';
import { CONCURRENCY_ACTIVE, CONCURRENCY_BLOCKED } from '../../observe/limit-stats.ts';
import { RES_RQ } from '../../shared/breaker-table.ts';
import type { LimitPlan } from '../../shared/plan.ts';
import { CONTINUE, Filter, REPLIED, type FilterReply, type FilterSeat, type FilterTools, type Step } from '../filter.ts';

export function concurrencyRefusal(status: number): FilterReply {
  return { status, flags: 0, details: 'reached_concurrency_limit', body: 'reached concurrency limit', overloaded: false, headers: [] };
}

/** One for all streams. */
export class Places {
  readonly place: LimitPlan;
  readonly tools: FilterTools;
  readonly refusal: FilterReply;

  constructor({ key, status }: Pick<ConcurrencyLimitConfig, 'key' | 'status'>, tools: FilterTools) {
    this.place = tools.limits[key]!;
    this.tools = tools;
    this.refusal = concurrencyRefusal(status);
  }
}

export class ConcurrencyLimit extends Filter {
  private readonly places: Places;
  private holds = false;

  constructor(places: Places) {
    super();
    this.places = places;
  }

  override onRequest(_stream: Stream, seat: FilterSeat): Step {
    const { place, tools, refusal } = this.places;
    if (tools.breakers.tryAcquire(place.breakers, RES_RQ)) {
      this.holds = true;
      tools.cells[place.stats + CONCURRENCY_ACTIVE]!++;
      return CONTINUE;
    }
    tools.cells[place.stats + CONCURRENCY_BLOCKED]!++;
    seat.reply(refusal);
    return REPLIED;
  }

  override onEnd(): void {
    if (!this.holds) return;
    const { place, tools } = this.places;
    this.holds = false;
    tools.breakers.release(place.breakers, RES_RQ);
    tools.cells[place.stats + CONCURRENCY_ACTIVE]!--;
  }
}
