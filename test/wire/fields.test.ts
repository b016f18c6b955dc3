// Header fields cross unchanged: order, spelling of values, bytes above 0x7F, repeated and empty fields; Host as sent.

import t, { type Test } from 'tap';

import { values, type Field } from '../support/http-message.ts';
import { request } from '../support/raw-client.ts';
import { onEachEngine, simpleConfig, type Stage } from '../support/stage.ts';

t.setTimeout(60_000);

onEachEngine((stage) => simpleConfig(stage), {}, async (t, stage) => {
  await t.test('up', (t) => up(t, stage));
  await t.test('down', (t) => down(t, stage));
  await t.test('host', (t) => host(t, stage));
  await t.test('many and long', (t) => many(t, stage));
});

const FIELDS: readonly Field[] = [
  ['X-First', '1'],
  ['Accept', 'text/html, */*;q=0.8'],
  ['X-Latin', 'caf\xe9 \xa0\xff\x80 na\xefve'],
  ['X-Utf8', 'gr\xc3\xbc\xc3\x9f dich'],
  ['X-Repeat', 'a'],
  ['X-Empty', ''],
  ['X-Repeat', 'b, c'],
  ['X-Inside', 'tab\there  two  spaces'],
  ['Cookie', 'a=b; c="d, e"'],
  ['Cookie', 'f=g'],
  ['X-Quoted', '"\\"quoted\\"", (comment)'],
  ['x-lower', 'low'],
  ["X!#$%&'*+-.^_`|~9", 'every token character'],
  ['X-Edge', '\xe9\xff'],
  ['X-Last', 'z'],
];

const SENT = FIELDS.map(([name, text]) => `${name}: ${text}\r\n`).join('');

/** Only our own names, as they came out. */
function ours(fields: readonly Field[], engine: string): Field[] {
  const names = new Set(FIELDS.map(([name]) => name.toLowerCase()));
  const kept = fields.filter(([name]) => names.has(name.toLowerCase()));
  // Envoy lowers names, joins what repeats, and keeps its own place for well-known fields: only the values are compared.
  return engine === 'envoy' ? normalise(kept) : kept;
}

function normalise(fields: readonly Field[]): Field[] {
  const joined = new Map<string, string>();
  for (const [name, text] of fields) {
    const key = name.toLowerCase();
    const before = joined.get(key);
    joined.set(key, before === undefined ? text : `${before}${key === 'cookie' ? '; ' : ','}${text}`);
  }
  return [...joined].sort(([a], [b]) => (a < b ? -1 : 1));
}

function expected(engine: string): readonly Field[] {
  return engine === 'envoy' ? normalise(FIELDS) : FIELDS;
}

async function up(t: Test, stage: Stage): Promise<void> {
  const answer = await stage.exchange(`GET /up HTTP/1.1\r\nHost: Some.Host:80\r\n${SENT}\r\n`);
  t.equal(answer.status, 200);
  const [head] = stage.origin.seen('/up');
  t.strictSame(ours(head?.fields ?? [], stage.engine), expected(stage.engine), 'order, spelling and bytes are those of the caller');

  await stage.exchange('GET /spaces HTTP/1.1\r\nHost:a\r\nX-Tight:v\r\nX-Wide: \t  w \t \r\n\r\n');
  const [spaced] = stage.origin.seen('/spaces');
  t.strictSame(values(spaced as never, 'x-tight'), ['v']);
  t.strictSame(values(spaced as never, 'x-wide'), ['w'], 'white space around a value is no part of it');
}

async function down(t: Test, stage: Stage): Promise<void> {
  stage.origin.on('/down', (exchange) => exchange.send(`HTTP/1.1 200 Tr\xe8s bien\r\n${SENT}Set-Cookie: a=1, b\r\nSet-Cookie: c=2\r\nContent-Length: 0\r\n\r\n`));
  const answer = await stage.get('/down');
  t.strictSame(ours(answer.fields, stage.engine), expected(stage.engine), 'order, spelling and bytes are those of the origin');
  t.strictSame(values(answer, 'set-cookie'), ['a=1, b', 'c=2'], 'Set-Cookie is never joined');
}

async function host(t: Test, stage: Stage): Promise<void> {
  for (const [number, sent] of ['example.com', 'EXAMPLE.com:8080', '127.0.0.1', '[::1]:80', 'under_score.example', ''].entries()) {
    await stage.exchange(request('GET', `/host-${number}`, { Host: sent }));
    const [head] = stage.origin.seen(`/host-${number}`);
    t.strictSame(values(head as never, 'host'), [sent], `Host: ${sent}`);
  }
  for (const bad of ['a b', 'a,b', 'user@host', 'a/b', 'a?b', '[::1', 'a:b:c', 'a\xe9']) {
    const answer = await stage.exchange(request('GET', '/bad-host', { Host: bad }));
    if (stage.engine !== 'envoy') t.equal(answer.status, 400, `Host: ${bad} is refused`);
  }
  if (stage.engine !== 'envoy') t.equal(stage.origin.seen('/bad-host').length, 0);
}

async function many(t: Test, stage: Stage): Promise<void> {
  const fields = Object.fromEntries(Array.from({ length: 95 }, (_, n) => [`X-Many-${n}`, `value ${n}`]));
  const answer = await stage.exchange(request('GET', '/many', fields));
  t.equal(answer.status, 200, 'ninety-six fields');
  const [head] = stage.origin.seen('/many');
  t.equal(head?.fields.filter(([name]) => name.toLowerCase().startsWith('x-many-')).length, 95);

  const long = 'v'.repeat(50_000);
  await stage.exchange(request('GET', '/long', { 'X-Long': long }));
  t.strictSame(values(stage.origin.seen('/long')[0] as never, 'x-long'), [long], 'fifty thousand bytes in one field');

  stage.origin.on('/long-down', (exchange) => exchange.reply(200, { 'X-Long': long }));
  t.strictSame(values(await stage.get('/long-down'), 'x-long'), [long], 'and down');
}
