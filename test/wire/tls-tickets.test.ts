// Session tickets from end to end, both engines, two workers: `openssl s_client -reconnect` comes back in either worker, and
// keys of a listener's own that are rotated in their files while the proxy runs.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';

import t from 'tap';

import { makeCertificate } from '../support/certificates.ts';
import { within } from '../support/deadline.ts';
import { dialOptions } from '../support/raw-client.ts';
import type { ProxyConfig } from '../support/run-proxy.ts';
import { onEachEngine, type Stage } from '../support/stage.ts';

t.setTimeout(90_000);

const pair = makeCertificate({ names: ['a.test'] });
const KEYS = ['newest.key', 'older.key'] as const;
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

function config(stage: Stage): ProxyConfig {
  const put = (name: string, text: string | Buffer): string => {
    writeFileSync(join(stage.directory, name), text);
    return join(stage.directory, name);
  };
  const certificates = [{ cert: put('a.pem', pair.cert), key: put('a.key', pair.key) }];
  const http = { routes: [{ match: { prefix: '/' }, forward: { cluster: 'app' } }] };
  const sessionTicketKeys = KEYS.map((name) => put(name, randomBytes(80)));
  return {
    watch: false,
    listeners: [
      { name: 'shared', address: '127.0.0.1:0', tls: { certificates }, http },
      { name: 'own', address: '127.0.0.1:0', tls: { certificates, sessionTicketKeys }, http },
    ],
    clusters: [{ name: 'app', endpoints: [stage.origin.address] }],
  } as unknown as ProxyConfig;
}

interface Visit {
  readonly reused: boolean;
  readonly ticket: Buffer;
}

/** One request on a connection of its own. */
async function visit(stage: Stage, listener: string, maxVersion: (typeof VERSIONS)[number], session?: Buffer): Promise<Visit> {
  const socket: TLSSocket = connect({ ...dialOptions(stage.proxy.listener(listener)), ca: pair.cert, servername: 'a.test', maxVersion, ...(session === undefined ? {} : { session }) });
  let ticket: Buffer = Buffer.alloc(0);
  socket.on('session', (fresh: Buffer) => (ticket = fresh));
  await within('a handshake', once(socket, 'secureConnect'));
  // A renewed one comes with a TLS 1.2 handshake, and then there is no event.
  if (maxVersion === 'TLSv1.2') ticket = socket.getSession()!;
  socket.write('GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n');
  socket.resume();
  await within('its end', once(socket, 'end'));
  const reused = socket.isSessionReused();
  socket.destroy();
  return { reused, ticket };
}

/** Connections that each worker has accepted on the listener. */
async function accepted(stage: Stage): Promise<number[]> {
  const stats = await stage.proxy.stats('^listener\\..*\\.worker_\\d\\.downstream_cx_total$');
  return [0, 1].map((worker) => [...stats].filter(([name]) => name.includes(`worker_${worker}.`)).reduce((sum, [, value]) => sum + value, 0));
}

const has = spawnSync('openssl', ['version']).error === undefined;

onEachEngine(config, { workers: 2 }, async (t, stage) => {
  await t.test('openssl s_client -reconnect, in both workers', { skip: has ? false : 'no openssl on this machine' }, async (t) => {
    const before = await accepted(stage);
    const met = async (): Promise<boolean> => (await accepted(stage)).every((count, worker) => count >= before[worker]! + 2);
    for (let run = 0; run < 10 && (run === 0 || !(await met())); run++) {
      const args = ['s_client', '-connect', stage.proxy.listener('shared'), '-servername', 'a.test', '-tls1_2', '-reconnect'];
      const { stdout } = spawnSync('openssl', args, { input: 'Q\n', encoding: 'utf8', timeout: 20_000 });
      t.equal(stdout.match(/^New, TLSv1\.2/gm)?.length, 1);
      t.equal(stdout.match(/^Reused, TLSv1\.2/gm)?.length, 5, 'each later connection resumes the first');
    }
    t.ok(await met(), `of both workers: ${before} before, ${await accepted(stage)} now`);
  });

  await t.test('keys rotated in their files', async (t) => {
    const reload = async (keys: readonly Buffer[]): Promise<void> => {
      const applied = await stage.proxy.stat('config.update_success');
      KEYS.forEach((name, i) => writeFileSync(join(stage.directory, name), keys[i]!));
      stage.proxy.signal('SIGHUP');
      await stage.proxy.statBecomes('config.update_success', applied + 1);
    };
    const [a, b, c, d] = [randomBytes(80), randomBytes(80), randomBytes(80), randomBytes(80)];
    for (const version of VERSIONS) {
      const comesBack = async (ticket: Buffer): Promise<boolean[]> => {
        const seen = new Set<boolean>();
        for (let i = 0; i < 8; i++) seen.add((await visit(stage, 'own', version, ticket)).reused);
        return [...seen];
      };
      await reload([b, a]);
      const first = await visit(stage, 'own', version);
      t.same(await comesBack(first.ticket), [true], `${version}: every worker has the key`);
      await reload([c, b]);
      const renewed = await visit(stage, 'own', version, first.ticket);
      t.equal(renewed.reused, true, 'the key is the older one now, and opens');
      await reload([d, c]);
      t.same(await comesBack(first.ticket), [false], 'it has gone: a full handshake, and no failure');
      t.same(await comesBack(renewed.ticket), [true], 'the ticket that was renewed is of the next key');
    }
  });
});
