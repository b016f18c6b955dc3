// A Node that hides OpenSSL's symbols: what speaks TLS takes the node engine by itself, `/listeners` and the log say why,
// and what does not stays on epoll.

import { writeFileSync } from 'node:fs';
import { createServer as createHttpsServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import t from 'tap';

import { makeCertificate } from '../support/certificates.ts';
import { within } from '../support/deadline.ts';
import { byteEngines, type ProxyConfig } from '../support/run-proxy.ts';
import { dialOptions, get } from '../support/raw-client.ts';
import { onEachEngine, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

const authority = makeCertificate({ commonName: 'Fallback CA', authority: true });
const pair = makeCertificate({ names: ['a.test'], issuer: authority });
const upstream = createHttpsServer({ cert: pair.cert, key: pair.key }, (_incoming, answer) => answer.end('from behind TLS'));
await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
upstream.unref();

const HIDE = pathToFileURL(join(import.meta.dirname, '../support/hide-openssl.js')).href;
const engines = byteEngines.filter((engine) => engine === 'epoll');
const WHY = /^OpenSSL cannot be reached in this Node: /;

function config(stage: Stage): ProxyConfig {
  const put = (name: string, text: string): string => {
    writeFileSync(join(stage.directory, name), text);
    return join(stage.directory, name);
  };
  const tls = { certificates: [{ cert: put('a.pem', pair.cert), key: put('a.key', pair.key) }] };
  const http = { routes: [{ match: { prefix: '/behind' }, forward: { cluster: 'behind' } }, { match: { prefix: '/' }, forward: { cluster: 'app' } }] };
  const listener = (name: string, rest: object): object => ({ name, address: '127.0.0.1:0', ...rest });
  return {
    listeners: [listener('plain', { http }), listener('secure', { http, tls }), listener('tcp', { tcp: { cluster: 'behind' } }), listener('tcps', { tcp: { cluster: 'app' }, tls })],
    clusters: [
      { name: 'app', endpoints: [stage.origin.address] },
      { name: 'behind', endpoints: [`127.0.0.1:${(upstream.address() as AddressInfo).port}`], tls: { ca: put('ca.pem', authority.cert), serverName: 'a.test' } },
    ],
  } as unknown as ProxyConfig;
}

function getTls(address: string, path: string): Promise<string> {
  return within(`GET ${path}`, new Promise((resolve, reject) => {
    const asked = request({ ...dialOptions(address), path, ca: authority.cert, servername: 'a.test', headers: { host: 'a.test' }, agent: false }, (answer) => {
      let text = `${answer.statusCode} `;
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('end', () => resolve(text));
    });
    asked.on('error', reject);
    asked.end();
  }));
}

onEachEngine(config, { env: { NODE_OPTIONS: `--import=${HIDE}` } }, async (t, { proxy, origin }) => {
  const printed = Object.fromEntries([...proxy.run.stdout.matchAll(/^listening on (\w+):\S+ \((\w+), (\w+),/gm)].map(([, scheme, name, engine]) => [name, `${scheme} ${engine}`]));
  t.same(printed, { plain: 'http epoll', secure: 'https node', tcp: 'tcp epoll', tcps: 'tcp node' });

  const { listener_statuses: listed } = JSON.parse((await proxy.page('/listeners?format=json')).text) as { listener_statuses: { name: string; engine?: string; engine_reason?: string }[] };
  t.same(listed.map(({ name, engine }) => [name, engine]), [['plain', undefined], ['secure', 'node'], ['tcp', undefined], ['tcps', 'node']]);
  for (const { engine_reason: why } of listed.filter(({ engine }) => engine !== undefined)) t.match(why, WHY);

  t.equal((await get(proxy.listener('plain'), '/a')).status, 200);
  t.match(await getTls(proxy.listener('secure'), '/b'), /^200 /);
  t.same(origin.requests.map(({ target }) => target), ['/a', '/b']);
  t.equal((await get(proxy.listener('plain'), '/behind')).text, 'from behind TLS', 'epoll in, node out');
  t.equal(await getTls(proxy.listener('secure'), '/behind'), '200 from behind TLS');
  t.match(await getTls(proxy.listener('tcps'), '/c'), /^200 /);
  t.equal((await get(proxy.listener('tcp'), '/', { host: 'a.test', connection: 'close' })).text, 'from behind TLS');
}, engines);

if (engines.length === 0) t.pass('only the epoll engine can fall back');
process.on('beforeExit', () => upstream.close());
