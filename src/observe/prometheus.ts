// The stats in Prometheus' text form with Envoy's names and labels: what varies in a name (cluster, listener, status
// code) becomes a label, the rest the family. Primary thread.

import { BUCKET_BOUNDS, type HistogramFigures, type HistogramReader } from './quantiles.ts';
import type { StatsQuery } from './stats-pages.ts';
import { scopes, type StatsInput } from './stats-tree.ts';

interface Family {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: string[];
}

type Label = readonly [name: string, value: string];

const CODE = /^(.*_rq)_(\d{3})$/;
/** `grpc.SERVICE.METHOD.total`; services have dots in them, methods have none. */
const GRPC_METHOD = /^grpc\.(.+)\.([^.]+)\.([^.]+)$/;
const CODE_CLASS = /^(.*_rq)_(\d)xx$/;

export function prometheusText(input: StatsInput, query: StatsQuery, reader: HistogramReader): string {
  const families = new Map<string, Family>();
  const wanted = (name: string): boolean => query.matches === null || query.matches(name);
  for (const scope of scopes(input)) {
    for (const { name, kind, value, used } of scope.stats) {
      if ((!used && query.usedOnly) || !wanted(scope.prefix + name)) continue;
      const { family, labels } = tag(name, scope.labels);
      const full = metricName(scope.family + family);
      samplesOf(families, full, kind).push(`${full}{${labelText(labels)}} ${value}\n`);
    }
    for (const { name, histogram } of scope.histograms) {
      if (!wanted(scope.prefix + name)) continue;
      const figures = reader.load((into) => input.shared.addHistogram(histogram, into));
      if (figures.count === 0 && query.usedOnly) continue;
      const full = metricName(scope.family + name);
      samplesOf(families, full, 'histogram').push(histogramText(full, scope.labels, figures));
    }
  }
  return inOrder(families);
}

/** Envoy's order: counters, gauges, histograms, each by name. */
function inOrder(families: ReadonlyMap<string, Family>): string {
  const names = [...families.keys()].sort();
  let out = '';
  for (const type of ['counter', 'gauge', 'histogram']) {
    for (const name of names) {
      const family = families.get(name)!;
      if (family.type === type) out += `# TYPE ${name} ${type}\n${family.samples.join('')}`;
    }
  }
  return out;
}

function samplesOf(families: Map<string, Family>, name: string, type: Family['type']): string[] {
  let family = families.get(name);
  if (family === undefined) {
    family = { type, samples: [] };
    families.set(name, family);
  }
  return family.samples;
}

/** `upstream_rq_200` → `upstream_rq` with its code; `upstream_rq_2xx` → `upstream_rq_xx` with its class. */
function tag(name: string, labels: readonly Label[]): { family: string; labels: readonly Label[] } {
  const code = CODE.exec(name);
  if (code !== null) return { family: code[1]!, labels: [['envoy_response_code', code[2]!], ...labels] };
  const codeClass = CODE_CLASS.exec(name);
  if (codeClass !== null) return { family: `${codeClass[1]!}_xx`, labels: [['envoy_response_code_class', codeClass[2]!], ...labels] };
  const grpc = GRPC_METHOD.exec(name);
  if (grpc !== null) return { family: `grpc.${grpc[3]!}`, labels: [['envoy_grpc_bridge_method', grpc[2]!], ['envoy_grpc_bridge_service', grpc[1]!], ...labels] };
  return { family: name, labels };
}

function metricName(name: string): string {
  return `envoy_${name.replaceAll(/[^a-zA-Z0-9_]/g, '_')}`;
}

function labelText(labels: readonly Label[]): string {
  return labels.map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(',');
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function histogramText(name: string, labels: readonly Label[], { count, sum, buckets }: HistogramFigures): string {
  const inside = labelText(labels);
  const before = inside === '' ? '' : `${inside},`;
  let out = '';
  BUCKET_BOUNDS.forEach((bound, i) => {
    out += `${name}_bucket{${before}le="${bound}"} ${buckets[i]}\n`;
  });
  out += `${name}_bucket{${before}le="+Inf"} ${count}\n`;
  return `${out}${name}_sum{${inside}} ${sum}\n${name}_count{${inside}} ${count}\n`;
}
