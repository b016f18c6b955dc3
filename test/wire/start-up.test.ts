// How a run begins, or why it does not: what is printed, what the environment overrides, what stands against it. Every
// reason is given, with exit 1, and no stack trace reaches a user.

import { createServer } from 'node:net';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import t, { type Test } from 'tap';

import { waitFor } from '../support/deadline.ts';
import { Origin } from '../support/origin.ts';
import { get } from '../support/raw-client.ts';
import { byteEngines, cleanEnv, CLI, Run, runCommand, scratchDirectory, subjectIsEnvoy, type Json } from '../support/run-proxy.ts';
import { assertNoStackTrace } from '../support/stage.ts';

t.setTimeout(90_000);

const says: Json = { match: { prefix: '/' }, respond: { status: 200, body: 'here' } };

function document(listeners: readonly Json[], more: Json = {}): string {
  return JSON.stringify({ workers: 2, admin: { address: '127.0.0.1:0' }, watch: false, listeners, clusters: [], ...more }, null, 2);
}

function listener(address: string, name?: string): Json {
  return { ...(name === undefined ? {} : { name }), address, http: { routes: [says] } };
}

function file(t: Test, text: string, name = 'proxy.json'): string {
  const path = join(scratchDirectory(t), name);
  writeFileSync(path, text);
  return path;
}

/** The CPUs that the kernel lets a task run on. */
function allowedCpus(task: string): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync(`/proc/${task}/status`, 'latin1'))?.[1] ?? '';
  return list.split(',').flatMap((range) => {
    const [first, last] = range.split('-').map(Number) as [number, number | undefined];
    return Array.from({ length: (last ?? first) - first + 1 }, (_, n) => first + n);
  });
}

