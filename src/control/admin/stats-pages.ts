// /stats, /stats/prometheus and /reset_counters. The numbers and their forms are `observe`'s; here stand the pages and
// their parameters. Primary thread.

import type { Answer, CompileMatcher, Page, TextMatcher } from './page.ts';
import { JSON_TYPE, text } from './page.ts';

export interface StatsQuery {
  /** Only what has been written since the start. */
  readonly usedOnly: boolean;
  /** null: all names. */
  readonly matches: TextMatcher | null;
}

export interface StatsSource {
  text(query: StatsQuery): string;
  json(query: StatsQuery): string;
  prometheus(query: StatsQuery): string;
  resetCounters(): void;
}

const FILTERS: Page['params'] = [
  ['usedonly', 'Only include stats that have been written by system since restart'],
  ['filter', 'Regular expression (Google re2) for filtering stats'],
];

export function statsPages(stats: StatsSource, compile: CompileMatcher): Page[] {
  return [
    {
      path: '/stats',
      mutates: false,
      help: 'print server stats',
      params: [...FILTERS, ['format', 'Format to use; One of (text, json, prometheus)']],
      answer: (query) => render(stats, compile, query, query.get('format') ?? 'text'),
    },
    {
      path: '/stats/prometheus',
      mutates: false,
      help: 'print server stats in prometheus format',
      params: FILTERS,
      answer: (query) => render(stats, compile, query, 'prometheus'),
    },
    {
      path: '/reset_counters',
      mutates: true,
      help: 'reset all counters to zero',
      params: [],
      answer: () => {
        stats.resetCounters();
        return text('OK\n');
      },
    },
  ];
}

function render(stats: StatsSource, compile: CompileMatcher, query: URLSearchParams, format: string): Answer {
  let matches: TextMatcher | null = null;
  try {
    if (query.get('filter')) matches = compile(query.get('filter')!);
  } catch (error) {
    return text(`Invalid re2 regex: ${error instanceof Error ? error.message : ''}`, 400);
  }
  const wanted: StatsQuery = { usedOnly: query.has('usedonly'), matches };
  if (format === 'text' || format === '') return text(stats.text(wanted));
  if (format === 'json') return { status: 200, type: JSON_TYPE, body: stats.json(wanted) };
  if (format === 'prometheus') return text(stats.prometheus(wanted));
  return text('usage: /stats?format=(json|prometheus|text)\n\n', 400);
}
