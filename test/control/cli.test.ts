// The command through its own process: what it prints, where, and how it ends.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Command, runCommand } from '../support/run-command.ts';

t.setTimeout(120_000); // each case is a process of its own
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
  const { code, stdout, stderr } = await runCommand(['validate', '--help']);
  t.same([code, stderr], [0, '']);
  t.match(stdout, /^usage: nuncio \[run\] -c FILE/);
});

t.test('wrong arguments: exit 2, one line that says what is wrong, and the usage', async (t) => {
  for (const [args, message] of [
    [[], /^nuncio: which configuration\? Give -c FILE or set NUNCIO_CONFIG\n/],
    [['explain', '-c', good, 'GET', 'ftp://x/'], /^nuncio: "ftp:\/\/x\/" is neither an http URL nor a path\n/],
  ] as const) {
    const { code, stdout, stderr } = await runCommand(args);
    t.same([code, stdout], [2, '']);
    t.match(stderr, message);
    t.match(stderr, /\n\nusage: nuncio /);
    t.notMatch(stderr, / {4}at /);
  }
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
  const { code, stdout, stderr } = await runCommand(['run', '-c', join(dir, 'none.json')]);
  t.same([code, stdout, stderr], [1, '', `${dir}/none.json: there is no such file (ENOENT)\n`]);
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

t.test('explain: text and JSON; the path as the listener would route it', async (t) => {
  const routes = [
    { name: 'exact', match: { path: '/b', headers: { 'x-canary': 'always' } }, forward: { cluster: 'app' } },
    { name: 'rest', match: { prefix: '/' }, respond: { status: 204 } },
  ];
  const at = file('explain.json', config({ listeners: [{ name: 'edge', address: '127.0.0.1:8080', http: { pathWithEscapedSlashes: 'reject', routes } }] }));
  const [canary, plain, refused, bad] = await Promise.all([
    runCommand(['explain', '-c', at, 'GET', 'http://x:8080/a/../b', '-H', 'X-Canary:  always', '--from', '::1']),
    runCommand(['explain', '--json', '-c', at, 'GET', '/b']),
    runCommand(['explain', '-c', at, 'GET', '/a%2Fb']),
    runCommand(['explain', '-c', file('bad3.json', '{'), 'GET', '/']),
  ]);
  t.match(canary, { code: 0, stderr: '' });
  t.match(canary!.stdout, /^GET \/a\/\.\.\/b for x:8080 \(http\) from ::1\nlistener "edge": it listens on 127\.0\.0\.1:8080\nthe path becomes \/b\n/);
  t.match(canary!.stdout, /route 0 "exact" .* matches:\n {2}goes to the cluster "app"/);
  t.match(JSON.parse(plain!.stdout), { routedPath: '/b', routes: [{ name: 'exact', verdict: 'no' }, { name: 'rest', verdict: 'yes', outcome: { kind: 'respond', status: 204 } }] });
  t.match(refused, { code: 0, stdout: /the answer is 400\n$/ });
  t.match(bad, { code: 1, stdout: '', stderr: /bad3\.json:1:/ });
});

t.test('explain: the hosts that the request could meet', async (t) => {
  const endpoints = [{ address: '127.0.0.1:1', metadata: { version: 'v1' } }, { address: '127.0.0.1:2', metadata: { version: 'v2' } }];
  const clusters = [{ name: 'app', endpoints, loadBalancing: { subsets: [['version']] } }];
  const routes = [{ match: { prefix: '/' }, forward: { cluster: 'app', subset: { version: 'v2' } } }];
  const at = file('hosts.json', config({ clusters, listeners: [{ address: '127.0.0.1:8080', http: { routes } }] }));
  const [text, json] = await Promise.all([runCommand(['explain', '-c', at, 'GET', '/']), runCommand(['explain', '--json', '-c', at, 'GET', '/'])]);
  t.match(text!.stdout, /\n {2}asks for endpoints with version = "v2"\n/);
  t.match(text!.stdout, /\ncluster "app" \(roundRobin\): 1 of 2 endpoints\n {2}the subset version = "v2"\n {2}priority 0: 1 endpoint\n {4}127\.0\.0\.1:2\n$/);
  t.match(JSON.parse(json!.stdout), { hosts: [{ cluster: 'app', policy: 'roundRobin', hosts: 1, endpoints: 2, levels: [{ priority: 0, list: [{ address: '127.0.0.1:2' }] }] }] });
});

t.test('schema', async (t) => {
  const { code, stdout } = await runCommand(['schema']);
  t.equal(code, 0);
  t.match(JSON.parse(stdout), { $schema: 'http://json-schema.org/draft-07/schema#', properties: { listeners: {} } });
});

t.test('what a slow reader has not taken yet is not lost', async (t) => {
  const command = new Command(['schema']);
  command.child.stdout!.pause();
  await new Promise((resolve) => setTimeout(resolve, 300)); // the pipe is full by then, and the command would be over
  command.child.stdout!.resume();
  const { code, stdout } = await command.ended;
  t.equal(code, 0);
  t.ok(JSON.parse(stdout));
  t.ok(stdout.length > 3 * 65_536, 'more than a pipe holds');
});

t.test('a port in use: exit 1, the listener and the address are named', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  t.teardown(() => other.close());
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as AddressInfo;
  const { code, stdout, stderr } = await runCommand(['-c', file('taken.json', config({}, `127.0.0.1:${port}`))]);
  t.same([code, stdout], [1, '']);
  t.equal(stderr.trim().split('\n').at(-1), `listener "edge" on 127.0.0.1:${port}: the address is already in use (EADDRINUSE)`);
  const admin = await runCommand(['-c', good], { NUNCIO_ADMIN: `127.0.0.1:${port}` });
  t.equal(admin.code, 1);
  t.match(admin.stderr, `listener "admin" on 127.0.0.1:${port}: the address is already in use (EADDRINUSE)`);
});
