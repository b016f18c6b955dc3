import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const probe = fileURLToPath(new URL('../support/shape-probe.js', import.meta.url));

t.test('whatever a request went through, its objects keep one hidden class', async (t) => {
  const out = execFileSync(process.execPath, ['--allow-natives-syntax', probe], { encoding: 'utf8' });
  const kinds = out.trim().split('\n').map((line) => line.split(' ') as [string, string, string]);
  t.same(kinds.map(([kind]) => kind).sort(), ['H1Down', 'H1Up', 'Head', 'Host', 'Journey']);
  for (const [kind, count, odd] of kinds) {
    t.ok(Number(count) > 1, `${kind}: ${count} seen`);
    t.equal(odd, '0', `${kind}: of another shape`);
  }
});
