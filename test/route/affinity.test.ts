// What a request hashes to, the cookies that answers set for it, and the host that a session sticks to.

import t from 'tap';
import type { HashOnConfig, StickySessionConfig } from '../../src/config/snapshot.ts';
import { hashed, xxHash64 } from '../../src/core/xx-hash.ts';
import { CompiledRoute } from '../../src/route/compiled-route.ts';
import { compileAffinity } from '../../src/route/compile/affinity-compiler.ts';
import { hashRequest } from '../../src/route/request-hash.ts';
import { readSession, sessionValue, writeSession, type StickyRule } from '../../src/route/sticky-session.ts';
import { forward, streamOf, type LoneStream } from './request.ts';

const hex = (high: number, low: number): string => [high, low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');

function plain(text: string): string {
  xxHash64(text);
  return hex(hashed.high, hashed.low);
}

/** Each rotated by one bit before the next is mixed in. */
function combined(...texts: readonly string[]): string {
  let all = 0n;
  for (const text of texts) all = (((all << 1n) | (all >> 63n)) & ((1n << 64n) - 1n)) ^ BigInt(`0x${plain(text)}`);
  return all.toString(16).padStart(16, '0');
}

function hashOn(part: Partial<HashOnConfig>): HashOnConfig {
  return { source: 'header', name: 'x-key', terminal: false, ttlSeconds: null, path: '', attributes: [], ...part };
}

function hash(stream: LoneStream, ...entries: readonly Partial<HashOnConfig>[]): string | null {
  const route = new CompiledRoute();
  compileAffinity(route, forward({ hashOn: entries.map(hashOn) }));
  hashRequest(route.hashRules, stream);
  return stream.isHashed ? hex(stream.hashHigh, stream.hashLow) : null;
}

t.test('headers', async (t) => {
  t.equal(hash(streamOf({ headers: ['X-Key: abc'] }), {}), plain('abc'));
  t.equal(hash(streamOf({ headers: ['x-other: abc'] }), {}), null, 'without it there is no hash');
  t.equal(hash(streamOf({ headers: ['x-key: '] }), {}), plain(''), 'an empty one is there');
  t.equal(hash(streamOf({ headers: ['x-key: b', 'x-key: a'] }), {}), plain('ab'), 'several, in order of their values');
  t.equal(hash(streamOf({ path: '/a?b' }), { name: ':path' }), plain('/a?b'));
  t.equal(hash(streamOf({ host: 'h.test' }), { name: 'host' }), plain('h.test'));
});

t.test('query parameters, as sent', async (t) => {
  t.equal(hash(streamOf({ path: '/x?a=1&id=%20b&id=2' }), { source: 'query', name: 'id' }), plain('%20b'));
  t.equal(hash(streamOf({ path: '/x?id' }), { source: 'query', name: 'id' }), plain(''));
  t.equal(hash(streamOf({ path: '/x?ident=1' }), { source: 'query', name: 'id' }), null);
});

t.test('the client', async (t) => {
  const stream = streamOf({});
  stream.remoteAddress = '10.0.0.1';
  stream.trustedAddress = '192.0.2.7';
  t.equal(hash(stream, { source: 'sourceIp', name: '' }), plain('192.0.2.7'), 'as far as it is trusted, without port');
});

t.test('several, and one that ends it', async (t) => {
  const both = streamOf({ path: '/?id=9', headers: ['x-key: abc', 'x-b: abc'] });
  t.equal(hash(both, {}, { source: 'query', name: 'id' }), combined('abc', '9'));
  t.equal(hash(both, {}, { name: 'x-b' }), combined('abc', 'abc'), 'the same value twice does not cancel itself');
  t.not(hash(both, {}, { name: 'x-b' }), '0000000000000000');
  t.equal(hash(both, { name: 'x-none' }, { source: 'query', name: 'id' }), plain('9'));
  t.equal(hash(both, { terminal: true }, { source: 'query', name: 'id' }), plain('abc'));
  t.equal(hash(both, { name: 'x-none', terminal: true }, { source: 'query', name: 'id' }), plain('9'), 'only with a hash it ends');
  t.equal(hash(both, { }, { name: 'x-none', terminal: true }, { source: 'query', name: 'id' }), plain('abc'), 'one from before will do');
});

t.test('cookies', async (t) => {
  const cookie = { source: 'cookie', name: 'sid' } as const;
  t.equal(hash(streamOf({ headers: ['cookie: a=b; sid=v1; sid=v2'] }), cookie), plain('v1'));
  t.equal(hash(streamOf({ headers: ['cookie: sid="v 1"'] }), cookie), plain('v 1'), 'quotes are not part of it');
  t.equal(hash(streamOf({ headers: ['cookie: a=1', 'cookie: b=2;sid=x'] }), cookie), plain('x'), 'in any line');
  t.equal(hash(streamOf({ headers: ['cookie: xsid=1; sidx=2; SID=3'] }), cookie), null);
  t.equal(hash(streamOf({ headers: ['cookie: sid='] }), cookie), null);
  const stream = streamOf({});
  hash(stream, cookie);
  t.equal(stream.answerCookie, '', 'without ttl none is made');
});

t.test('a cookie that is made', async (t) => {
  const ask = (part: Partial<HashOnConfig>, headers: string[] = []): LoneStream => {
    const stream = streamOf({ headers });
    stream.remoteAddress = stream.trustedAddress = '127.0.0.1';
    stream.remotePort = 41000;
    stream.localAddress = '127.0.0.1';
    stream.localPort = 8080;
    hash(stream, { source: 'cookie', name: 'sid', ttlSeconds: 3600, ...part });
    return stream;
  };
  const value = plain('127.0.0.1:41000127.0.0.1:8080');
  const made = ask({ path: '/p', attributes: [['SameSite', 'Lax'], ['Secure', '']] });
  t.equal(made.answerCookie, `sid="${value}"; Max-Age=3600; Path=/p; SameSite=Lax; Secure; HttpOnly`, 'as Envoy 1.40 writes it');
  t.equal(hex(made.hashHigh, made.hashLow), plain(value), 'the request goes where the next one will go');
  t.equal(ask({ ttlSeconds: 0 }).answerCookie, `sid="${value}"; HttpOnly`, 'for the browser\'s session');
  t.equal(ask({}, [`cookie: sid="${value}"`]).answerCookie, '', 'none for who has one');
});

// ---- sticky sessions ----

const NOW = Date.UTC(2026, 10, 29);

function sticky(part: Partial<StickySessionConfig>): StickyRule {
  const route = new CompiledRoute();
  compileAffinity(route, forward({ stickySession: { carrier: 'cookie', name: 'host', ttlSeconds: 120, path: '', strict: false, ...part } }));
  return route.sticky!;
}

function asked(rule: StickyRule, headers: string[], path = '/sticky/a'): LoneStream {
  const stream = streamOf({ path, headers });
  readSession(rule, stream, NOW);
  return stream;
}

t.test('the values are Envoy\'s', async (t) => {
  // Read off Envoy 1.40: address alone, and address with the second in which it expires.
  t.equal(sessionValue('127.0.0.1:29102', 0, 0), 'Cg8xMjcuMC4wLjE6MjkxMDI=');
  const envoys = 'Cg8xMjcuMC4wLjE6MjkxMDEQlNux2AY=';
  t.equal(sessionValue('127.0.0.1:29101', 120, Date.UTC(2026, 10, 29, 18, 21, 16)), envoys);
  const at = (second: number): string => {
    const stream = streamOf({ headers: [`cookie: host="${envoys}"`] });
    readSession(sticky({}), stream, Date.UTC(2026, 10, 29, 18, 23, second));
    return stream.stickyHost;
  };
  t.equal(at(15), '127.0.0.1:29101');
  t.equal(at(17), '', 'two minutes are over');
});

t.test('a cookie names the host', async (t) => {
  const value = sessionValue('10.0.0.1:80', 120, NOW);
  t.equal(asked(sticky({}), [`cookie: a=b; host="${value}"`]).stickyHost, '10.0.0.1:80');
  t.equal(asked(sticky({}), [`cookie: host=${Buffer.from('10.0.0.1:80').toString('base64')}`]).stickyHost, '10.0.0.1:80', 'the bare address, as older ones');
  t.equal(asked(sticky({}), [`cookie: host="${sessionValue('10.0.0.1:80', 120, NOW - 121_000)}"`]).stickyHost, '', 'expired');
  t.equal(asked(sticky({}), ['cookie: host="%%%"']).stickyHost, '');
  for (const cut of [1, 2, 3, 5, 12, 13]) {
    const bytes = Buffer.from(value, 'base64').subarray(0, cut);
    t.doesNotThrow(() => asked(sticky({}), [`cookie: host=${bytes.toString('base64')}`]), `cut after ${cut} bytes`);
  }
  t.equal(asked(sticky({ strict: true }), [`cookie: host="${value}"`]).stickyOnly, true);
  t.equal(asked(sticky({ strict: true }), []).stickyOnly, false, 'whoever names none may go anywhere');
});

t.test('the path of a cookie', async (t) => {
  const header = [`cookie: host="${sessionValue('10.0.0.1:80', 0, NOW)}"`];
  for (const [path, target, known] of [['/a', '/a', true], ['/a', '/a/b', true], ['/a', '/a?b', true], ['/a', '/ab', false], ['/a/', '/a/b', true], ['/', '/x', true], ['', '/x', true], ['/a', '/', false]] as const) {
    t.equal(asked(sticky({ path }), header, target).stickyHost !== '', known, `${path} and ${target}`);
  }
});

t.test('the answer names the host, where the request did not', async (t) => {
  const fields = (stream: LoneStream): string[] => [...stream.answerHead().added];
  const value = sessionValue('10.0.0.2:80', 120, NOW);
  const fresh = asked(sticky({ path: '/sticky' }), []);
  writeSession(sticky({ path: '/sticky' }), fresh, '10.0.0.2:80', NOW);
  t.same(fields(fresh), ['set-cookie', `host="${value}"; Max-Age=120; Path=/sticky; HttpOnly`]);
  const known = asked(sticky({}), [`cookie: host="${value}"`]);
  writeSession(sticky({}), known, '10.0.0.2:80', NOW);
  t.same(fields(known), [], 'it is there already');
  const moved = asked(sticky({}), [`cookie: host="${value}"`]);
  writeSession(sticky({}), moved, '10.0.0.3:80', NOW);
  t.equal(fields(moved).length, 2, 'another host now');
});

t.test('a header', async (t) => {
  const rule = sticky({ carrier: 'header', name: 'x-host', strict: true });
  const address = Buffer.from('127.0.0.1:29103').toString('base64');
  const stream = asked(rule, [`X-Host: ${address}`]);
  t.equal(stream.stickyHost, '127.0.0.1:29103');
  writeSession(rule, stream, '127.0.0.1:29103', NOW);
  t.same([...stream.answerHead().added], []);
  const other = asked(rule, []);
  writeSession(rule, other, '127.0.0.1:29103', NOW);
  t.same([...other.answerHead().added], ['x-host', 'MTI3LjAuMC4xOjI5MTAz'], 'as Envoy 1.40 writes it');
});
