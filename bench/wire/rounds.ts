// One case: every contender stands in front of the same upstream, and each round gives each of them one window of the
// same load, in an order that rotates, so that a slow minute of the machine hurts all alike.

import { join } from 'node:path';
import type { WireCase } from './cases.ts';
import type { CertificateFiles } from './certificate.ts';
import { startContender } from './contenders.ts';
import type { Contender, Running } from './contenders.ts';
import { errorCount, loadLacks, loadName, runLoad } from './load.ts';
import type { Target } from './load.ts';
import { probe } from './probe.ts';
import { readCost, resetPeak } from './process-cost.ts';

export interface Bench {
  readonly dir: string;
  readonly certificate: CertificateFiles;
  readonly loadCpu: number | null;
  readonly proxyCpu: number | null;
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  note(text: string): void;
}

/** One contender's window. CPU figures are null where the system does not tell them. */
export interface Round {
  readonly requestsPerSecond: number;
  readonly cpuUsPerRequest: number | null;
  readonly systemShare: number | null;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly peakBytes: number | null;
  readonly errors: number;
}

export interface CaseResult {
  readonly name: string;
  readonly title: string;
  /** The load generator. */
  readonly load: string;
  readonly rounds: Readonly<Record<string, readonly Round[]>>;
  readonly failures: Readonly<Record<string, string>>;
}

export function target(running: Running, { loadCpu, dir }: Bench): Target {
  return { port: running.port, cpu: loadCpu, dir };
}

async function measure(wire: WireCase, running: Running, bench: Bench): Promise<Round> {
  const { pid } = running.child;
  resetPeak(pid);
  const before = readCost(pid);
  const load = await runLoad(wire, target(running, bench), bench.seconds);
  const after = readCost(pid);
  const requests = Math.max(1, load.requests);
  const ticks = (cost: typeof before): number => (cost === null ? 0 : cost.userTicks + cost.systemTicks);
  const spentTicks = ticks(after) - ticks(before);
  return {
    requestsPerSecond: load.requests / (load.durationUs / 1e6),
    cpuUsPerRequest: before === null || after === null ? null : (after.cpuUs - before.cpuUs) / requests,
    systemShare: before === null || after === null || spentTicks === 0
      ? null : (after.systemTicks - before.systemTicks) / spentTicks,
    p50Us: load.p50Us,
    p99Us: load.p99Us,
    p999Us: load.p999Us,
    peakBytes: after?.peakBytes ?? null,
    errors: errorCount(load),
  };
}

/** Starts all, drops those that do not start or answer wrongly, and warms up the rest. */
async function startAll(
  wire: WireCase, contenders: readonly Contender[], upstreamPort: number, bench: Bench,
): Promise<{ running: Running[]; failures: Record<string, string> }> {
  const running: Running[] = [];
  const failures: Record<string, string> = {};
  const { dir, certificate, proxyCpu } = bench;
  for (const contender of contenders) {
    const reason = contender.unable(wire.road);
    if (reason !== null) {
      failures[contender.name] = reason;
      continue;
    }
    try {
      const place = { dir: join(dir, wire.name), road: wire.road, upstreamPort, certificate };
      const one = await startContender(contender, place, proxyCpu);
      const wrong = await probe(wire, one.port);
      if (wrong === null) {
        running.push(one);
        await runLoad(wire, target(one, bench), bench.warmUpSeconds * wire.warmUp);
      } else {
        failures[contender.name] = `${wrong}; ${one.child.output}`;
        await one.child.stop();
      }
    } catch (error) {
      failures[contender.name] = (error as Error).message;
    }
  }
  return { running, failures };
}

export async function runCase(
  wire: WireCase, contenders: readonly Contender[], upstreamPort: number, bench: Bench,
): Promise<CaseResult> {
  const lacks = loadLacks(wire);
  if (lacks !== null) return { name: wire.name, title: wire.title, load: loadName(wire.load), rounds: {}, failures: { everybody: lacks } };
  bench.note(`${wire.name}: starting and warming up`);
  const { running, failures } = await startAll(wire, contenders, upstreamPort, bench);
  const rounds: Record<string, Round[]> = {};
  for (let round = 0; round < bench.rounds; round++) {
    for (let turn = 0; turn < running.length; turn++) {
      const one = running[(round + turn) % running.length];
      if (one === undefined || one.name in failures) continue;
      bench.note(`${wire.name}: round ${round + 1} of ${bench.rounds}, ${one.name}`);
      try {
        (rounds[one.name] ??= []).push(await measure(wire, one, bench));
      } catch (error) {
        failures[one.name] = (error as Error).message;
      }
      if (!one.child.isRunning) failures[one.name] = `ended during the run: ${one.child.output}`;
    }
  }
  for (const one of running) await one.child.stop();
  return { name: wire.name, title: wire.title, load: loadName(wire.load), rounds, failures };
}
