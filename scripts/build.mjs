// Builds the project into build/: type-checks and compiles with tsc, copies what tsc leaves behind, removes what no
// longer has a source, and makes the command executable. Incremental: a second run without changes takes a second.

import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = join(root, 'build');
const TREES = ['src', 'test', 'bench', 'scripts'];
const OUTPUTS = ['.js', '.js.map', '.d.ts'];

/** Paths of all files below `dir`, relative to the project. */
function filesBelow(dir) {
  if (!existsSync(join(root, dir))) return [];
  return readdirSync(join(root, dir), { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}

/** What a source file leaves in build/: documentation and the scripts that run without a build leave nothing. */
function outputsOf(path) {
  if (path.endsWith('.d.ts') || path.endsWith('.md')) return [];
  if (path.startsWith('scripts') && !path.endsWith('.ts')) return [];
  if (path.endsWith('.ts')) return OUTPUTS.map((suffix) => path.slice(0, -'.ts'.length) + suffix);
  return [path];
}

function removeStale(wanted) {
  for (const tree of TREES) {
    for (const path of filesBelow(join('build', tree))) {
      if (!wanted.has(path.slice('build/'.length))) rmSync(join(root, path));
    }
  }
}

function compile() {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const result = spawnSync(process.execPath, [tsc, '-p', root], { stdio: 'inherit' });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** Copies with the modification time as the sign of a change. */
function copyRest(sources) {
  for (const path of sources) {
    if (path.endsWith('.ts') || !outputsOf(path).includes(path)) continue;
    const target = join(out, path);
    const from = statSync(join(root, path));
    if (existsSync(target) && statSync(target).mtimeMs >= from.mtimeMs) continue;
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(join(root, path), target);
  }
}

const sources = TREES.flatMap(filesBelow);
const wanted = new Set(sources.flatMap(outputsOf));
removeStale(wanted);
// tsc trusts its notes over the disk: with an output missing, it has to start afresh.
const complete = [...wanted].every((path) => !path.endsWith('.js') || existsSync(join(out, path)));
if (!complete) rmSync(join(out, '.tsbuildinfo'), { force: true });
copyRest(sources);
compile();
const command = join(out, 'src', 'cli.js');
if (existsSync(command)) chmodSync(command, 0o755);
