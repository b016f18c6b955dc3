// The public API: a proxy in the process of its caller.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parseAddress } from '../../src/config/address.ts';
import { start } from '../../src/index.ts';
import { ask } from '../support/ask.ts';

function answering(body: string, part: object = {}): object {
  return { admin: { address: '127.0.0.1:0' }, workers: 1, listeners: [{ name: 'edge', address: '127.0.0.1:0', http: { routes: [{ match: { prefix: '/' }, respond: { status: 200, body } }] } }], ...part };
}

const quiet = { env: {}, log: () => undefined };

t.test('a document: started, asked, reloaded, drained', async (t) => {
  const signals = process.listenerCount('SIGTERM');
  const proxy = await start({ ...quiet, config: answering('one') });
  const edge = parseAddress(proxy.addresses['edge']!);
  t.equal((await ask(edge, '/')).body, 'one');
  t.equal((await ask(parseAddress(proxy.adminAddress!), '/ready')).body, 'LIVE\n');
  t.same(await proxy.reload(answering('two')), []);
  t.equal((await ask(edge, '/')).body, 'two');
  t.match(await proxy.reload({ listeners: 1 }), [/\/listeners: /]);
  t.equal((await ask(edge, '/')).body, 'two');
  t.equal(process.listenerCount('SIGTERM'), signals, 'signals are the caller\'s');
  await proxy.drain();
  await t.rejects(ask(edge, '/'), { code: 'ECONNREFUSED' });
});

for (const engine of ['auto', 'node']) {
  t.test(`engine ${engine}: a listener renamed on its address is the new one at once, and costs no worker`, async (t) => {
    const lines: string[] = [];
    const named = (name: string, address: string): object => ({ ...answering(''), engine, workers: 2, listeners: [{ name, address, http: { routes: [{ match: { prefix: '/' }, respond: { status: 200, body: name } }] } }] });
    const first = await start({ ...quiet, config: named('probe', '127.0.0.1:0') });
    const address = first.addresses['probe']!; // a port that was free a moment ago
    await first.stop();
    const proxy = await start({ env: {}, log: (line) => lines.push(line), config: named('a', address) });
    t.teardown(() => proxy.stop());
    for (const name of ['b', 'c', 'b']) {
      t.same(await proxy.reload(named(name, address)), []);
      const replies = await Promise.all(Array.from({ length: 10 }, () => ask(parseAddress(address), '/')));
      for (const reply of replies) t.equal(reply.body, name);
    }
    t.notMatch(lines.join(''), /died|error/);
  });
}

t.test('a file; two proxies in one process', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'nuncio-start-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'nuncio.json');
  writeFileSync(file, JSON.stringify(answering('${WORD:-none}', { admin: false, watch: false })));
  const proxies = await Promise.all([start({ ...quiet, config: file, env: { WORD: 'a' } }), start({ ...quiet, config: file })]);
  t.same(await Promise.all(proxies.map(async (proxy) => (await ask(parseAddress(proxy.addresses['edge']!), '/')).body)), ['a', 'none']);
  t.equal(proxies[0].adminAddress, null);
  await Promise.all(proxies.map((proxy) => proxy.stop()));
});

t.test('what is wrong comes as reasons', async (t) => {
  const reasons = async (config: string | object): Promise<unknown> => {
    try {
      await start({ ...quiet, config });
    } catch (error) {
      return (error as { reasons: unknown }).reasons;
    }
    return null;
  };
  t.match(await reasons({ listners: [] }), [/^configuration: \/listners: .*did you mean "listeners"/]);
  t.same(await reasons('/no/such.json'), ['/no/such.json: there is no such file (ENOENT)']);
  t.match(await reasons(answering('', { listeners: [{ address: '192.0.2.1:1', http: { routes: [{ match: { prefix: '/' }, respond: { status: 200 } }] } }] })), [/^listener 192\.0\.2\.1:1: this machine has no such address \(EADDRNOTAVAIL\)$/]);
});
