// The upstreams, the same for all contenders: nginx answering from memory and files where it is installed, servers of our
// own for uploads, HTTP/2, gRPC, WebSocket, and everywhere else. All stand on the CPU of the load.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXTRA_RESPONSE_HEADERS, FILES, SMALL_BODY } from './bodies.ts';
import type { WireCase } from './cases.ts';
import { Child, freePort, isOnPath } from './child.ts';
import { isHttp2Out } from './place.ts';
import { NGINX_USER } from './rival/nginx.ts';

interface Started {
  readonly port: number;
  readonly child: Child;
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

/** A server of our own. */
async function startOwn(kind: 'http1' | 'http2' | 'websocket', cpu: number | null, args: readonly string[]): Promise<Started> {
  const port = await freePort();
  const path = join(import.meta.dirname, 'upstream', `${kind}.js`);
  const child = new Child(`upstream (${kind})`, [process.execPath, path, String(port), ...args], { cpu });
  await child.listening(port);
  return { port, child };
}

async function startNginx(dir: string, cpu: number | null): Promise<Started> {
  const port = await freePort();
  writeFiles(dir);
  const config = join(dir, 'upstream.conf');
  writeFileSync(config, nginxConfig(dir, port));
  const child = new Child('upstream (nginx)', ['nginx', '-p', dir, '-c', config], { cpu });
  await child.listening(port);
  return { port, child };
}

type Kind = 'static' | 'upload' | 'h2' | 'grpc' | 'websocket';

function kindFor({ road, uploadBytes }: WireCase): Kind {
  if (road === 'grpc' || road === 'websocket') return road;
  if (isHttp2Out(road)) return 'h2';
  return uploadBytes > 0 || !isOnPath('nginx') ? 'upload' : 'static';
}

export class Upstreams {
  readonly description = isOnPath('nginx') ? 'nginx; for uploads, HTTP/2 and WebSocket servers of our own' : 'servers of our own';
  private readonly dir: string;
  private readonly cpu: number | null;
  private readonly started = new Map<Kind, Started>();

  constructor(dir: string, cpu: number | null) {
    this.dir = dir;
    this.cpu = cpu;
  }

  /** The port of the one that a case needs; started when first asked for. */
  async portFor(wire: WireCase): Promise<number> {
    const kind = kindFor(wire);
    const found = this.started.get(kind) ?? await this.start(kind);
    this.started.set(kind, found);
    return found.port;
  }

  async stop(): Promise<void> {
    for (const { child } of this.started.values()) await child.stop();
  }

  private start(kind: Kind): Promise<Started> {
    switch (kind) {
      case 'static': return startNginx(this.dir, this.cpu);
      case 'upload': return startOwn('http1', this.cpu, []);
      case 'h2': return startOwn('http2', this.cpu, ['small']);
      case 'grpc': return startOwn('http2', this.cpu, ['grpc']);
      case 'websocket': return startOwn('websocket', this.cpu, []);
    }
  }
}
