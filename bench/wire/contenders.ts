// Who is measured: Nuncio on each engine and every rival that this machine has. Each knows its version, how to find out
// that it is missing, the roads it cannot take, and the command that starts it in front of an upstream. Rivals only
// forward; what Nuncio does besides (request id, forwarded headers, counters, histograms) counts against it.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Road } from './cases.ts';
import { Child, freePort, isOnPath } from './child.ts';
import type { Place } from './place.ts';
import { envoyConfig } from './rival/envoy.ts';
import { haproxyConfig } from './rival/haproxy.ts';
import { nginxConfig, nginxLacks, readNginxBuild } from './rival/nginx.ts';
import type { NginxBuild } from './rival/nginx.ts';
import { type Caution, nuncioConfig } from './rival/nuncio.ts';

const here = import.meta.dirname;
const cli = join(here, '..', '..', 'src', 'cli.js');
const require = createRequire(import.meta.url);

export interface Contender {
  readonly name: string;
  /** What it is, or null where it is missing. */
  version(): string | null;
  /** Why it cannot take a road, or null where it can. */
  unable(road: Road): string | null;
  /** The command and its environment, its configuration written. */
  command(place: Place): Promise<Launch>;
}

interface Launch {
  readonly command: readonly string[];
  readonly env?: Record<string, string>;
}

export interface Running {
  readonly name: string;
  readonly port: number;
  readonly child: Child;
}

function versionOf(command: string, args: readonly string[], pattern: RegExp): string | null {
  if (!isOnPath(command)) return null;
  const { stdout, stderr, status } = spawnSync(command, args, { encoding: 'utf8' });
  return pattern.exec(`${stdout}\n${stderr}`)?.[1] ?? (status === 0 ? 'unknown version' : null);
}

/** Read where packages lie: what a package exports need not include its description. */
function packageVersion(name: string): string | null {
  const folders = require.resolve.paths(name) ?? [];
  const path = folders.map((folder) => join(folder, name, 'package.json')).find((one) => existsSync(one));
  return path === undefined ? null : (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version;
}

const UWS_ROADS: readonly Road[] = ['http', 'h1-to-h2'];

function nuncio(engine: 'epoll' | 'node' | 'uws', caution: Caution = 'plain'): Contender {
  return {
    name: caution === 'plain' ? `nuncio-${engine}` : `nuncio-${caution}`,
    version() {
      if (!existsSync(cli)) return null;
      if (engine === 'epoll' && process.platform !== 'linux') return null;
      if (engine === 'uws' && packageVersion('uWebSockets.js') === null) return null;
      return `working copy on Node ${process.version}`;
    },
    unable(road) {
      if (caution !== 'plain' && road !== 'http') return 'measured on plain HTTP/1.1 alone';
      return engine === 'uws' && !UWS_ROADS.includes(road) ? 'the uws engine takes plain HTTP/1.1 alone' : null;
    },
    async command(place) {
      const path = join(place.dir, 'nuncio.json');
      writeFileSync(path, JSON.stringify(nuncioConfig(place, await freePort(), caution)));
      return { command: [process.execPath, cli, 'run', '-c', path], env: { NUNCIO_ENGINE: engine } };
    },
  };
}

let foundBuild: NginxBuild | null = null;

function nginxBuild(): NginxBuild {
  foundBuild ??= readNginxBuild(spawnSync('nginx', ['-V'], { encoding: 'utf8' }).stderr);
  return foundBuild;
}

const nginx: Contender = {
  name: 'nginx',
  version: () => versionOf('nginx', ['-v'], /nginx\/(\S+)/),
  unable: (road) => nginxLacks(road, nginxBuild()),
  async command(place) {
    const path = join(place.dir, 'nginx.conf');
    writeFileSync(path, nginxConfig(place, nginxBuild()));
    return { command: ['nginx', '-p', place.dir, '-c', path] };
  },
};

const haproxy: Contender = {
  name: 'haproxy',
  version: () => versionOf('haproxy', ['-v'], /version (\S+)/),
  unable: () => null,
  async command(place) {
    const path = join(place.dir, 'haproxy.cfg');
    writeFileSync(path, haproxyConfig(place));
    return { command: ['haproxy', '-db', '-f', path] };
  },
};

const envoy: Contender = {
  name: 'envoy',
  version: () => versionOf('envoy', ['--version'], /version: (?:[0-9a-f]+\/)?([\d.]+)/),
  unable: () => null,
  async command(place) {
    const path = join(place.dir, 'envoy.json');
    writeFileSync(path, JSON.stringify(envoyConfig(place)));
    return { command: ['envoy', '-c', path, '--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'error'] };
  },
};

function nodeRival(name: 'http-proxy' | 'fast-proxy'): Contender {
  return {
    name,
    version: () => packageVersion(name),
    unable: (road) => (road === 'http' ? null : 'set up here for plain HTTP/1.1 alone'),
    command: async ({ port, upstreamPort }) => ({
      command: [process.execPath, join(here, 'rival', `${name}.js`), String(port), String(upstreamPort)],
    }),
  };
}

/** The one that every ratio refers to. */
export const REFERENCE = nginx.name;

export const CONTENDERS: readonly Contender[] = [
  nuncio('epoll'), nuncio('epoll', 'guarded'), nuncio('epoll', 'limited'), nuncio('node'), nuncio('uws'), nginx, haproxy, envoy, nodeRival('http-proxy'), nodeRival('fast-proxy'),
];

export async function startContender(contender: Contender, place: Omit<Place, 'port'>, cpu: number | null): Promise<Running> {
  const port = await freePort();
  const dir = join(place.dir, contender.name);
  mkdirSync(dir, { recursive: true });
  const launch = await contender.command({ ...place, dir, port });
  const child = new Child(contender.name, launch.command, { cpu, ...(launch.env === undefined ? {} : { env: launch.env }) });
  await child.listening(port);
  return { name: contender.name, port, child };
}
