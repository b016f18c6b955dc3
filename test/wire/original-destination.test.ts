// Original destinations in a network namespace of their own: iptables sends callers to the proxy, and the proxy sends them
// where they wanted to go. Needs root, iproute2 and iptables; says so and skips where they are missing.

import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { env, execPath, getuid } from 'node:process';
import { fileURLToPath } from 'node:url';

import t from 'tap';

import { waitFor } from '../support/deadline.ts';
import { byteEngines, runProxy } from '../support/run-proxy.ts';
import { call } from '../support/tcp-peers.ts';

const INSIDE = 'TEST_INSIDE_NETWORK_NAMESPACE';
const PORT = 80;
const PROXY_PORT = { tcp: 15_001, http: 15_002 };

function runs(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function missing(): string {
  if (getuid?.() !== 0) return 'needs root';
  for (const tool of ['ip', 'iptables', 'unshare']) if (!runs('sh', '-c', `command -v ${tool}`)) return `needs ${tool} (apt: iproute2, iptables, util-linux)`;
  return runs('unshare', '-n', 'iptables', '-t', 'nat', '-L') ? '' : 'needs network namespaces and iptables\' nat table';
}

if (env[INSIDE] === undefined) {
  const why = missing();
  t.test('in a network namespace', { skip: why === '' ? false : why }, async (t) => {
    const { status, stdout, stderr } = spawnSync('unshare', ['-n', execPath, fileURLToPath(import.meta.url)], { env: { ...env, [INSIDE]: '1' }, encoding: 'utf8' });
    t.equal(status, 0, `${stdout}${stderr}`.split('\n').filter((line) => /not ok|waited|Error/.test(line)).join('\n'));
    t.match(stdout, /ok .* IPv4/);
  });
} else {
  inside();
}

interface Family {
  readonly name: string;
  readonly tool: string;
  readonly caller: string;
  readonly target: string;
  readonly any: string;
}

function inside(): void {
  t.setTimeout(60_000);
  const sh = (line: string): Buffer => execFileSync('sh', ['-c', line]);
  sh('ip link set lo up; ip addr add 10.9.9.1/32 dev lo; ip addr add 10.9.9.9/32 dev lo');
  const v6 = runs('sh', '-c', 'ip -6 addr add fd00:9::1/128 dev lo nodad && ip -6 addr add fd00:9::9/128 dev lo nodad && ip6tables -t nat -L');
  const families: Family[] = [{ name: 'IPv4', tool: 'iptables', caller: '10.9.9.1', target: '10.9.9.9', any: '0.0.0.0' }];
  if (v6) families.push({ name: 'IPv6', tool: 'ip6tables', caller: 'fd00:9::1', target: 'fd00:9::9', any: '[::]' });
  else t.test('IPv6', { skip: 'needs IPv6 and the nat table of ip6tables' }, async () => undefined);
  for (const family of families) for (const engine of byteEngines) t.test(`${engine}, ${family.name}`, (t) => play(t, engine, family));

  async function play(t: import('tap').Test, engine: (typeof byteEngines)[number], { tool, caller, target, any }: Family): Promise<void> {
    const from = new Set<string>();
    const server = createServer((socket) => {
      from.add(socket.remoteAddress ?? '');
      socket.on('data', (data: Buffer) => socket.end(data.includes('GET') ? 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nhere' : `echo ${data.toString()}`));
    }).listen(PORT, target);
    await once(server, 'listening');
    t.teardown(() => server.close());
    const http = { routes: [{ match: { prefix: '/' }, forward: { cluster: 'original' } }] };
    const proxy = await runProxy(t, {
      listeners: [
        { name: 'tcp', address: `${any}:${PROXY_PORT.tcp}`, tcp: { cluster: 'original' } },
        { name: 'http', address: `${any}:${PROXY_PORT.http}`, http },
      ],
      clusters: [{ name: 'original', type: 'originalDst' }],
    }, { engine });
    for (const [listener, message, answer] of [['tcp', 'hello', 'echo hello'], ['http', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'here']] as const) {
      const rule = `-s ${caller} -d ${target} -p tcp --dport ${PORT} -j REDIRECT --to-ports ${PROXY_PORT[listener]}`;
      sh(`${tool} -t nat -A OUTPUT ${rule}`);
      from.clear();
      const text = await ask(caller, target, message);
      sh(`${tool} -t nat -D OUTPUT ${rule}`);
      t.match(text, answer);
      t.notOk(from.has(caller), 'it came through the proxy');
    }
    await proxy.statBecomes('tcp.tcp.downstream_cx_total', 1);
    await proxy.statBecomes('http.http.downstream_rq_2xx', 1);
    await proxy.statBecomes('cluster.original.upstream_cx_total', 2);
    // Nobody redirected these: they wanted to come here, and may not be sent round in circles.
    const straight = await call(`${target}:${PROXY_PORT.tcp}`);
    await straight.hearsEnd();
    straight.socket.destroy();
    const asked = await call(`${target}:${PROXY_PORT.http}`);
    asked.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await waitFor('an answer', () => asked.text.includes('\r\n\r\n'));
    t.match(asked.text, /^HTTP\/1\.1 503 /);
    asked.socket.destroy();
    await proxy.statBecomes('cluster.original.upstream_cx_none_healthy', 2);
    await proxy.statBecomes('cluster.original.upstream_cx_total', 2);
    t.equal((await proxy.stop()).code, 0);
  }
}

async function ask(localAddress: string, host: string, message: string): Promise<string> {
  const socket: Socket = connect({ host, port: PORT, localAddress });
  let text = '';
  socket.on('data', (data: Buffer) => (text += data.toString()));
  socket.write(message);
  await waitFor('an answer', () => text.includes('here') || text.includes('echo'));
  socket.destroy();
  return text;
}
