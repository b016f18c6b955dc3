// The figures as tables: one per case in Markdown, readable as it is. Medians over the rounds; ratios to the reference
// are taken round by round, then shown as minimum, median and maximum.

import { REFERENCE } from './contenders.ts';
import type { IdleResult, IdleRound } from './idle.ts';
import type { Machine } from './machine.ts';
import type { CaseResult, Round } from './rounds.ts';
import { median, spread } from './statistics.ts';

type Cell = string;

function table(head: readonly Cell[], rows: readonly (readonly Cell[])[]): string {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly Cell[]): string =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

const milliseconds = (us: number): Cell => (us / 1000).toFixed(us < 10_000 ? 2 : 1);
const whole = (value: number): Cell => Math.round(value).toLocaleString('en-US');

function known(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null);
}

/** Round by round against the reference's same round. */
function ratios(rounds: readonly Round[], reference: readonly Round[], of: (round: Round) => number | null): Cell {
  const pairs = rounds.map((round, i) => {
    const other = reference[i];
    const [mine, theirs] = [of(round), other === undefined ? null : of(other)];
    return mine === null || theirs === null || theirs === 0 ? null : mine / theirs;
  });
  const found = spread(known(pairs));
  if (found === null) return '–';
  return `${found.min.toFixed(2)} **${found.median.toFixed(2)}** ${found.max.toFixed(2)}`;
}

function cpuCell(rounds: readonly Round[]): Cell {
  const total = known(rounds.map((round) => round.cpuUsPerRequest));
  if (total.length === 0) return '–';
  const share = known(rounds.map((round) => round.systemShare));
  const [all, system] = [median(total), share.length === 0 ? 0 : median(share)];
  const digits = all < 100 ? 1 : 0;
  return `${all.toFixed(digits)} (${(all * (1 - system)).toFixed(digits)}+${(all * system).toFixed(digits)})`;
}

function caseRow(name: string, rounds: readonly Round[], reference: readonly Round[] | undefined): Cell[] {
  const middle = (of: (round: Round) => number): number => median(rounds.map(of));
  const peaks = known(rounds.map((round) => round.peakBytes));
  const compared = reference !== undefined && name !== REFERENCE;
  return [
    name,
    whole(middle((round) => round.requestsPerSecond)),
    cpuCell(rounds),
    milliseconds(middle((round) => round.p50Us)),
    milliseconds(middle((round) => round.p99Us)),
    milliseconds(middle((round) => round.p999Us)),
    peaks.length === 0 ? '–' : (Math.max(...peaks) / 2 ** 20).toFixed(0),
    compared ? ratios(rounds, reference, (round) => round.requestsPerSecond) : '–',
    compared ? ratios(rounds, reference, (round) => round.cpuUsPerRequest) : '–',
    whole(rounds.reduce((sum, round) => sum + round.errors, 0)),
  ];
}

const CASE_HEAD = [
  'proxy', 'requests/s', 'CPU µs/request (user+system)', 'p50 ms', 'p99 ms', 'p99.9 ms', 'peak MiB',
  `requests/s to ${REFERENCE}`, `CPU to ${REFERENCE}`, 'errors',
];

/** One line for each reason, with all who have it. */
export function failureLines(failures: Readonly<Record<string, string>>): string {
  const byReason = new Map<string, string[]>();
  for (const [name, text] of Object.entries(failures)) {
    const reason = text.split('\n', 1)[0] ?? '';
    byReason.set(reason, [...byReason.get(reason) ?? [], name]);
  }
  return [...byReason].map(([reason, names]) => `\n- Without figures: ${names.join(', ')} (${reason})`).join('');
}

export function caseReport(result: CaseResult): string {
  const reference = result.rounds[REFERENCE];
  const measured = Object.entries(result.rounds).filter(([, rounds]) => rounds.length > 0);
  const rows = measured.map(([name, rounds]) => caseRow(name, rounds, reference));
  return `### ${result.name}: ${result.title}; load by ${result.load}\n\n${rows.length === 0 ? '' : `${table(CASE_HEAD, rows)}\n`}${failureLines(result.failures)}`;
}

/** Medians over the rounds: bytes of one connection. */
function idleMedian(rounds: readonly IdleRound[]): number {
  return median(rounds.map((round) => round.bytesPerConnection));
}

export function idleReport(result: IdleResult): string {
  const reference = result.rounds[REFERENCE];
  const rows = Object.entries(result.rounds).map(([name, rounds]) => {
    const bytes = spread(rounds.map((round) => round.bytesPerConnection));
    const base = median(rounds.map((round) => round.baseBytes)) / 2 ** 20;
    const cells = bytes === null ? ['–', '–', '–'] : [bytes.min, bytes.median, bytes.max].map(whole);
    const compared = reference !== undefined && name !== REFERENCE;
    return [name, ...cells, compared ? (idleMedian(rounds) / idleMedian(reference)).toFixed(2) : '–', base.toFixed(0)];
  });
  const head = ['proxy', 'bytes/connection, min', 'median', 'max', `median to ${REFERENCE}`, 'MiB before'];
  const title = `### ${result.name}: ${whole(result.connections)} ${result.title}`;
  return `${title}\n\n${table(head, rows)}\n${failureLines(result.failures)}`;
}

export function machineReport(machine: Machine): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`).join(', ');
  return [
    `${machine.cpu}, ${machine.cpuCount} CPUs, ${(machine.memoryBytes / 2 ** 30).toFixed(0)} GiB, ${machine.system}, `
      + `Node ${machine.node}${machine.commit === null ? '' : `, commit ${machine.commit}`}.`,
    `Measured: ${versions}.`,
  ].join('\n');
}
