// Checks every import of src/ against the table of rooms (scripts/rooms.json): a room imports only the rooms it may, only
// their first-level files, nobody imports a root, and no file reaches itself through its imports. Type-only imports
// count as imports but make no cycle: nothing of them is left at run time.
//   node scripts/check-rooms.mjs [src directory]      prints the offenders; exit code 1 when there are any

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const here = dirname(fileURLToPath(import.meta.url));
const { roots, rooms } = JSON.parse(readFileSync(join(here, 'rooms.json'), 'utf8'));

/** `import type`, or an import or export list in which every name is a type. */
function isTypeOnly(node) {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  const clause = node.importClause;
  if (clause === undefined) return false;
  if (clause.isTypeOnly) return true;
  const names = clause.namedBindings;
  return clause.name === undefined && names !== undefined && ts.isNamedImports(names)
    && names.elements.length > 0 && names.elements.every((element) => element.isTypeOnly);
}

/** All module specifiers of a file: static, re-exported, dynamic and `import('…')` types. */
function importsOf(path) {
  const text = readFileSync(path, 'utf8');
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false, ts.ScriptKind.TS);
  const found = [];
  const add = (literal, typeOnly) => {
    const line = file.getLineAndCharacterOfPosition(literal.getStart(file)).line + 1;
    found.push({ specifier: literal.text, line, typeOnly });
  };
  const visit = (node) => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined) {
      add(node.moduleSpecifier, isTypeOnly(node));
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal, true);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [target] = node.arguments;
      if (target !== undefined && ts.isStringLiteralLike(target)) add(target, false);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** The room of a path relative to src, or '' for a first-level file. */
const roomOf = (path) => (path.includes(sep) ? path.slice(0, path.indexOf(sep)) : '');

/** What is wrong with one import, or null. */
function complaint(from, to) {
  const fromRoom = roomOf(from);
  const toRoom = roomOf(to);
  if (to.startsWith('..')) return null; // package.json and the like
  if (fromRoom === '' || fromRoom === toRoom) return null;
  if (toRoom === '') return `imports the root ${to}`;
  if (!(rooms[fromRoom] ?? []).includes(toRoom)) return `${fromRoom} may not import ${toRoom} (${to})`;
  if (to.split(sep).length === 2) return null;
  return `${to} is private to ${toRoom}: only its first-level files may be imported`;
}

/** Depth-first search for paths that come back; each cycle is reported once. */
function cyclesOf(graph) {
  const cycles = [];
  const done = new Set();
  const walk = (path, trail) => {
    const at = trail.indexOf(path);
    if (at >= 0) {
      cycles.push(`cycle: ${[...trail.slice(at), path].join(' → ')}`);
      return;
    }
    if (done.has(path)) return;
    for (const next of graph.get(path) ?? []) walk(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) walk(path, []);
  return cycles;
}

/** All offenders of the tree below `src`, one line each. */
export function checkRooms(src) {
  const files = readdirSync(src, { recursive: true }).filter((name) => name.endsWith('.ts')).sort();
  const offenders = [];
  const graph = new Map();
  for (const from of files) {
    const room = roomOf(from);
    if (room === '' && !roots.includes(from)) offenders.push(`${from}: not a root; every other file lives in a room`);
    if (room !== '' && !(room in rooms)) offenders.push(`${from}: ${room} is not a room of scripts/rooms.json`);
    const edges = [];
    for (const { specifier, line, typeOnly } of importsOf(join(src, from))) {
      if (!specifier.startsWith('.')) continue;
      const to = relative(src, resolve(src, dirname(from), specifier));
      const wrong = complaint(from, to);
      if (wrong !== null) offenders.push(`${from}:${line}: ${wrong}`);
      if (!typeOnly) edges.push(to);
    }
    graph.set(from, edges);
  }
  return [...offenders, ...cyclesOf(graph)];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const offenders = checkRooms(resolve(process.argv[2] ?? join(here, '..', 'src')));
  for (const offender of offenders) console.error(offender);
  if (offenders.length > 0) process.exitCode = 1;
}
