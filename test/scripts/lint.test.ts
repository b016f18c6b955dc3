// The house's own lint rules catch what they are for, each in a small source, and leave the rest alone.

import { ESLint } from 'eslint';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const project = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const eslint = new ESLint({ cwd: project });

/** `rule: message` for everything that lint says about `text` as the file `path`. */
async function complaints(path: string, text: string): Promise<string[]> {
  const [result] = await eslint.lintText(text, { filePath: join(project, path) });
  return (result?.messages ?? []).map(({ ruleId, message }) => `${ruleId}: ${message}`);
}

/** Of the house's rules alone. */
async function houseComplaints(path: string, text: string): Promise<string[]> {
  return (await complaints(path, text)).filter((text) => text.startsWith('house/'));
}

const HOT = '// @hot\n';
const HOT_OFFENCES: Readonly<Record<string, string>> = {
  'export async function a() { return 1; }': 'async function',
  'export function a(b: Promise<void>) { return (async () => { await b; })(); }': 'async function',
  'export function* a() { yield 1; }': 'generator',
  'export function a(b: (() => number)[]) { for (let i = 0; i < 2; i++) b.push(() => i); }': 'closure made in a loop',
  'export function a(b: number[]) { return [...b]; }': 'spread',
  'export function a(...b: number[]) { return b; }': 'rest parameter or pattern',
  'export function a(b: { c?: number }) { delete b.c; }': 'delete',
  'export function a(b: string) { return JSON.parse(b) as unknown; }': 'JSON',
  'export function a(b: string) { return new RegExp(b); }': 'regular expression',
  'export function a(b: string) { return /x/.test(b); }': 'regular expression made on each call',
  'export function a(b: () => void) { while (true) { try { b(); } catch { return; } } }': 'try in a loop',
};

t.test('hot files', async (t) => {
  for (const [source, offence] of Object.entries(HOT_OFFENCES)) {
    const found = await houseComplaints('src/http/x.ts', HOT + source);
    t.ok(found.includes(`house/hot: ${offence} in a @hot file`), source);
    t.strictSame(await houseComplaints('src/http/x.ts', source), [], `not hot: ${source}`);
  }
  const fine = 'const X = /x/;\nexport function a(b: string) { try { return X.test(b); } catch { return false; } }';
  t.strictSame(await houseComplaints('src/http/x.ts', HOT + fine), []);
  t.strictSame(await houseComplaints('src/http/x.ts', `${HOT}export type Call = (...args: number[]) => number;`), []);
});

t.test('parameters', async (t) => {
  const count = async (params: string, head = ''): Promise<number> =>
    (await houseComplaints('src/http/x.ts', `${head}export function f(${params}) { return 0; }`)).length;
  t.equal(await count('a: 1, b: 1, c: 1, d: 1'), 0);
  t.equal(await count('a: 1, b: 1, c: 1, d: 1, e: 1'), 1);
  t.equal(await count('a: 1, b: 1, c: 1, d: 1, e: 1', HOT), 0);
  t.equal(await count('a: 1, b: 1, c: 1, d: 1, e: 1, f: 1', HOT), 1);
  t.equal(await count('buf: 1, start: 1, end: 1, last: 1, x: 1, y: 1, z: 1'), 0);
  t.equal(await count('start: 1, end: 1, at: 1, nameStart: 1, nameEnd: 1'), 1);
  t.equal(await count('a: 1, b: 1, c: 1, d: 1, e = 1'), 0);
  t.equal(await count('a: 1, b: 1, c: 1, d: 1, e = 1, f = 1'), 1);
});