for (const engine of subjectIsEnvoy ? [] : byteEngines) {
  const env = { NUNCIO_ENGINE: engine };

  t.test(`${engine}: what a good start prints, and what the environment overrides`, async (t) => {
    const path = file(t, document([listener('127.0.0.1:0', 'one'), listener('127.0.0.1:0', 'two')], { engine: 'auto', workers: 7 }));
    const run = new Run(process.execPath, [CLI], cleanEnv({ ...env, NUNCIO_CONFIG: path, NUNCIO_WORKERS: '3', NUNCIO_ADMIN: '127.0.0.1:0' }));
    t.teardown(() => run.kill('SIGKILL'));
    await waitFor('the lines', () => run.exit !== null || /^admin /m.test(run.stdout));
    const lines = run.stdout.trimEnd().split('\n');
    t.equal(lines.length, 3, run.describe());
    for (const [index, name] of ['one', 'two'].entries()) {
      const match = new RegExp(`^listening on http://(127\\.0\\.0\\.1:\\d+) \\(${name}, ${engine}, 3 workers\\)$`).exec(lines[index] as string);
      t.ok(match, lines[index] as string);
      for (let n = 0; n < 6; n++) t.equal((await get(match?.[1] as string, '/')).text, 'here', 'once printed, it answers');
    }
    run.kill('SIGTERM');
    t.strictSame(await run.ended, { code: 0, signal: null });
    assertNoStackTrace(t, run.stderr);
  });

  t.test(`${engine}: a port in use`, async (t) => {
    const server = createServer().listen(0, '127.0.0.1');
    t.teardown(() => server.close());
    await once(server, 'listening');
    const taken = `127.0.0.1:${(server.address() as { port: number }).port}`;
    const run = await runCommand(['run', '-c', file(t, document([listener('127.0.0.1:0', 'fine'), listener(taken, 'clash')]))], env);
    t.strictSame(run.exit, { code: 1, signal: null });
    t.match(run.stderr, taken, 'the address is named');
    t.match(run.stderr, 'clash', 'and the listener');
    t.match(run.stderr, /in use/i);
    t.equal(run.stdout, '');
    assertNoStackTrace(t, run.stderr);

    const admin = await runCommand(['run', '-c', file(t, document([listener('127.0.0.1:0')], { admin: { address: taken } }))], env);
    t.strictSame(admin.exit, { code: 1, signal: null });
    t.match(admin.stderr, taken);
    assertNoStackTrace(t, admin.stderr);
  });

  t.test(`${engine}: two proxies do not share a port by accident`, async (t) => {
    const first = new Run(process.execPath, [CLI, '-c', file(t, document([listener('127.0.0.1:0', 'one')]))], cleanEnv(env));
    t.teardown(() => first.kill('SIGKILL'));
    await waitFor('the first', () => first.exit !== null || /^admin /m.test(first.stdout));
    const address = /http:\/\/(\S+) \(one/.exec(first.stdout)?.[1] as string;
    const second = await runCommand(['run', '-c', file(t, document([listener(address, 'two')]))], env);
    t.strictSame(second.exit, { code: 1, signal: null }, 'SO_REUSEPORT is for the workers of one proxy');
    t.match(second.stderr, address);
    first.kill('SIGTERM');
    await first.ended;
  });

  t.test(`${engine}: addresses that cannot be had`, async (t) => {
    for (const address of ['192.0.2.1:8080', 'unix:/nonexistent-directory/a.sock']) {
      const run = await runCommand(['run', '-c', file(t, document([listener(address)]))], env);
      t.strictSame(run.exit, { code: 1, signal: null }, address);
      t.match(run.stderr, address.replace('unix:', ''), 'it is named');
      assertNoStackTrace(t, run.stderr);
    }
  });
}

t.test('each worker is pinned to a CPU of its own', { skip: subjectIsEnvoy || process.platform !== 'linux' || allowedCpus('self').length < 2 }, async (t) => {
  for (const [pinWorkers, pinned] of [[true, 2], [false, 0]] as const) {
    const run = new Run(process.execPath, [CLI, '-c', file(t, document([listener('127.0.0.1:0', 'one')], { engine: 'auto', pinWorkers }))], cleanEnv());
    t.teardown(() => run.kill('SIGKILL'));
    await waitFor('the start', () => run.exit !== null || /^admin /m.test(run.stdout));
    const masks = readdirSync(`/proc/${run.pid}/task`).map((task) => allowedCpus(`${run.pid}/task/${task}`));
    const single = new Set(masks.filter((cpus) => cpus.length === 1).map(([cpu]) => cpu));
    t.equal(single.size, pinned, `pinWorkers ${pinWorkers}: threads on one CPU only stand on ${[...single].join(', ') || 'none'}`);
    t.ok(masks.some((cpus) => cpus.length > 1), 'the primary is not bound');
    run.kill('SIGTERM');
    await run.ended;
  }
});

t.test('a wrong configuration: every reason at once', { skip: subjectIsEnvoy }, async (t) => {
  const text = `{
  "listeners": [{ "address": "127.0.0.1:0", "http": { "routes": [
    { "match": { "prefix": "/" }, "forwrd": { "cluster": "app" } },
    { "match": { "prefix": "/a" }, "forward": { "cluster": "nobody" } },
    { "match": { "regex": "(" }, "respond": { "status": 200 } }
  ] } }],
  "clusters": [{ "name": "app", "endpoints": ["127.0.0.1:99999"], "connectTimeout": "5 sec" }]
}`;
  for (const command of ['run', 'validate']) {
    const run = await runCommand([command, '-c', file(t, text)]);
    t.strictSame(run.exit, { code: 1, signal: null }, command);
    for (const [reason, where] of [[/forwrd/, ':3:'], [/nobody/, ':4:'], [/regex/, ':5:'], [/99999/, ':7:'], [/5 sec/, ':7:']] as const) {
      t.ok(run.stderr.split('\n').some((line) => reason.test(line) && line.includes(where)), `${command}: ${reason} at line ${where}\n${run.stderr}`);
    }
    t.match(run.stderr, /forward/, 'the nearest known key is suggested');
    assertNoStackTrace(t, run.stderr);
  }
});

t.test('no file, no configuration, wrong arguments', { skip: subjectIsEnvoy }, async (t) => {
  for (const [args, code] of [
    [['run', '-c', '/nonexistent/proxy.json'], 1],
    [['run', '-c', '/'], 1],
    [['run'], 2],
    [['frobnicate'], 2],
    [['run', '--frob'], 2],
  ] as const) {
    const run = await runCommand(args);
    t.strictSame(run.exit, { code, signal: null }, args.join(' '));
    t.not(run.stderr, '');
    assertNoStackTrace(t, run.stderr);
  }
});

t.test('YAML and JavaScript configurations carry traffic', { skip: subjectIsEnvoy }, async (t) => {
  const origin = await Origin.start();
  t.teardown(() => origin.stop());
  const yaml = `
workers: 2
admin: { address: "127.0.0.1:0" }
listeners:
  - name: yaml
    address: 127.0.0.1:0
    http:
      routes:
        - match: { prefix: / }
          forward: { cluster: app }
clusters:
  - name: app
    endpoints: ["\${UPSTREAM:-127.0.0.1:1}"]
`;
  const module = `export default { workers: 2, admin: { address: '127.0.0.1:0' }, listeners: [{ name: 'js', address: '127.0.0.1:0', http: { routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }] } }], clusters: [{ name: 'app', endpoints: [\`\${process.env.UPSTREAM}\`] }] };`;
  const commented = `// a comment\n{ /* another */ ${document([{ name: 'jsonc', address: '127.0.0.1:0', http: { routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }] } }], { clusters: [{ name: 'app', endpoints: [origin.address] }] }).slice(1, -1)}, }`;
  for (const [name, text] of [['proxy.yaml', yaml], ['proxy.mjs', module], ['commented.json', commented]] as const) {
    const run = new Run(process.execPath, [CLI, '-c', file(t, text, name)], cleanEnv({ UPSTREAM: origin.address }));
    t.teardown(() => run.kill('SIGKILL'));
    await waitFor(name, () => run.exit !== null || /^admin /m.test(run.stdout));
    const address = /http:\/\/(\S+) \(/.exec(run.stdout)?.[1];
    t.ok(address, run.describe());
    if (address !== undefined) t.equal((await get(address, `/${name}`)).text, `GET /${name} 0`);
    run.kill('SIGTERM');
    await run.ended;
  }
});
