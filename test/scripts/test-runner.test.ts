// The runner behind `npm test` believes nobody: a file that fails, crashes, hangs, is silent or leaves children behind.

import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const project = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const script = join(project, 'scripts', 'test.mjs');
const TAP = `import t from '${import.meta.resolve('tap')}';\n`;

interface Outcome {
  readonly status: number | null;
  readonly lines: readonly string[];
  readonly last: string;
}

function run(dir: string, ...args: readonly string[]): Outcome {
  const { status, stdout } = spawnSync(process.execPath, [script, '--dir', dir, ...args], { encoding: 'utf8', timeout: 30_000 });
  const lines = stdout.trimEnd().split('\n');
  return { status, lines, last: lines.at(-1) ?? '' };
}

t.test('files that pass', async (t) => {
  const dir = t.testdir({
    a: { 'one.test.js': `${TAP}t.test('x', async (t) => { t.ok(1); t.equal(2, 2); });` },
    'two.test.js': `${TAP}t.ok(1); t.test('later', { skip: true }, async () => {});`,
    'support.js': 'process.exit(1);',
  });
  const { status, last } = run(dir);
  t.equal(status, 0);
  t.equal(last, '3 passed, 0 failed, 1 skipped');
  t.equal(run(dir, 'a/').last, '2 passed, 0 failed', 'a part of the path chooses');
});

t.test('files that do not', async (t) => {
  const dir = t.testdir({
    'assertion.test.js': `${TAP}t.ok(1); t.equal(1, 2, 'one is two');`,
    'crash.test.js': `${TAP}t.ok(1); process.abort();`,
    'exit.test.js': `${TAP}t.ok(1); process.on('exit', () => { process.exitCode = 3; });`,
    'nothing.test.js': TAP,
    'silent.test.js': '',
    'throw.test.js': `${TAP}t.ok(1); throw new Error('away');`,
  });
  const { status, lines, last } = run(dir);
  t.equal(status, 1);
  const verdict = (name: string): string => lines.find((line) => line.includes(`${name}.test`)) ?? '';
  for (const name of ['assertion', 'crash', 'exit', 'nothing', 'silent', 'throw']) {
    t.match(verdict(name), /^NOT OK/, name);
  }
  t.match(verdict('exit'), /exit code 3/);
  t.match(verdict('crash'), /ended by SIGABRT/);
  t.ok(lines.some((line) => line.includes('not ok') && line.includes('one is two')), 'says what failed');
  t.match(last, /^\d+ passed, 6 failed$/);
});

t.test('a file that hangs is ended', async (t) => {
  const { lines, last } = run(t.testdir({ 'hang.test.js': `${TAP}for (;;);` }), '--timeout', '1');
  t.match(lines[0], /^NOT OK.*ended by SIGKILL/);
  t.equal(last, '0 passed, 1 failed');
});

t.test('nothing to run is a failure', async (t) => {
  const { status, last } = run(t.testdir({ 'x.js': '' }));
  t.equal(status, 1);
  t.equal(last, '0 passed, 0 failed');
});

t.test('children of a test end with it', async (t) => {
  const dir = t.testdir({
    'parent.test.js': `${TAP}import { spawn } from 'node:child_process';
      spawn(process.execPath, ['-e', 'setInterval(String, 1000)'], { stdio: 'inherit' }).unref();
      t.ok(1);`,
  });
  // the child holds the pipes: were it alive, the runner would wait for their end until the time-out
  t.equal(run(dir).last, '1 passed, 0 failed');
});