/** A source, a place where it is forbidden, one where it is not (or '' for none), and the name complained about. */
const BANS: readonly (readonly [source: string, forbidden: string, allowed: string, name: string])[] = [
  ['Atomics.add(b, 0, 1)', 'src/proxy/x.ts', 'src/shared/x.ts', 'Atomics'],
  ['Atomics.wait(b, 0, 1)', 'src/shared/x.ts', '', 'Atomics.wait'],
  ['new SharedArrayBuffer(8)', 'src/control/x.ts', 'src/shared/x.ts', 'SharedArrayBuffer'],
  ['Date.now()', 'src/proxy/x.ts', 'src/core/x.ts', 'Date.now'],
  ['new Date()', 'src/observe/x.ts', 'src/core/x.ts', 'new Date()'],
  ['performance.now()', 'src/io/x.ts', 'src/core/x.ts', 'performance'],
  ['setTimeout(String, 1)', 'src/io/x.ts', 'src/core/x.ts', 'setTimeout'],
  ['setInterval(String, 1)', 'src/control/x.ts', 'src/core/x.ts', 'setInterval'],
  ['Math.random()', 'src/cluster/x.ts', 'src/core/x.ts', 'Math.random'],
  ['process.env', 'src/control/x.ts', 'src/cli.ts', 'process.env'],
];

t.test('names that belong to a room', async (t) => {
  for (const [expression, forbidden, allowed, name] of BANS) {
    const source = `export function f(b: Int32Array) { return [b, ${expression}]; }`;
    const found = await houseComplaints(forbidden, source);
    t.ok(found.some((text) => text.startsWith(`house/no-room-bans: ${name}: `)), `${expression} in ${forbidden}`);
    if (allowed !== '') t.strictSame(await houseComplaints(allowed, source), [], `${expression} in ${allowed}`);
  }
  const fine = 'export type A = SharedArrayBuffer; export const b = { setTimeout: 1 }; export const c = new Date(1); '
    + 'export const d = (performance: number) => performance + b.setTimeout;';
  t.strictSame(await houseComplaints('src/proxy/x.ts', fine), []);
});

t.test('modules that belong to a room', async (t) => {
  const banned = async (path: string, module: string): Promise<boolean> =>
    (await complaints(path, `import * as x from '${module}'; export const y = x;`))
      .some((text) => text.startsWith('@typescript-eslint/no-restricted-imports'));
  for (const [module, allowed] of [
    ['koffi', 'src/io/epoll/x.ts'], ['node:net', 'src/io/x.ts'], ['node:tls', 'src/io/node/x.ts'],
    ['node:http', 'src/control/x.ts'], ['node:timers', 'src/core/x.ts'], ['uWebSockets.js', 'src/listen/uws.ts'],
  ] as const) {
    t.ok(await banned('src/proxy/x.ts', module), `${module} in proxy`);
    t.notOk(await banned(allowed, module), `${module} in ${allowed}`);
  }
  t.ok(await banned('src/control/x.ts', 'node:http2'));
  t.ok(await banned('src/io/x.ts', 'koffi'));
  const pure = `import { isIP } from 'node:net'; import type { Socket } from 'node:net'; export const a: [typeof isIP, Socket?] = [isIP];`;
  t.strictSame(await complaints('src/config/x.ts', pure), []);
});

t.test('sizes, defaults, enums and unused things', async (t) => {
  const has = async (path: string, text: string, rule: string): Promise<boolean> =>
    (await complaints(path, text)).some((found) => found.startsWith(`${rule}:`));
  t.ok(await has('src/http/x.ts', 'export const a = 1;\n'.repeat(601), 'max-lines'));
  t.ok(await has('src/http/x.ts', `export function a() {\n${'Number(1);\n'.repeat(80)}}`, 'max-lines-per-function'));
  t.ok(await has('src/route/x.ts', 'export function a(b: 1) { if (b) { if (b) { if (b) { if (b) { Number(b); } } } } }', 'max-depth'));
  t.ok(await has('src/http/x.ts', 'export default 1;', 'no-restricted-syntax'));
  t.ok(await has('src/http/x.ts', 'export enum A { B }', 'no-restricted-syntax'));
  t.ok(await has('src/http/x.ts', "export * from './y.ts';", 'no-restricted-syntax'));
  t.ok(await has('src/http/x.ts', 'const a = 1;', '@typescript-eslint/no-unused-vars'));
});
