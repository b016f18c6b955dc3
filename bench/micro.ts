// `npm run bench:micro`: runs every script of bench/micro/ in processes of their own, several times over, since one
// process's luck with the compiler is not a measurement, and prints median and spread of each figure.
//   npm run bench:micro -- [--runs N] [part of a path …]

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { spread } from './wire/statistics.ts';

const dir = join(import.meta.dirname, 'micro');
const FIGURE = /^(.+): ([\d.]+) ns$/gm;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '5' } },
});

const scripts = readdirSync(dir, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.js'))
  .filter((name) => positionals.length === 0 || positionals.some((part) => name.includes(part)))
  .sort();

/** Adds the figures of one process to those of the earlier ones. */
function run(script: string, figures: Map<string, number[]>): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(dir, script)], { encoding: 'utf8' });
  if (status !== 0) {
    console.error(`${script} failed: ${stderr.trim()}`);
    process.exitCode = 1;
    return;
  }
  for (const [, name = '', value] of stdout.matchAll(FIGURE)) {
    const known = figures.get(name) ?? [];
    figures.set(name, [...known, Number(value)]);
  }
}

if (scripts.length === 0) console.log('No micro-benchmarks found.');
for (const script of scripts) {
  const figures = new Map<string, number[]>();
  for (let i = 0; i < Number(values.runs); i++) run(script, figures);
  console.log(script.slice(0, -'.js'.length));
  for (const [name, all] of figures) {
    const found = spread(all);
    if (found === null) continue;
    console.log(`  ${name.padEnd(60)} ${found.median.toFixed(1).padStart(9)} ns   (${found.min.toFixed(1)} – ${found.max.toFixed(1)})`);
  }
}
