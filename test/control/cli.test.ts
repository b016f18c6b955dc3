// The command through its own process: what it prints, where, and how it ends.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { runCommand } from '../support/run-command.ts';

const dir = mkdtempSync(join(tmpdir(), 'nuncio-cli-'));
t.teardown(() => rmSync(dir, { recursive: true }));

function file(name: string, content: unknown): string {
  writeFileSync(join(dir, name), typeof content === 'string' ? content : JSON.stringify(content));
  return join(dir, name);
}

function config(part: object = {}, address = '127.0.0.1:0'): object {
  return {
    admin: false,
    workers: 2,
    listeners: [{ name: 'edge', address, http: { routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }] } }],
    clusters: [{ name: 'app', endpoints: ['127.0.0.1:3000'] }],
    ...part,
  };
}

const good = file('good.json', config());

t.test('--version and --help', async (t) => {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };
  t.same(await runCommand(['--version']), { code: 0, signal: null, stdout: `nuncio ${version}\n`, stderr: '' });
  for (const args of [['--help'], ['-h'], ['validate', '--help']]) {
    const { code, stdout, stderr } = await runCommand(args);
    t.same([code, stderr], [0, '']);
    t.match(stdout, /^usage: nuncio \[run\] -c FILE/);
  }
});

t.test('wrong arguments: exit 2, one line that says what is wrong, and the usage', async (t) => {
  const cases: [args: string[], message: RegExp][] = [
    [[], /^nuncio: which configuration\? Give -c FILE or set NUNCIO_CONFIG\n/],
    [['validate'], /^nuncio: which configuration\?/],
    [['start', '-c', good], /^nuncio: there is no command "start"\n/],
    [['constructor'], /^nuncio: there is no command "constructor"\n/],
    [['validate', '-c', good, 'more'], /^nuncio: unexpected argument "more"\n/],
    [['validate', '-c'], /^nuncio: .*argument missing/],
    [['validate', '--bogus'], /^nuncio: Unknown option '--bogus'\n/],
    [['validate', '-c', good, '--json'], /^nuncio: "validate" takes no option "--json"\n/],
    [['-c', good, '-H', 'a: b'], /^nuncio: "run" takes no option "-H"\n/],
  ];
  await Promise.all(
    cases.map(async ([args, message]) => {
      const { code, stdout, stderr } = await runCommand(args);
      t.same([code, stdout], [2, ''], args.join(' '));
      t.match(stderr, message);
      t.match(stderr, /\n\nusage: nuncio /);
      t.notMatch(stderr, / {4}at /);
    }),
  );
});

t.test('validate: a good file, by -c and by NUNCIO_CONFIG', async (t) => {
  t.same(await runCommand(['validate', '-c', good]), { code: 0, signal: null, stdout: 'OK\n', stderr: '' });
  t.match(await runCommand(['validate'], { NUNCIO_CONFIG: good }), { code: 0, stdout: 'OK\n' });
  t.match(await runCommand(['validate', '--config', file('good.yaml', 'listeners:\n- address: 127.0.0.1:0\n  http: { routes: [ { match: { prefix: / }, respond: { status: 200 } } ] }\n')]), { code: 0 });
  t.match(await runCommand(['validate', '-c', file('good.mjs', `export default ${JSON.stringify(config())};`)]), { code: 0 });
});

t.test('validate: every error with file, line and pointer', async (t) => {
  const bad = file('bad.json', '{\n  "listeners": [{ "address": "127.0.0.1", "http": { "routs": [] } }],\n  "clusters": [{ "name": "app", "endpoint": [] }]\n}\n');
  const { code, stdout, stderr } = await runCommand(['validate', '-c', bad]);
  t.same([code, stdout], [1, '']);
  t.match(stderr, `${bad}:2:`);
  t.match(stderr, `${bad}:3:`);
  t.match(stderr, /\/listeners\/0\/http\/routs: .*did you mean "routes"/);
  t.match(stderr, /\/clusters\/0\/endpoint: .*did you mean "endpoints"/);
  t.notMatch(stderr, / {4}at /);
});

t.test('what cannot be read: exit 1 and one line', async (t) => {
  for (const command of ['validate', 'run']) {
    const { code, stdout, stderr } = await runCommand([command, '-c', join(dir, 'none.json')]);
    t.same([code, stdout, stderr], [1, '', `${dir}/none.json: there is no such file (ENOENT)\n`]);
  }
  t.match(await runCommand(['validate', '-c', dir]), { code: 1, stderr: /EISDIR/ });
  t.match(await runCommand(['validate', '-c', file('throws.mjs', 'throw new Error("boom")')]), { code: 1, stderr: `${dir}/throws.mjs: the module could not be loaded: boom\n` });
});

t.test('run with a bad file: exit 1, every error, nothing on stdout', async (t) => {
  const bad = file('bad2.json', config({ workrs: 1, logLevel: 'loud' }));
  const { code, stdout, stderr } = await runCommand(['run', '-c', bad]);
  t.same([code, stdout], [1, '']);
  t.match(stderr, /\/workrs: /);
  t.match(stderr, /\/logLevel: /);
  t.notMatch(stderr, / {4}at /);
});

t.test('schema', async (t) => {
  const { code, stdout } = await runCommand(['schema']);
  t.equal(code, 0);
  t.match(JSON.parse(stdout), { $schema: 'http://json-schema.org/draft-07/schema#', properties: { listeners: {} } });
});

t.test('a port in use: exit 1, the listener and the address are named', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  t.teardown(() => other.close());
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  const { code, stdout, stderr } = await runCommand(['-c', file('taken.json', config({}, `127.0.0.1:${port}`))]);
  t.same([code, stdout], [1, '']);
  t.equal(stderr.trim().split('\n').at(-1), `listener "edge" on 127.0.0.1:${port}: the address is in use by another process (EADDRINUSE)`);
  const admin = await runCommand(['-c', good], { NUNCIO_ADMIN: `127.0.0.1:${port}` });
  t.equal(admin.code, 1);
  t.match(admin.stderr, `listener "admin" on 127.0.0.1:${port}: the address is in use by another process (EADDRINUSE)`);
});
