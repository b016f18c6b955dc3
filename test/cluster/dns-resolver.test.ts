// Names asked for over real sockets, from a scripted server, and out of the system's files.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';

import type { Answer, Question } from '../../src/cluster/dns/look-up.ts';
import { DnsResolver } from '../../src/cluster/dns/resolver.ts';
import { candidates, readHosts, readSearchList } from '../../src/cluster/dns/system-files.ts';
import { DnsServer, type Said } from '../support/dns-server.ts';
import { ManualTime } from '../support/manual-time.ts';

async function setUp(t: Test, names: Readonly<Record<string, Said>>): Promise<{ server: DnsServer; ask: (name: string, family?: Question['family']) => Promise<Answer> }> {
  const server = await DnsServer.start(t);
  for (const [name, said] of Object.entries(names)) server.say(name, said);
  const resolver = new DnsResolver({ timeoutMs: 100, tries: 2 });
  t.teardown(() => resolver.close());
  return { server, ask: (name, family = 'auto') => resolver.ask({ name, family, resolvers: [server.address] }) };
}

const found = (...hosts: string[]): Answer => ({ kind: 'found', addresses: hosts.map((host) => ({ host, ttlMs: 7000 })) });
const failed = (why: string): Answer => ({ kind: 'failed', why });

t.test('families', async (t) => {
  const { server, ask } = await setUp(t, {
    'both.test': { a: ['10.0.0.1', '10.0.0.2'], aaaa: ['fd00::1'], ttl: 7 },
    'four.test': { a: ['10.0.0.4'], ttl: 7 },
    'six.test': { aaaa: ['fd00::6'], ttl: 7 },
  });
  t.same(await ask('both.test'), found('fd00::1'));
  t.same(server.asked.splice(0), ['aaaa both.test'], 'IPv4 is asked for only where there is no IPv6');
  t.same(await ask('four.test'), found('10.0.0.4'));
  t.same(server.asked.splice(0), ['aaaa four.test', 'a four.test']);
  t.same(await ask('both.test', 'v4Preferred'), found('10.0.0.1', '10.0.0.2'));
  t.same(await ask('six.test', 'v4Preferred'), found('fd00::6'));
  t.same(await ask('both.test', 'v4Only'), found('10.0.0.1', '10.0.0.2'));
  t.same(await ask('both.test', 'v6Only'), found('fd00::1'));
  t.same(await ask('four.test', 'v6Only'), found());
  t.same(await ask('both.test', 'all'), found('fd00::1', '10.0.0.1', '10.0.0.2'));
  t.same(await ask('four.test', 'all'), found('10.0.0.4'));
  t.same(await ask('BOTH.test.'), found('fd00::1'), 'case and a last dot do not matter');
});

t.test('what is no answer', async (t) => {
  const { server, ask } = await setUp(t, { 'broken.test': 'SERVFAIL', 'silent.test': 'silence', 'empty.test': {} });
  t.same(await ask('none.test'), failed('ENOTFOUND'));
  t.same(await ask('broken.test'), failed('ESERVFAIL'));
  t.same(await ask('silent.test', 'v4Only'), failed('ETIMEOUT'));
  t.same(await ask('empty.test'), found(), 'the name is there, and has no address');
  t.same(await ask('empty.test', 'all'), found());
  t.same(await ask('é'.repeat(300)), failed('EBADNAME'));
  const resolver = new DnsResolver({ timeoutMs: 100, tries: 1 });
  t.same(await resolver.ask({ name: 'a.test', family: 'v4Only', resolvers: ['127.0.0.1:1', server.address] }), failed('ENOTFOUND'), 'the second is asked where the first does not listen');
  t.same(await resolver.ask({ name: 'a.test', family: 'v4Only', resolvers: ['no address'] }), failed('ERR_INVALID_IP_ADDRESS'), 'nothing is thrown');
});

