// What the user typed, read and checked: one record for all commands. Primary thread; pure.

import { parseArgs } from 'node:util';
import { parseIp } from '../config/ip.ts';
import { messageOf } from './log.ts';

export const USAGE = `usage: nuncio [run] -c FILE               run in the foreground
       nuncio validate -c FILE            check a configuration; opens no sockets
       nuncio explain -c FILE METHOD URL  say which route a request would take, and why
              [-H 'name: value']... [--from IP] [--json]
       nuncio schema                      print the JSON Schema of the configuration
       nuncio --version | --help

FILE is JSON (with comments), YAML (.yaml, .yml) or a JS module (.js, .mjs).
Environment: NUNCIO_CONFIG stands in for -c FILE; NUNCIO_WORKERS, NUNCIO_ENGINE,
NUNCIO_ADMIN and NUNCIO_LOG_LEVEL override keys of the file;
NUNCIO_IO_URING=off keeps the epoll engine from using io_uring.
Signals: SIGTERM and SIGINT drain and exit, a second one exits at once;
SIGHUP reloads the file; SIGUSR1 reopens log files.
`;

/** Wrong arguments: one line for the user, to be followed by the usage. */
export class UsageError extends Error {}

export type CommandName = 'run' | 'validate' | 'explain' | 'schema' | 'version' | 'help';

export interface Arguments {
  readonly command: CommandName;
  /** '' for the commands that need none. */
  readonly config: string;
  /** For `explain`. */
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly from: string;
  readonly json: boolean;
}

const EMPTY: Arguments = { command: 'help', config: '', method: '', url: '', headers: [], from: '', json: false };

/** @param fallbackConfig what NUNCIO_CONFIG holds, or ''. */
export function readArguments(argv: readonly string[], fallbackConfig: string): Arguments {
  const { values, positionals } = parse(argv);
  if (values.help === true) return { ...EMPTY, command: 'help' };
  if (values.version === true) return { ...EMPTY, command: 'version' };
  const [command = 'run', ...rest] = positionals;
  if (command === 'explain') {
    return { ...EMPTY, command, config: configOf(values.config, fallbackConfig), ...readQuestion(rest, values.header ?? []), from: readIp(values.from ?? ''), json: values.json ?? false };
  }
  if (command !== 'run' && command !== 'validate' && command !== 'schema') throw new UsageError(`there is no command "${command}"`);
  for (const [option, written] of [['header', '-H'], ['from', '--from'], ['json', '--json']] as const) {
    if (values[option] !== undefined) throw new UsageError(`"${command}" takes no option "${written}"`);
  }
  if (rest.length > 0) throw new UsageError(`unexpected argument "${rest[0]}"`);
  return { ...EMPTY, command, config: command === 'schema' ? '' : configOf(values.config, fallbackConfig) };
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        config: { type: 'string', short: 'c' },
        header: { type: 'string', short: 'H', multiple: true },
        from: { type: 'string' },
        json: { type: 'boolean' },
        version: { type: 'boolean', short: 'v' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(messageOf(error).split('. ')[0]); // what follows is advice for programmers
  }
}

function configOf(given: string | undefined, fallback: string): string {
  const config = given ?? fallback;
  if (config === '') throw new UsageError('which configuration? Give -c FILE or set NUNCIO_CONFIG');
  return config;
}

function readQuestion(rest: readonly string[], headers: readonly string[]): Pick<Arguments, 'method' | 'url' | 'headers'> {
  const [method, url, ...more] = rest;
  if (method === undefined || url === undefined) throw new UsageError('"explain" needs METHOD and URL');
  if (more.length > 0) throw new UsageError(`unexpected argument "${more[0]}"`);
  if (!TOKEN.test(method)) throw new UsageError(`"${method}" is not a method`);
  return { method, url, headers: headers.map(readHeader) };
}

function readIp(text: string): string {
  if (text !== '' && parseIp(text) === null) throw new UsageError(`--from takes an IP address, not "${text}"`);
  return text;
}

function readHeader(text: string): readonly [name: string, value: string] {
  const cut = text.indexOf(':');
  const name = text.slice(0, cut);
  if (cut < 0 || !TOKEN.test(name)) throw new UsageError(`-H takes 'name: value', not "${text}"`);
  return [name, text.slice(cut + 1).trim()];
}

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
