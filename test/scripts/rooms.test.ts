// The table of rooms holds for src/, and the check that says so can fail: a small tree breaks every rule once.

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import t from 'tap';

const project = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
const script = join(project, 'scripts', 'check-rooms.mjs');
const { checkRooms } = await import(pathToFileURL(script).href) as { checkRooms(src: string): string[] };

function write(dir: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
}

t.test('every import of src keeps to the table', async (t) => {
  t.strictSame(checkRooms(join(project, 'src')), []);
});

t.test('what is allowed passes', async (t) => {
  const dir = t.testdir({});
  write(dir, {
    'worker.ts': `import './worker-runtime.ts'; import './io/epoll/loop.ts';`,
    'worker-runtime.ts': `import './proxy/journey.ts'; import './route/table/exact.ts';`,
    'proxy/journey.ts': `import { a } from '../route/match.ts'; import './attempt.ts'; import 'node:fs';`,
    'proxy/attempt.ts': `import type { Journey } from './journey.ts';`,
    'route/match.ts': `import './table/exact.ts'; export const a = 1;`,
    'route/table/exact.ts': `import '../../core/head.ts';`,
    'io/epoll/loop.ts': `import '../conn.ts';`,
    'io/conn.ts': `// import '../proxy/journey.ts';`,
    'core/head.ts': '',
  });
  t.strictSame(checkRooms(dir), []);
});

t.test('every rule is enforced', async (t) => {
  const dir = t.testdir({});
  write(dir, {
    // rooms that are not in the list: by a type, a re-export, a dynamic import and an import type
    'core/head.ts': `\nimport type { A } from '../io/conn.ts';`,
    'http/parser.ts': `export { a } from '../config/snapshot.ts';`,
    'route/match.ts': `const later = () => import('../cluster/pick.ts'); export type B = import('../http/parser.ts').B;`,
    // rooms that never meet
    'listen/h1.ts': `import '../proxy/journey.ts';`,
    'proxy/journey.ts': `import '../listen/h1.ts';`,
    // a private file of another room, a root imported from a room
    'proxy/attempt.ts': `import '../cluster/lb/ring-hash.ts';\nimport '../worker.ts';`,
    // a cycle within a room, longer than two
    'io/a.ts': `import './b.ts';`,
    'io/b.ts': `import './c.ts';`,
    'io/c.ts': `import './a.ts';`,
    // files that live in no room
    'tools.ts': '',
    'misc/things.ts': '',
    'worker.ts': '',
  });
  const command = spawnSync(process.execPath, [script, dir], { encoding: 'utf8' });
  t.equal(command.status, 1);
  t.strictSame(command.stderr.trim().split('\n'), checkRooms(dir), 'the command says the same');
  t.strictSame(checkRooms(dir).sort(), [
    'core/head.ts:2: core may not import io (io/conn.ts)',
    'cycle: io/a.ts → io/b.ts → io/c.ts → io/a.ts',
    'cycle: listen/h1.ts → proxy/journey.ts → listen/h1.ts',
    'http/parser.ts:1: http may not import config (config/snapshot.ts)',
    'listen/h1.ts:1: listen may not import proxy (proxy/journey.ts)',
    'misc/things.ts: misc is not a room of scripts/rooms.json',
    'proxy/attempt.ts:1: cluster/lb/ring-hash.ts is private to cluster: only its first-level files may be imported',
    'proxy/attempt.ts:2: imports the root worker.ts',
    'proxy/journey.ts:1: proxy may not import listen (listen/h1.ts)',
    'route/match.ts:1: route may not import cluster (cluster/pick.ts)',
    'route/match.ts:1: route may not import http (http/parser.ts)',
    'tools.ts: not a root; every other file lives in a room',
  ]);
});
