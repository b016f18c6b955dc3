// Every example of config/ is one that `nuncio validate` accepts.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

import { makeCertificate } from './support/certificates.ts';

const project = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const cli = join(project, 'build', 'src', 'cli.js');

const examples = readdirSync(join(project, 'config')).filter((name) => name !== 'nuncio.schema.json');

t.test('there are examples', async (t) => {
  t.ok(examples.includes('quickstart.json'));
  t.ok(examples.length >= 5);
});

/** Where the example can be read with the files that it names. */
function withCertificates(t: Test, name: string): string {
  const config = join(project, 'config');
  const text = readFileSync(join(config, name), 'utf8');
  const named = [...text.matchAll(/"certs\/(\w+)\.pem"/g)].map(([, base]) => base!);
  if (named.length === 0) return config;
  const directory = mkdtempSync(join(tmpdir(), 'nuncio-example-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, 'certs'));
  writeFileSync(join(directory, name), text);
  for (const base of named) {
    const { cert, key } = makeCertificate({ names: [`${base}.example`] });
    writeFileSync(join(directory, 'certs', `${base}.pem`), cert);
    writeFileSync(join(directory, 'certs', `${base}.key`), key);
  }
  return directory;
}

for (const name of examples) {
  t.test(name, async (t) => {
    const file = join(withCertificates(t, name), name);
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'validate', '-c', file], { encoding: 'utf8' });
    t.equal(stderr, '');
    t.match(stdout, /OK/);
    t.equal(status, 0);
  });
}
