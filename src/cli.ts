#!/usr/bin/env node
// The command: calls the one function that does the work, and decides what is printed and how the process ends:
// 0 done, 1 the configuration or the machine stands against it, 2 the arguments are wrong.

import { describeHosts } from './cluster/explain-hosts.ts';
import { formatAddress } from './core/address.ts';
import type { Address } from './core/address.ts';
import { schemaReport, validateReport } from './config/report.ts';
import type { Snapshot } from './config/snapshot.ts';
import type { Arguments, CommandName } from './control/arguments.ts';
import { readArguments, USAGE, UsageError } from './control/arguments.ts';
import { isLogLevel, Logger, messageOf } from './control/log.ts';
import { StartError } from './control/primary.ts';
import { Signals } from './control/signals.ts';
import { createProxy, explain, type FullExplanation, loadPlace, packageVersion, rehearse } from './main.ts';
import { formatExplanation } from './route/explain.ts';

type Command = (given: Arguments) => Promise<number> | number;

const COMMANDS: Readonly<Record<CommandName, Command>> = {
  run,
  validate,
  explain: explainCommand,
  schema: () => print(schemaReport()),
  version: () => print({ exitCode: 0, stdout: `nuncio ${packageVersion()}\n`, stderr: '' }),
  help: () => print({ exitCode: 0, stdout: USAGE, stderr: '' }),
};

async function run({ config }: Arguments): Promise<number> {
  const logger = makeLogger();
  const signals = new Signals(process, logger, (code) => process.exit(code));
  const primary = createProxy({ place: { file: config }, environment: process.env, logger });
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

async function validate({ config }: Arguments): Promise<number> {
  const result = await loadPlace({ file: config }, process.env);
  const errors = result.ok ? await rehearse(result.snapshot, process.env) : [];
  if (errors.length > 0) throw new StartError(errors);
  return print(validateReport(result));
}

async function explainCommand({ config, method, url, headers, from, json }: Arguments): Promise<number> {
  const result = await loadPlace({ file: config }, process.env);
  if (!result.ok) return print(validateReport(result));
  const explanation = ask(result.snapshot, { method, url, headers, from });
  const stdout = json ? `${JSON.stringify(explanation, null, 2)}\n` : `${formatExplanation(explanation)}${explanation.hosts.flatMap(describeHosts).map((line) => `${line}\n`).join('')}`;
  return print({ exitCode: 0, stdout, stderr: '' });
}

function ask(snapshot: Snapshot, question: Parameters<typeof explain>[2]): FullExplanation {
  try {
    return explain(snapshot, process.env, question);
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new UsageError(messageOf(error)); // the URL cannot be read
  }
}

// ---- the process ----

/** A pipe takes what fits into it; `exit` would throw away the rest. Also resolves when its reader has gone. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}

function print({ exitCode, stdout, stderr }: { exitCode: number; stdout: string; stderr: string }): number {
  process.stderr.write(stderr);
  process.stdout.write(stdout);
  return exitCode;
}

/** Until a signal ends the process. */
function forever(): Promise<number> {
  return new Promise(() => undefined);
}

function makeLogger(): Logger {
  const wanted = process.env['NUNCIO_LOG_LEVEL'] ?? '';
  return new Logger(isLogLevel(wanted) ? wanted : 'info', (line) => process.stderr.write(line));
}

function urlOf(address: Address): string {
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
  const stack = makeLogger().enabled('debug') && error instanceof Error ? error.stack : undefined;
  process.stderr.write(`nuncio: unexpected error: ${messageOf(error)}\n${stack ?? 'NUNCIO_LOG_LEVEL=debug shows where it happened'}\n`);
  return 1;
}

// A reader that went away (`nuncio schema | head`) is no reason to fail.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

let exitCode: number;
try {
  const given = readArguments(process.argv.slice(2), process.env['NUNCIO_CONFIG'] ?? '');
  exitCode = await COMMANDS[given.command](given);
} catch (error) {
  exitCode = report(error);
}
await Promise.all([process.stdout, process.stderr].map(written));
process.exit(exitCode);