t.test('one family that nobody can tell of, another that has no address', async (t) => {
  const { server, ask } = await setUp(t, { 'half.test': {} });
  server.say('half.test', 'SERVFAIL', 'a');
  t.same(await ask('half.test'), failed('ESERVFAIL'), 'is not an empty answer: hosts would go');
  server.say('half.test', 'SERVFAIL', 'aaaa');
  server.say('half.test', { a: ['10.0.0.1'], ttl: 7 }, 'a');
  t.same(await ask('half.test'), found('10.0.0.1'), 'what there is counts');
  t.same(await ask('half.test', 'all'), found('10.0.0.1'));
});

t.test('an answer is not kept: the next question goes out again', async (t) => {
  const { server, ask } = await setUp(t, { 'a.test': { a: ['10.0.0.1'], ttl: 7 } });
  await ask('a.test', 'v4Only');
  server.say('a.test', { a: ['10.0.0.2'], ttl: 7 });
  t.same(await ask('a.test', 'v4Only'), found('10.0.0.2'));
  t.equal(server.asked.length, 2);
});

t.test('the files of the system', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'nuncio-dns-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const hostsFile = join(directory, 'hosts');
  const resolvFile = join(directory, 'resolv.conf');
  writeFileSync(hostsFile, '# mine\n127.0.0.5 App.Test alias # here\n::5\talias\nfe80::1%lo alias\n\n');
  const time = new ManualTime();
  const resolver = new DnsResolver({ time, hostsFile, resolvFile });
  t.teardown(() => resolver.close());
  const ask = async (name: string, family: Question['family']): Promise<unknown> => {
    const answer = await resolver.ask({ name, family, resolvers: [] });
    return answer.kind === 'found' ? answer.addresses.map(({ host, ttlMs }) => `${host} ${ttlMs}`) : answer.why;
  };
  t.same(await ask('app.test', 'auto'), ['127.0.0.5 0'], 'IPv4 is what the file has');
  t.same(await ask('ALIAS.', 'auto'), ['::5 0']);
  t.same(await ask('alias', 'v4Preferred'), ['127.0.0.5 0']);
  t.same(await ask('alias', 'all'), ['::5 0', '127.0.0.5 0']);
  t.same(await ask('localhost', 'v4Only'), ['127.0.0.1 0'], 'even where no file says so');
  t.same(await ask('localhost', 'all'), ['::1 0', '127.0.0.1 0']);
  writeFileSync(hostsFile, '127.0.0.6 app.test\n');
  time.advance(999);
  t.same(await ask('app.test', 'auto'), ['127.0.0.5 0']);
  time.advance(1);
  t.same(await ask('app.test', 'auto'), ['127.0.0.6 0'], 'a changed file is read again');
});

t.test('hosts and search lists', async (t) => {
  t.same([...readHosts('1.1.1.1 a b\n2.2.2.2 a\nfe80::2%eth0 a\n#3.3.3.3 a')], [['a', ['1.1.1.1', '2.2.2.2']], ['b', ['1.1.1.1']]]);
  t.same(readSearchList(''), { domains: [], ndots: 1 });
  t.same(readSearchList('domain x\nsearch a.b c. .\noptions edns0 ndots:5 timeout:1\nnameserver 1.1.1.1'), { domains: ['a.b', 'c.'], ndots: 5 });
  t.same(readSearchList('search a\ndomain b # comment'), { domains: ['b'], ndots: 1 });
  const cluster = { domains: ['ns.svc', 'svc.'], ndots: 2 };
  t.same(candidates('app', cluster), ['app.ns.svc', 'app.svc', 'app']);
  t.same(candidates('app.other', cluster), ['app.other.ns.svc', 'app.other.svc', 'app.other']);
  t.same(candidates('a.b.c', cluster), ['a.b.c', 'a.b.c.ns.svc', 'a.b.c.svc']);
  t.same(candidates('app.', cluster), ['app']);
});
