// The upstream of all contenders: nginx answering from memory and files where it is installed, our own Node server for
// uploads and everywhere else. Both stand on the CPU of the load.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXTRA_RESPONSE_HEADERS, FILES, SMALL_BODY } from './cases.ts';
import type { WireCase } from './cases.ts';
import { Child, freePort, isOnPath } from './child.ts';
import { NGINX_USER } from './rival/config.ts';

export interface Upstream {
  readonly description: string;
  portFor(wire: WireCase): number;
  stop(): Promise<void>;
}

function nginxConfig(dir: string, port: number): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", '')}'`;
  const headers = EXTRA_RESPONSE_HEADERS.map(([name, value]) => `add_header ${name} ${quoted(value)};`).join(' ');
  const body = quoted(SMALL_BODY.replace('\n', '\\n'));
  return `${NGINX_USER}worker_processes 1;
daemon off;
pid ${dir}/upstream.pid;
error_log ${dir}/upstream.log crit;
worker_rlimit_nofile 40000;
events { worker_connections 16000; accept_mutex off; }
http {
  access_log off;
  default_type application/octet-stream;
  sendfile on;
  tcp_nodelay on;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  open_file_cache max=16;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    root ${dir}/files;
    location = /small { return 200 ${body}; }
    location = /browser { ${headers} return 200 ${body}; }
  }
}
`;
}

function writeFiles(dir: string): void {
  mkdirSync(join(dir, 'files'), { recursive: true });
  for (const [name, size] of Object.entries(FILES)) writeFileSync(join(dir, 'files', name), Buffer.alloc(size, 'x'));
}

async function startNode(cpu: number | null): Promise<{ port: number; child: Child }> {
  const port = await freePort();
  const server = [process.execPath, join(import.meta.dirname, 'upstream-server.js'), String(port)];
  const child = new Child('upstream (node)', server, { cpu });
  await child.listening(port);
  return { port, child };
}

async function startNginx(dir: string, cpu: number | null): Promise<{ port: number; child: Child }> {
  const port = await freePort();
  writeFiles(dir);
  const config = join(dir, 'upstream.conf');
  writeFileSync(config, nginxConfig(dir, port));
  const child = new Child('upstream (nginx)', ['nginx', '-p', dir, '-c', config], { cpu });
  await child.listening(port);
  return { port, child };
}

export async function startUpstream(dir: string, cpu: number | null): Promise<Upstream> {
  const node = await startNode(cpu);
  if (!isOnPath('nginx')) return { description: 'node', portFor: () => node.port, stop: () => node.child.stop() };
  const nginx = await startNginx(dir, cpu);
  return {
    description: 'nginx; node for uploads',
    portFor: (wire) => (wire.uploadBytes > 0 ? node.port : nginx.port),
    async stop() {
      await node.child.stop();
      await nginx.child.stop();
    },
  };
}
