import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readConfigFile } from '../../src/control/config-file.ts';

const dir = mkdtempSync(join(tmpdir(), 'nuncio-config-'));
t.teardown(() => rmSync(dir, { recursive: true }));

function file(name: string, text: string): string {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
}

t.test('text by its name', async (t) => {
  const json = file('a.json', '{}');
  t.same(await readConfigFile(json), { file: json, format: 'json', text: '{}' });
  const yaml = file('a.yml', 'a: 1');
  t.same(await readConfigFile(yaml), { file: yaml, format: 'yaml', text: 'a: 1' });
});

t.test('a module is read anew each time; its export may be a promise', async (t) => {
  const path = file('a.mjs', 'export default { a: 1 };');
  t.same(await readConfigFile(path), { file: path, format: 'object', value: { a: 1 } });
  file('a.mjs', 'export default Promise.resolve({ a: 2 });');
  t.match(await readConfigFile(path), { value: { a: 2 } });
});

t.test('what cannot be read says why, in one line', async (t) => {
  await t.rejects(readConfigFile(join(dir, 'no.json')), { message: `${dir}/no.json: there is no such file (ENOENT)` });
  await t.rejects(readConfigFile(dir), { message: `${dir}: this is a directory (EISDIR)` });
  await t.rejects(readConfigFile(file('throws.mjs', 'throw new Error("boom")')), { message: `${dir}/throws.mjs: the module could not be loaded: boom` });
  await t.rejects(readConfigFile(file('none.mjs', 'export const a = 1')), { message: `${dir}/none.mjs: the module has no default export` });
  await t.rejects(readConfigFile(file('broken.mjs', 'export default {')), { message: /broken.mjs: the module could not be loaded/ });
  await t.rejects(readConfigFile(join(dir, 'no.mjs')), { message: /no.mjs: the module could not be loaded/ });
});
