// The stats as /stats shows them: Envoy's text and JSON forms, and Prometheus' (`prometheus.ts`). Primary thread.
// Envoy shows each percentile twice, for its last flush interval and since the start. There are no such intervals here,
// so the first is always `nan` (`null` in JSON), as it is in Envoy when nothing was recorded in the interval.

import { prometheusText } from './prometheus.ts';
import { HistogramReader, QUANTILES } from './quantiles.ts';
import { scopes, type StatsInput } from './stats-tree.ts';

export interface StatsQuery {
  /** Only what has been written since the start. */
  readonly usedOnly: boolean;
  /** null: all names. */
  readonly matches: ((name: string) => boolean) | null;
}

export class StatsPages {
  private readonly now: () => StatsInput;
  private readonly reader = new HistogramReader();
  /** What the primary's own counters stood at when they were last reset. */
  private ownBase: ReadonlyMap<string, number> = new Map();

  /** `now` gives the state of now. */
  constructor(now: () => StatsInput) {
    this.now = now;
  }

  /** Counters begin again at zero; gauges and histograms stay, and no name goes away. */
  resetCounters(): void {
    const { own, shared } = this.now();
    this.ownBase = new Map(own.filter(({ kind }) => kind === 'counter').map(({ name, value }) => [name, value]));
    shared.resetCounters();
  }

  text(query: StatsQuery): string {
    const { lines, histograms } = this.collect(query);
    let out = '';
    for (const [name, value] of lines) out += `${name}: ${value}\n`;
    for (const [name, values] of histograms) {
      const shown = values === null ? ' No recorded values' : QUANTILES.map((q, i) => ` P${q}(nan,${values[i]})`).join('');
      out += `${name}:${shown}\n`;
    }
    return out;
  }

  json(query: StatsQuery): string {
    const { lines, histograms } = this.collect(query);
    const stats: unknown[] = lines.map(([name, value]) => ({ name, value }));
    if (histograms.length > 0) {
      const computed = histograms.map(([name, values]) => ({
        name,
        values: QUANTILES.map((_, i) => ({ cumulative: values === null ? null : values[i], interval: null })),
      }));
      stats.push({ histograms: { supported_quantiles: QUANTILES, computed_quantiles: computed } });
    }
    return JSON.stringify({ stats });
  }

  prometheus(query: StatsQuery): string {
    return prometheusText(this.read(), query, this.reader);
  }

  private read(): StatsInput {
    const input = this.now();
    const own = input.own.map((stat) => {
      const base = this.ownBase.get(stat.name) ?? 0;
      return base === 0 ? stat : { ...stat, value: stat.value - base, used: true };
    });
    return { ...input, own };
  }

  private collect(query: StatsQuery): { lines: [name: string, value: number][]; histograms: [name: string, values: number[] | null][] } {
    const input = this.read();
    const lines: [string, number][] = [];
    const histograms: [string, number[] | null][] = [];
    const wanted = (name: string): boolean => query.matches === null || query.matches(name);
    for (const scope of scopes(input)) {
      for (const { name, value, used } of scope.stats) {
        if ((used || !query.usedOnly) && wanted(scope.prefix + name)) lines.push([scope.prefix + name, value]);
      }
      for (const { name, histogram } of scope.histograms) {
        if (!wanted(scope.prefix + name)) continue;
        const { count } = this.reader.load((into) => input.shared.addHistogram(histogram, into));
        if (count > 0) histograms.push([scope.prefix + name, this.reader.quantiles()]);
        else if (!query.usedOnly) histograms.push([scope.prefix + name, null]);
      }
    }
    return { lines, histograms };
  }
}
