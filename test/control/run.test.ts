// `nuncio run` with real workers: what it prints, what signals and file changes do, how it ends.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Address } from '../../src/core/address.ts';
import { ask } from '../support/ask.ts';
import { Command } from '../support/run-command.ts';

t.setTimeout(120_000); // each case is a process of its own, with two workers

function answering(body: string, more: object = {}): object {
  return {
    admin: { address: '127.0.0.1:0' },
    workers: 2,
    drainTimeout: '2s',
    listeners: [{ name: 'edge', address: '127.0.0.1:0', http: { accessLog: [{ path: 'access.log', format: '%REQ(:PATH)%' }], routes: [{ match: { prefix: '/' }, respond: { status: 200, body } }] } }],
    ...more,
  };
}

/** A running proxy with its file in a directory of its own. */
async function setUp(test: { teardown(after: () => unknown): unknown }, config: object = answering('one')) {
  const dir = mkdtempSync(join(tmpdir(), 'nuncio-run-'));
  const file = join(dir, 'nuncio.json');
  writeFileSync(file, JSON.stringify(config));
  const command = new Command(['-c', file]);
  test.teardown(async () => {
    command.signal('SIGKILL');
    await command.ended;
    rmSync(dir, { recursive: true });
  });
  const [, adminPort] = await command.prints(/^admin on http:\/\/127\.0\.0\.1:(\d+)$/m);
  const [line, port] = await command.prints(/^listening on http:\/\/127\.0\.0\.1:(\d+) \(edge, .*\)$/m);
  const edge: Address = { kind: 'ip', host: '127.0.0.1', port: Number(port) };
  const admin: Address = { kind: 'ip', host: '127.0.0.1', port: Number(adminPort) };
  return { dir, file, command, edge, admin, line, stats: async (filter: string) => (await ask(admin, `/stats?filter=${filter}`)).body };
}

t.test('it says where it listens, answers, and SIGTERM ends it with 0', async (t) => {
  const { command, line, edge, admin } = await setUp(t);
  t.match(line, /\(edge, (epoll|node), 2 workers\)$/);
  t.equal((await ask(edge, '/')).body, 'one');
  t.equal((await ask(admin, '/ready')).body, 'LIVE\n');
  command.signal('SIGTERM');
  const { code, stdout, stderr } = await command.ended;
  t.equal(code, 0);
  t.equal(stdout.trim().split('\n').length, 2);
  t.notMatch(stderr, /error|warn/);
  await t.rejects(ask(edge, '/'), { code: 'ECONNREFUSED' });
});

t.test('SIGTERM answers what is in flight; /ready says DRAINING meanwhile', async (t) => {
  let release: () => void = () => undefined;
  const arrived = new Promise<void>((resolve) => {
    const upstream = createServer((_, response) => {
      release = () => response.end('late');
      resolve();
    }).listen(0, '127.0.0.1');
    t.teardown(() => upstream.close());
    t.context = upstream;
  });
  const upstream = t.context as ReturnType<typeof createServer>;
  await new Promise((resolve) => upstream.once('listening', resolve));
  const { port } = upstream.address() as AddressInfo;
  const { command, edge, admin } = await setUp(
    t,
    answering('', {
      drainTimeout: '10s',
      listeners: [{ name: 'edge', address: '127.0.0.1:0', http: { routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }] } }],
      clusters: [{ name: 'app', endpoints: [`127.0.0.1:${port}`] }],
    }),
  );
  const reply = ask(edge, '/');
  await arrived;
  command.signal('SIGTERM');
  await command.prints(/draining/);
  const ready = await ask(admin, '/ready');
  t.same([ready.status, ready.body], [503, 'DRAINING\n']);
  release();
  t.equal((await reply).body, 'late');
  t.match(await command.ended, { code: 0 });
});

t.test('a second signal ends it at once', async (t) => {
  const { command, edge } = await setUp(t);
  const idle = connect(edge.kind === 'ip' ? edge.port : 0, '127.0.0.1');
  idle.on('error', () => undefined);
  idle.write('GET / HTTP/1.1\r\nhost: a\r\n'); // half a request keeps the drain waiting
  await new Promise((resolve) => idle.once('connect', resolve));
  command.signal('SIGINT');
  await command.prints(/draining/);
  command.signal('SIGINT');
  t.match(await command.ended, { code: 1, stderr: /exiting at once/ });
});

t.test('a changed file is taken up by itself; a bad one changes nothing; SIGHUP asks again', async (t) => {
  const { command, file, edge, stats } = await setUp(t);
  writeFileSync(`${file}.new`, JSON.stringify(answering('two')));
  renameSync(`${file}.new`, file);
  await command.prints(/is in effect: listeners: 1 modified/);
  t.equal((await ask(edge, '/')).body, 'two', 'on the same port');
  writeFileSync(file, '{ "listeners": 7, "oops": 1 }');
  await command.prints(/error the new configuration was rejected, the old one stays in effect:\n[^]*\/listeners[^]*\/oops/);
  t.equal((await ask(edge, '/')).body, 'two');
  t.match(await stats('^config'), /config.update_attempt: 2\nconfig.update_rejected: 1\nconfig.update_success: 1\n/);
  command.signal('SIGHUP');
  await command.prints(/SIGHUP: reloading\n[^]*rejected/);
  t.match(await stats('config.update_attempt'), 'config.update_attempt: 3\n');
});

t.test('SIGUSR1 reopens the access log after a rotation, and does not start a debugger', async (t) => {
  const { command, dir, edge } = await setUp(t);
  const log = join(dir, 'access.log');
  await ask(edge, '/before');
  renameSync(log, `${log}.1`);
  command.signal('SIGUSR1');
  await command.prints(/access logs reopened/);
  await ask(edge, '/after');
  command.signal('SIGTERM');
  const { code, stderr } = await command.ended;
  t.equal(code, 0);
  t.notMatch(stderr, /[Dd]ebugger/);
  // A worker's batch may leave it after the rotation only: nothing is lost, and nothing late goes to the old file.
  const lines = (readFileSync(`${log}.1`, 'utf8') + readFileSync(log, 'utf8')).trim().split('\n');
  t.same(lines.sort(), ['/after', '/before']);
  t.match(readFileSync(log, 'utf8'), '/after');
});

t.test('quitquitquit drains and ends it with 0', async (t) => {
  const { command, admin } = await setUp(t);
  t.equal((await ask(admin, '/quitquitquit', 'POST')).body, 'OK\n');
  t.match(await command.ended, { code: 0 });
});

t.test('reloads leave no descriptor open', { skip: process.platform !== 'linux' }, async (t) => {
  const { command, file } = await setUp(t);
  const open = (): number => execFileSync('ls', [`/proc/${command.child.pid}/fd`]).toString().trim().split('\n').length;
  const reload = async (body: string): Promise<void> => {
    const seen = command.stderr.length;
    writeFileSync(`${file}.new`, JSON.stringify(answering(body)));
    renameSync(`${file}.new`, file);
    while (!command.stderr.slice(seen).includes('is in effect')) await new Promise((resolve) => command.child.stderr!.once('data', resolve));
  };
  await reload('first');
  const before = open();
  for (let i = 0; i < 5; i++) await reload(`body ${i}`);
  t.ok(open() <= before + 1, `${before} before, ${open()} after five reloads`);
});
