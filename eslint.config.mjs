// The norms of the house as lint: sizes and nesting everywhere, the rules of hot files, and what only certain rooms of
// src/ may use. The imports between rooms are checked by scripts/check-rooms.mjs. No type information: it stays fast.

import { readFileSync } from 'node:fs';
import tseslint from 'typescript-eslint';
import house from './scripts/eslint-rules.mjs';

const { rooms, roots } = JSON.parse(readFileSync(new URL('scripts/rooms.json', import.meta.url), 'utf8'));

const CLOCK = 'clocks and timers come from core/clock.ts, or from io/timer-wheel.ts';
const MEMORY = 'shared memory is the business of room shared';

/** Names and members with the rooms that may use them. */
const BANNED_NAMES = [
  { allowed: ['shared'], names: { Atomics: MEMORY, SharedArrayBuffer: MEMORY } },
  {
    allowed: ['core'],
    names: {
      'Date.now': CLOCK, 'new Date()': CLOCK, performance: CLOCK, 'process.hrtime': CLOCK,
      setTimeout: CLOCK, setInterval: CLOCK, 'Math.random': 'randomness comes from core/random.ts',
    },
  },
  { allowed: [], names: { 'Atomics.wait': 'no thread ever blocks on another' } },
  { allowed: ['roots'], names: { 'process.env': 'the environment is read in the roots and handed down' } },
];

/** Modules with the rooms or files that may import them. Types may be imported anywhere, and so may pure functions. */
const BANNED_MODULES = [
  { allowed: ['core'], modules: ['node:timers', 'node:timers/promises', 'node:perf_hooks'], why: CLOCK },
  { allowed: ['control'], modules: ['node:http', 'node:https'], why: 'the data path has its own codecs' },
  { allowed: [], modules: ['node:http2'], why: 'the data path has its own codecs' },
  { allowed: ['io/epoll'], modules: ['koffi'], why: 'system calls are bound in io/epoll alone' },
  { allowed: ['io'], modules: ['node:tls', 'node:dgram'], why: 'sockets are the business of room io' },
  {
    allowed: ['io'], modules: ['node:net'], why: 'sockets are the business of room io',
    pure: ['isIP', 'isIPv4', 'isIPv6', 'BlockList', 'SocketAddress'],
  },
  { allowed: ['listen/uws.ts'], modules: ['uWebSockets.js'], why: 'listen/uws.ts alone knows it' },
];

const isAllowed = (allowed, place) => allowed.some((room) => place === room || place.startsWith(`${room}/`));

/** The two ban rules as they hold at one place: a room, a folder or file in it, or `roots`. */
function bansAt(place) {
  const names = BANNED_NAMES.filter(({ allowed }) => !isAllowed(allowed, place)).map((ban) => ban.names);
  const paths = BANNED_MODULES.filter(({ allowed }) => !isAllowed(allowed, place)).flatMap((ban) =>
    ban.modules.map((name) => ({
      name, message: ban.why, allowTypeImports: true, ...(ban.pure === undefined ? {} : { allowImportNames: ban.pure }),
    })));
  return {
    'house/no-room-bans': ['error', Object.assign({}, ...names)],
    '@typescript-eslint/no-restricted-imports': ['error', { paths }],
  };
}

const SPECIAL_PLACES = ['io/epoll', 'listen/uws.ts'];
const placeFiles = (place) => (place.endsWith('.ts') ? `src/${place}` : `src/${place}/**/*.ts`);
const roomConfigs = [
  { files: roots.map((root) => `src/${root}`), rules: bansAt('roots') },
  ...Object.keys(rooms).map((room) => ({ files: [`src/${room}/**/*.ts`], rules: bansAt(room) })),
  ...SPECIAL_PLACES.map((place) => ({ files: [placeFiles(place)], rules: bansAt(place) })),
];

const SIZES = {
  'max-lines': ['error', { max: 600 }],
  'max-lines-per-function': ['error', { max: 80 }],
  'max-depth': ['error', 3],
  'house/max-params': ['error', { max: 4, hot: 5 }],
};

export default tseslint.config(
  { ignores: ['build/', 'node_modules/', '.tap/', 'bench/results/', '**/*.generated.js', '**/*.generated.ts'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  ...tseslint.configs.strict,
  {
    plugins: { house },
    rules: {
      ...SIZES,
      'house/hot': 'error',
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-throw-literal': 'error',
      'no-unused-expressions': 'off',
      '@typescript-eslint/no-unused-expressions': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { args: 'after-used', argsIgnorePattern: '^_', caughtErrors: 'all' }],
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      // Deleting by a computed key is slow, which matters in hot files alone, and there all deletion is refused.
      '@typescript-eslint/no-dynamic-delete': 'off',
      // An index proven by the lines above it needs no second check on the road.
      '@typescript-eslint/no-non-null-assertion': 'off',
      'no-restricted-syntax': ['error', { selector: 'TSEnumDeclaration', message: 'no enums: a union or constants' }],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        { selector: 'TSEnumDeclaration', message: 'no enums: a union or constants' },
        { selector: 'ExportDefaultDeclaration', message: 'no default exports: a name is a name everywhere' },
        { selector: 'ExportAllDeclaration', message: 'no barrels' },
      ],
    },
  },
  ...roomConfigs,
  {
    // A state machine is an `if` for each state in a loop over the bytes: one level before it has done anything.
    files: ['src/http/**/*.ts'],
    rules: { 'max-depth': ['error', 4] },
  },
  {
    // A test reads as one list of cases; its callbacks may be long and nest once more.
    files: ['test/**/*.ts'],
    rules: {
      'max-lines-per-function': 'off',
      'max-depth': ['error', 4],
      '@typescript-eslint/no-empty-function': 'off',
    },
  },
);
