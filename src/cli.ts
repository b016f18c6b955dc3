#!/usr/bin/env node
// The command. It parses arguments, calls the one function that does the work, and decides what is printed and how the
// process ends: 0 done, 1 the configuration or the machine stands against it, 2 the arguments are wrong.

import { parseArgs } from 'node:util';
import { formatAddress } from './core/address.ts';
import { schemaReport, validateReport } from './config/report.ts';
import type { LogLevel } from './config/snapshot.ts';
import { LOG_LEVELS, Logger, messageOf } from './control/log.ts';
import { StartError } from './control/primary.ts';
import { Signals } from './control/signals.ts';
import { createProxy, loadPlace, packageVersion, rehearse } from './main.ts';

const USAGE = `usage: nuncio [run] -c FILE               run in the foreground
       nuncio validate -c FILE            check a configuration; opens no sockets
       nuncio explain -c FILE METHOD URL  say which route a request would take, and why
              [-H 'name: value']... [--from IP] [--json]
       nuncio schema                      print the JSON Schema of the configuration
       nuncio --version | --help

FILE is JSON (with comments), YAML (.yaml, .yml) or a JS module (.js, .mjs).
Environment: NUNCIO_CONFIG stands in for -c FILE; NUNCIO_WORKERS, NUNCIO_ENGINE,
NUNCIO_ADMIN and NUNCIO_LOG_LEVEL override keys of the file.
Signals: SIGTERM and SIGINT drain and exit, a second one exits at once;
SIGHUP reloads the file; SIGUSR1 reopens log files.
`;

/** Wrong arguments. */
class UsageError extends Error {}

interface Arguments {
  readonly command: string;
  readonly rest: readonly string[];
  readonly config: string | undefined;
  readonly headers: readonly string[];
  readonly from: string | undefined;
  readonly json: boolean;
}

type Command = (given: Arguments) => Promise<number> | number;

const COMMANDS: Readonly<Record<string, Command>> = { run, validate, schema };

/** Which options a command takes besides -c. */
const OWN_OPTIONS: Readonly<Record<string, readonly string[]>> = { explain: ['header', 'from', 'json'] };

async function main(argv: readonly string[]): Promise<number> {
  const given = readArguments(argv);
  if (typeof given === 'number') return given;
  const command = Object.hasOwn(COMMANDS, given.command) ? COMMANDS[given.command] : undefined;
  if (command === undefined) throw new UsageError(`there is no command "${given.command}"`);
  return await command(given);
}

function readArguments(argv: readonly string[]): Arguments | number {
  const { values, positionals } = parse(argv);
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (values.version) {
    process.stdout.write(`nuncio ${packageVersion()}\n`);
    return 0;
  }
  const [command = 'run', ...rest] = positionals;
  const foreign = ['header', 'from', 'json'].find((name) => name in values && !OWN_OPTIONS[command]?.includes(name));
  if (foreign !== undefined) throw new UsageError(`"${command}" takes no option "${foreign === 'header' ? '-H' : `--${foreign}`}"`);
  if (command !== 'explain' && rest.length > 0) throw new UsageError(`unexpected argument "${rest[0]}"`);
  const { config = process.env['NUNCIO_CONFIG'] || undefined, header: headers = [], from, json = false } = values;
  return { command, rest, config, headers, from, json };
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
    throw new UsageError(messageOf(error).split('. ')[0]);
  }
}

function configFile(given: Arguments): string {
  if (given.config === undefined || given.config === '') throw new UsageError('which configuration? Give -c FILE or set NUNCIO_CONFIG');
  return given.config;
}

// ---- commands ----

async function run(given: Arguments): Promise<number> {
  const file = configFile(given);
  const logger = makeLogger();
  const signals = new Signals(process, logger, (code) => process.exit(code));
  const primary = createProxy({ place: { file }, environment: process.env, logger });
  signals.attach(primary);
  primary.onQuit = () => signals.end();
  // Whatever else goes wrong on the primary, the workers go on carrying traffic: it is reported, not died of.
  process.on('uncaughtException', (error) => logger.unexpected('unexpected error', error));
  try {
    await primary.start();
  } catch (error) {
    if (signals.ending) return await forever(); // stopped while it started
    throw error;
  }
  const lines = [...primary.announcement()];
  if (primary.adminAddress !== null) lines.push(`admin on ${urlOf(primary.adminAddress)}`);
  process.stdout.write(`${lines.join('\n')}\n`);
  return await forever();
}

/** Until a signal ends the process. */
function forever(): Promise<number> {
  return new Promise(() => undefined);
}

async function validate(given: Arguments): Promise<number> {
  const result = await loadPlace({ file: configFile(given) }, process.env);
  const report = validateReport(result);
  const errors = result.ok ? rehearse(result.snapshot, process.env) : [];
  if (errors.length > 0) throw new StartError(errors);
  process.stderr.write(report.stderr);
  process.stdout.write(report.stdout);
  return report.exitCode;
}

function schema(): number {
  const report = schemaReport();
  process.stdout.write(report.stdout);
  return report.exitCode;
}

// ---- the process ----

function makeLogger(): Logger {
  const wanted = process.env['NUNCIO_LOG_LEVEL'] as LogLevel;
  return new Logger(LOG_LEVELS.includes(wanted) ? wanted : 'info', (line) => process.stderr.write(line));
}

function urlOf(address: Parameters<typeof formatAddress>[0]): string {
  return address.kind === 'unix' ? formatAddress(address) : `http://${formatAddress(address)}`;
}

/** No stack trace reaches a user who did not ask for it. */
function report(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`nuncio: ${error.message}\n\n${USAGE}`);
    return 2;
  }
  if (error instanceof StartError) {
    process.stderr.write(`${error.reasons.join('\n')}\n`);
    return 1;
  }
  process.stderr.write(`nuncio: unexpected error: ${messageOf(error)}\n`);
  if (makeLogger().enabled('debug') && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  else process.stderr.write('NUNCIO_LOG_LEVEL=debug shows where it happened\n');
  return 1;
}

// A reader that went away (`nuncio schema | head`) is no reason to fail.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  process.exit(report(error));
}
