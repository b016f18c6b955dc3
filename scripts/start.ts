// `npm start`: two small upstreams and Nuncio with config/quickstart.json in front of them, until Ctrl-C. For trying out.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createServer, get } from 'node:http';
import type { Server } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const project = join(import.meta.dirname, '..', '..');
const cli = join(project, 'build', 'src', 'cli.js');
const config = join(project, 'config', 'quickstart.json');
const port = process.env['PORT'] ?? '8080';
const READY_PATIENCE_MS = 20_000;

/** Answers every request with its own name and what it was asked. */
function startUpstream(name: string): Promise<{ server: Server; address: string }> {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/plain');
    response.end(`Hello from upstream ${name}: ${request.method} ${request.url}\n`);
    request.resume();
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const bound = server.address();
      if (bound === null || typeof bound === 'string') reject(new Error('no address'));
      else resolve({ server, address: `127.0.0.1:${bound.port}` });
    });
  });
}

function answers(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(url, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('error', () => resolve(false));
  });
}

async function untilReady(child: ChildProcess): Promise<boolean> {
  for (const deadline = Date.now() + READY_PATIENCE_MS; Date.now() < deadline; await sleep(100)) {
    if (child.exitCode !== null || child.signalCode !== null) return false;
    if (await answers(`http://127.0.0.1:${port}/healthz`)) return true;
  }
  return false;
}

const one = await startUpstream('one');
const two = await startUpstream('two');
const child = spawn(process.execPath, [cli, 'run', '-c', config], {
  stdio: 'inherit',
  detached: true, // the terminal's Ctrl-C reaches this script alone, which passes it on once
  env: { ...process.env, PORT: port, UPSTREAM_ONE: one.address, UPSTREAM_TWO: two.address },
});
child.on('exit', (code) => {
  one.server.close();
  two.server.close();
  process.exit(code ?? 1);
});
process.on('exit', () => child.kill('SIGKILL'));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill('SIGTERM'));

if (await untilReady(child)) {
  console.log(`
upstream one  http://${one.address}
upstream two  http://${two.address}
proxy         http://127.0.0.1:${port}      both upstreams in turn; /two/… reaches the second alone
admin         http://127.0.0.1:9901      /stats, /clusters, /config_dump, /ready

Try:  curl -i http://127.0.0.1:${port}/hello

Ctrl-C ends all.
`);
}
