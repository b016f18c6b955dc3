// Runs the tests: every build/test/**/*.test.js in a plain Node process of its own (no loaders, no coverage, so that
// worker threads and children start as they do in service), a few at a time, and adds up tap's own summaries.
//   node scripts/test.mjs [--jobs N] [--timeout SECONDS] [--dir build/test] [part of a path …]
// The last line is `N passed, N failed`, counting assertions. A file that crashes, hangs, leaves with an error or
// asserts nothing counts as one failure more. Exit code 1 on any failure, and when there was nothing to run.

import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    jobs: { type: 'string', default: '2' },
    timeout: { type: 'string', default: '120' },
    dir: { type: 'string', default: join(root, 'build', 'test') },
  },
});
const timeoutMs = Number(values.timeout) * 1000;
const SUMMARY = /^# \{ (total: \d+[^}]*) \}$/gm;
const OK_LINE = /^\s*ok \d+ - /;
/** Ends a subtest; what went wrong in it stands above. */
const SUBTEST_END = /^\s*not ok \d+ - .* # time=/;

function testFiles() {
  if (!existsSync(values.dir)) return [];
  const all = readdirSync(values.dir, { recursive: true }).filter((name) => name.endsWith('.test.js'));
  const chosen = all.filter((name) => positionals.length === 0 || positionals.some((part) => name.includes(part)));
  // The tests over real sockets take longest; started first, they do not run alone at the end.
  const rank = (name) => (name.startsWith('wire') ? 0 : 1);
  return chosen.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** Numbers of tap's last summary line, or null where the file printed none. */
function countsOf(output) {
  const last = [...output.matchAll(SUMMARY)].at(-1);
  if (last === undefined) return null;
  const counts = { total: 0, pass: 0, fail: 0, skip: 0, todo: 0 };
  for (const part of last[1].split(', ')) {
    const [name, value] = part.split(': ');
    counts[name] = Number(value);
  }
  return counts;
}

/** Process groups under way: a test's children must not outlive it, nor this run. */
const groups = new Set();
function endGroup(pid) {
  groups.delete(pid);
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // nobody left
  }
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    for (const pid of groups) endGroup(pid);
    process.exit(1);
  });
}

function runFile(name) {
  const path = join(values.dir, name);
  const env = { ...process.env, TAP: '1', TAP_TIMEOUT: String(timeoutMs / 1000) };
  for (const name of Object.keys(env)) if (name.startsWith('TAP_CHILD') || name.startsWith('_TAPJS')) delete env[name];
  const started = Date.now();
  const child = spawn(process.execPath, ['--enable-source-maps', path], {
    cwd: root, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (child.pid !== undefined) groups.add(child.pid);
  const chunks = [];
  child.stdout.on('data', (chunk) => chunks.push(chunk));
  child.stderr.on('data', (chunk) => chunks.push(chunk));
  return new Promise((resolve) => {
    // tap ends a late test itself; this is for one that cannot
    const deadline = setTimeout(() => endGroup(child.pid), timeoutMs + Math.min(timeoutMs, 5000));
    child.on('error', (error) => chunks.push(Buffer.from(`${error.message}\n`)));
    // descendants may hold the pipes open: end them as soon as the test itself is gone
    child.on('exit', () => endGroup(child.pid));
    child.on('close', (code, signal) => {
      clearTimeout(deadline);
      const output = Buffer.concat(chunks).toString();
      resolve(verdict({ name, code, signal, output, elapsedMs: Date.now() - started }));
    });
  });
}

function verdict(run) {
  const counts = countsOf(run.output);
  const reasons = [];
  if (counts === null) reasons.push('ended without a summary');
  else if (counts.total === 0) reasons.push('asserted nothing');
  if (run.signal !== null) reasons.push(`ended by ${run.signal} after ${run.elapsedMs} ms`);
  else if (run.code !== 0 && !counts?.fail) reasons.push(`exit code ${run.code}`);
  return { ...run, reasons, counts: counts ?? { total: 0, pass: 0, fail: 0, skip: 0, todo: 0 } };
}

/** A failing file's output without what went well and without the diagnostics that only repeat where a subtest stands. */
function essence(output) {
  const lines = [];
  let skipping = false;
  let afterSubtest = false;
  for (const line of output.split('\n')) {
    const text = line.trim();
    if (afterSubtest && text === '---') skipping = true;
    else if (skipping && text === '...') skipping = false;
    else if (!skipping && text !== '' && !OK_LINE.test(line)) lines.push(`        ${line}`);
    afterSubtest = SUBTEST_END.test(line);
  }
  return lines.join('\n');
}

function print(result) {
  const { name, counts, reasons, elapsedMs, output } = result;
  const skipped = counts.skip + counts.todo > 0 ? `, ${counts.skip + counts.todo} skipped` : '';
  const title = `${name.slice(0, -'.js'.length)} (${counts.pass} passed${skipped}, ${elapsedMs} ms)`;
  if (counts.fail === 0 && reasons.length === 0) {
    console.log(`ok      ${title}`);
    return;
  }
  console.log(`NOT OK  ${title}${reasons.length > 0 ? `: ${reasons.join('; ')}` : ''}`);
  console.log(essence(output));
}

const queue = testFiles();
const results = [];
async function work() {
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    const result = await runFile(name);
    results.push(result);
    print(result);
  }
}
await Promise.all(Array.from({ length: Math.max(1, Number(values.jobs)) }, work));

const sum = { total: 0, pass: 0, fail: 0, skip: 0, todo: 0 };
for (const { counts, reasons } of results) {
  for (const key of Object.keys(sum)) sum[key] += counts[key];
  if (reasons.length > 0) sum.fail += 1;
}
const failing = results.filter(({ counts, reasons }) => counts.fail > 0 || reasons.length > 0);
if (results.length === 0) console.log('No test files found.');
if (failing.length > 0) console.log(`\nFailing files:\n${failing.map(({ name }) => `  ${name}`).join('\n')}`);
const skipped = sum.skip + sum.todo;
console.log(`\n# ${results.length} files { total: ${sum.total}, pass: ${sum.pass}, fail: ${sum.fail}, skip: ${skipped} }`);
console.log(`${sum.pass} passed, ${sum.fail} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = sum.fail > 0 || sum.pass === 0 ? 1 : 0;
