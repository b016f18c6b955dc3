// `npm run bench`: Nuncio on each engine beside every rival that this machine has, over real sockets, one CPU for the
// load and the upstream, another for the proxy under test. Prints a table per case and keeps all in bench/results/.
//   npm run bench -- [--quick] [--case NAME,…] [--proxies NAME,…] [--rounds N] [--seconds S]

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CASES, IDLE_CASES, caseNamed } from './wire/cases.ts';
import { writeCertificate } from './wire/certificate.ts';
import { canPin } from './wire/child.ts';
import { CONTENDERS } from './wire/contenders.ts';
import type { Contender } from './wire/contenders.ts';
import { runIdle } from './wire/idle.ts';
import type { IdleResult } from './wire/idle.ts';
import { allowedCpus, describeMachine } from './wire/machine.ts';
import { caseReport, idleReport, machineReport } from './wire/report.ts';
import { runCase } from './wire/rounds.ts';
import type { Bench, CaseResult } from './wire/rounds.ts';
import { Upstreams } from './wire/upstream.ts';

const FULL = { rounds: 5, seconds: 3, warmUpSeconds: 2 };
const QUICK = { rounds: 5, seconds: 1, warmUpSeconds: 1 };
const BUSY_LOAD = 0.5;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    case: { type: 'string' },
    proxies: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
  },
});

/** The names asked for, or all; a name that nobody has ends the run. */
function chosen(asked: string | undefined, all: readonly string[]): string[] {
  if (asked === undefined) return [...all];
  const names = asked.split(',').map((name) => name.trim());
  const unknown = names.filter((name) => !all.includes(name));
  if (unknown.length > 0) {
    console.error(`Unknown: ${unknown.join(', ')}. There is: ${all.join(', ')}`);
    process.exit(2);
  }
  return names;
}

function present(names: readonly string[]): Contender[] {
  const contenders = CONTENDERS.filter((contender) => names.includes(contender.name));
  const missing = contenders.filter((contender) => contender.version() === null).map((contender) => contender.name);
  if (missing.length > 0) console.log(`Not on this machine: ${missing.join(', ')}.`);
  return contenders.filter((contender) => !missing.includes(contender.name));
}

/** The CPU of the load and the one of the proxy under test. */
function chooseCpus(): { loadCpu: number | null; proxyCpu: number | null } {
  const [first, second] = allowedCpus();
  if (!canPin || first === undefined) {
    console.log('No taskset here: the system decides who runs on which CPU, so the figures will vary more.');
    return { loadCpu: null, proxyCpu: null };
  }
  if (second === undefined) console.log('One CPU only: load, upstream and proxy share it, so compare ratios alone.');
  return { loadCpu: first, proxyCpu: second ?? first };
}

function note(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

const cases = chosen(values.case, [...CASES, ...IDLE_CASES].map((one) => one.name));
const contenders = present(chosen(values.proxies, CONTENDERS.map((contender) => contender.name)));
if (contenders.length === 0) {
  console.error('Nothing to measure.');
  process.exit(1);
}
const defaults = values.quick ? QUICK : FULL;
const dir = mkdtempSync(join(tmpdir(), 'nuncio-bench-'));
process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
const bench: Bench = {
  dir,
  certificate: writeCertificate(dir),
  ...chooseCpus(),
  rounds: Number(values.rounds ?? defaults.rounds),
  seconds: Number(values.seconds ?? defaults.seconds),
  warmUpSeconds: defaults.warmUpSeconds,
  note,
};
const machine = describeMachine(contenders);
const upstreams = new Upstreams(dir, bench.loadCpu);
const startedAt = new Date().toISOString();
const pages = [
  `# Wire benchmark of ${startedAt}`,
  machineReport(machine),
  `${bench.rounds} rounds of ${bench.seconds} s each, alternated; load and upstream (${upstreams.description}) on CPU `
    + `${bench.loadCpu ?? 'any'}, the proxy on CPU ${bench.proxyCpu ?? 'any'}. Medians; ratios are minimum, **median**, `
    + 'maximum over the rounds.',
];
if (machine.loadAverage > BUSY_LOAD) {
  pages.push(`The machine was not idle before the run (load average ${machine.loadAverage.toFixed(2)}).`);
}
console.log(`${pages.join('\n\n')}\n`);

const results: CaseResult[] = [];
const idleResults: IdleResult[] = [];
function show(page: string): void {
  note('');
  console.log(`${page}\n`);
  pages.push(page);
}
for (const wire of CASES) {
  if (!cases.includes(wire.name)) continue;
  const result = await runCase(wire, contenders, await upstreams.portFor(wire), bench);
  results.push(result);
  show(caseReport(result));
}
for (const idle of IDLE_CASES) {
  if (!cases.includes(idle.name)) continue;
  const result = await runIdle(idle, contenders, await upstreams.portFor(caseNamed(idle.busy)), bench);
  idleResults.push(result);
  show(idleReport(result));
}

const { rounds, seconds, loadCpu, proxyCpu } = bench;
const kept = {
  startedAt, machine, upstream: upstreams.description, rounds, seconds, loadCpu, proxyCpu, cases: results, idle: idleResults,
};
mkdirSync(join('bench', 'results'), { recursive: true });
const file = join('bench', 'results', startedAt.replaceAll(':', '-').slice(0, 19));
writeFileSync(`${file}.json`, `${JSON.stringify(kept, null, 1)}\n`);
writeFileSync(`${file}.md`, `${pages.join('\n\n')}\n`);
console.log(`Kept in ${file}.json and ${file}.md`);
await upstreams.stop();
