import { execFile, execFileSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, readFileSync, readSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { AccessLogFiles } from '../../src/control/access-log-files.ts';
import { systemTimers, type Timers } from '../../src/core/host-timer.ts';
import { LogProbe } from '../support/log-probe.ts';

function setUp(test: { teardown(after: () => unknown): unknown }, maxQueuedBytes?: number) {
  const dir = mkdtempSync(join(tmpdir(), 'nuncio-log-'));
  test.teardown(() => rmSync(dir, { recursive: true }));
  const log = new LogProbe();
  return { dir, path: join(dir, 'access.log'), log, files: new AccessLogFiles(log.logger, systemTimers, maxQueuedBytes) };
}

t.test('batches are appended in order, behind what the file holds already', async (t) => {
  const { files, path } = setUp(t);
  writeFileSync(path, 'old\n');
  t.same(await files.prepare([path, path]), []);
  const lines = Array.from({ length: 2000 }, (_, i) => `line ${i}\n`);
  for (const line of lines) files.append(path, Buffer.from(line));
  await files.close(5000);
  t.equal(readFileSync(path, 'utf8'), `old\n${lines.join('')}`);
  t.match(files.stats, { write_buffered: 2000, write_failed: 0, write_dropped: 0, write_total_buffered: 0 });
  t.ok(files.stats.write_completed < 2000, 'many batches share one write');
});

t.test('a file that cannot be opened is an error before anything is published', async (t) => {
  const { files, dir } = setUp(t);
  const errors = await files.prepare([join(dir, 'no', 'a.log'), dir]);
  t.equal(errors.length, 2);
  t.match(errors[0], /^access log .*no\/a\.log cannot be opened: ENOENT/);
  t.match(errors[1], /EISDIR/);
});

t.test('reopen: lines from before go to the rotated file, lines from after to the new one', async (t) => {
  const { files, path } = setUp(t);
  files.append(path, Buffer.from('before\n'));
  await files.prepare([path]);
  renameSync(path, `${path}.1`);
  await files.reopen();
  files.append(path, Buffer.from('after\n'));
  await files.close(5000);
  t.equal(readFileSync(`${path}.1`, 'utf8'), 'before\n');
  t.equal(readFileSync(path, 'utf8'), 'after\n');
});

t.test('a failed reopen is counted and goes on with the old file', async (t) => {
  const { files, dir, log } = setUp(t);
  const sub = join(dir, 'sub');
  mkdirSync(sub);
  await files.prepare([join(sub, 'a.log')]);
  renameSync(sub, join(dir, 'moved'));
  await files.reopen();
  t.equal(files.stats.reopen_failed, 1);
  t.ok(log.has(/cannot be reopened: ENOENT/));
  files.append(join(sub, 'a.log'), Buffer.from('still here\n'));
  await files.close(5000);
  t.equal(readFileSync(join(dir, 'moved', 'a.log'), 'utf8'), 'still here\n');
});

t.test('what does not fit into the queue is dropped, counted by the line, and said once', async (t) => {
  const { files, path, log } = setUp(t, 30);
  for (let i = 0; i < 5; i++) files.append(path, Buffer.from('ten bytes\nten more!\n'));
  await files.close(5000);
  t.equal(readFileSync(path, 'utf8'), 'ten bytes\nten more!\n');
  t.equal(files.stats.write_dropped, 8);
  t.equal(log.lines.length, 1);
});

t.test('a write that fails costs its lines and nothing else', { skip: process.platform !== 'linux' }, async (t) => {
  const { files, log } = setUp(t);
  files.append('/dev/full', Buffer.from('x\n'));
  await files.close(5000);
  t.match(files.stats, { write_failed: 1, write_dropped: 1, write_total_buffered: 0 });
  t.ok(log.has(/ENOSPC/));
});

t.test('a pipe whose reader is slow loses nothing and blocks nobody', { skip: process.platform !== 'linux' }, async (t) => {
  const { files, dir } = setUp(t);
  const pipe = join(dir, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const reader = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  t.teardown(() => closeSync(reader));
  t.same(await files.prepare([pipe]), []);
  const line = `${'x'.repeat(999)}\n`;
  for (let i = 0; i < 200; i++) files.append(pipe, Buffer.from(line));
  const closed = files.close(5000);
  let received = 0;
  const chunk = Buffer.alloc(4096);
  while (received < 200_000) {
    try {
      received += readSync(reader, chunk);
    } catch {
      await new Promise(setImmediate); // EAGAIN: the writer's turn
    }
  }
  await closed;
  t.equal(received, 200_000);
  t.match(files.stats, { write_failed: 0, write_dropped: 0 });
});

/** What a pipe holds, without waiting. */
function readAll(reader: number): Buffer {
  const parts: Buffer[] = [];
  try {
    for (;;) {
      const chunk = Buffer.alloc(65_536);
      const bytes = readSync(reader, chunk);
      if (bytes === 0) break;
      parts.push(chunk.subarray(0, bytes));
    }
  } catch {
    // EAGAIN
  }
  return Buffer.concat(parts);
}

function pipeIn(test: { teardown(after: () => unknown): unknown }, path: string) {
  execFileSync('mkfifo', [path]);
  return () => {
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    test.teardown(() => closeSync(reader));
    return reader;
  };
}

t.test('a pipe nobody reads: bounded, every lost line counted, and a reader who comes gets whole lines', { skip: process.platform !== 'linux' }, async (t) => {
  const { files, dir, log } = setUp(t, 100_000);
  const pipe = join(dir, 'pipe');
  const read = pipeIn(t, pipe);
  t.same(await files.prepare([pipe]), [], 'no reason not to start');
  const line = (i: number): string => `${String(i).padStart(999, '.')}\n`;
  const count = 1000;
  for (let i = 0; i < count; i++) {
    files.append(pipe, Buffer.from(line(i)));
    if (files.stats.write_total_buffered > 100_000) t.fail('not bounded');
    if (i % 100 === 0) await new Promise(setImmediate);
  }
  t.ok(files.stats.write_dropped > 0);
  t.ok(log.has(/is too slow: lines are dropped/));
  const reader = read();
  let text = '';
  while (files.stats.write_total_buffered > 0) {
    text += readAll(reader).toString('latin1');
    await new Promise(setImmediate);
  }
  text += readAll(reader).toString('latin1');
  const got = text.split('\n').slice(0, -1);
  t.equal(got.length + files.stats.write_dropped, count, 'read or counted');
  t.ok(got.every((one) => one.length === 999), 'whole lines only');
  t.same(got, [...got].sort(), 'in order');
  await files.close(5000);
});

t.test('reopen gets rid of a pipe nobody reads; the new file begins with a whole line', { skip: process.platform !== 'linux' }, async (t) => {
  const { dir, log } = setUp(t);
  let full = (): void => undefined;
  const isFull = new Promise<void>((resolve) => (full = resolve));
  const after: Timers['after'] = (delayMs, callback) => {
    full(); // the first thing to be waited for is the pipe
    return systemTimers.after(delayMs, callback);
  };
  const files = new AccessLogFiles(log.logger, { ...systemTimers, after });
  const path = join(dir, 'log');
  const read = pipeIn(t, path);
  t.same(await files.prepare([path]), []);
  const reader = read();
  const line = (i: number): string => `${String(i).padStart(998, '.')}\n`;
  for (let i = 0; i < 300; i++) files.append(path, Buffer.from(line(i)));
  await isFull;
  renameSync(path, `${path}.old`);
  await files.reopen();
  await files.close(5000);
  const inPipe = readAll(reader).length;
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  t.ok(lines.length > 0);
  t.ok(lines.every((one) => one.length === 998), 'whole lines only');
  t.equal(lines.length + Math.floor(inPipe / 999) + files.stats.write_dropped, 300, 'in one, in the other, or counted');
  t.ok(files.stats.write_dropped <= 1);
});

t.test('a pipe whose reader goes and comes again', { skip: process.platform !== 'linux' }, async (t) => {
  const { files, dir } = setUp(t);
  const pipe = join(dir, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const first = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  t.same(await files.prepare([pipe]), []);
  closeSync(first);
  const written = async (text: string): Promise<void> => {
    files.append(pipe, Buffer.from(text));
    while (files.stats.write_total_buffered > 0) await new Promise(setImmediate);
  };
  await written('lost\n');
  t.match(files.stats, { write_failed: 1, write_dropped: 1 });
  await written('kept\n');
  const again = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  t.teardown(() => closeSync(again));
  t.equal(readAll(again).toString(), 'kept\n');
  await files.close(5000);
});

t.test('/dev/stdout, when it is a pipe and when it is a file', async (t) => {
  const { path } = setUp(t);
  const script = fileURLToPath(new URL('../support/log-to-stdout.js', import.meta.url));
  const piped = await new Promise<string>((resolve, reject) => execFile(process.execPath, [script], (error, out) => (error ? reject(error) : resolve(out))));
  t.equal(piped, '/dev/stdout 0\n/dev/stdout 1\n');
  execFileSync('sh', ['-c', `"${process.execPath}" "${script}" > "${path}" 2>&1`]);
  t.equal(readFileSync(path, 'utf8'), '/dev/stdout 0\n/dev/stdout 1\n');
});
