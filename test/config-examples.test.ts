// Every example of config/ is one that `nuncio validate` accepts.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const project = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const cli = join(project, 'build', 'src', 'cli.js');

const examples = readdirSync(join(project, 'config')).filter((name) => name !== 'nuncio.schema.json');

t.test('there are examples', async (t) => {
  t.ok(examples.includes('quickstart.json'));
  t.ok(examples.length >= 5);
});

for (const name of examples) {
  t.test(name, async (t) => {
    const file = join(project, 'config', name);
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'validate', '-c', file], { encoding: 'utf8' });
    t.equal(stderr, '');
    t.match(stdout, /OK/);
    t.equal(status, 0);
  });
}
