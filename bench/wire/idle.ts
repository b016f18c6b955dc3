// The memory of idle connections: what some thousand keep-alive connections that have each had one answer add to a proxy
// that has been under load and already holds others of the kind. The difference of two readings of VmRSS, over the
// connections.

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { caseNamed } from './cases.ts';
import type { IdleCase } from './cases.ts';
import { startContender } from './contenders.ts';
import type { Contender } from './contenders.ts';
import { runLoad } from './load.ts';
import { readCost } from './process-cost.ts';
import { target } from './rounds.ts';
import type { Bench } from './rounds.ts';

const AT_ONCE = 50;
const SETTLE_MS = 1500;
const REQUEST = Buffer.from('GET /small HTTP/1.1\r\nHost: idle.test\r\n\r\n');

export interface IdleRound {
  readonly bytesPerConnection: number;
  readonly baseBytes: number;
}

export interface IdleResult {
  readonly name: string;
  readonly title: string;
  readonly connections: number;
  readonly rounds: Readonly<Record<string, readonly IdleRound[]>>;
  readonly failures: Readonly<Record<string, string>>;
}

/** A connection that has had its answer. */
function openOne(port: number, { road }: IdleCase): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = road === 'tls'
      ? connectTls({ port, host: '127.0.0.1', servername: 'bench.test', rejectUnauthorized: false })
      : connect(port, '127.0.0.1');
    socket.once(road === 'tls' ? 'secureConnect' : 'connect', () => socket.write(REQUEST));
    socket.once('data', () => {
      socket.removeAllListeners('close');
      resolve(socket);
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the proxy closed a connection unanswered')));
  });
}

async function open(port: number, idle: IdleCase, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const batch = Math.min(AT_ONCE, count - sockets.length);
    sockets.push(...await Promise.all(Array.from({ length: batch }, () => openOne(port, idle))));
  }
  return sockets;
}

async function measure(idle: IdleCase, contender: Contender, upstreamPort: number, bench: Bench): Promise<IdleRound> {
  const place = { dir: join(bench.dir, idle.name), road: idle.road, upstreamPort, certificate: bench.certificate };
  const running = await startContender(contender, place, bench.proxyCpu);
  const { child, port } = running;
  const sockets: Socket[] = [];
  try {
    await runLoad(caseNamed(idle.busy), target(running, bench), bench.warmUpSeconds);
    sockets.push(...await open(port, idle, idle.baseConnections));
    await sleep(SETTLE_MS);
    const before = readCost(child.pid)?.residentBytes ?? 0;
    sockets.push(...await open(port, idle, idle.connections));
    await sleep(SETTLE_MS);
    const after = readCost(child.pid)?.residentBytes ?? 0;
    const closed = sockets.filter((socket) => socket.destroyed || socket.readableEnded).length;
    if (closed > 0) throw new Error(`${closed} idle connections were closed meanwhile`);
    return { bytesPerConnection: (after - before) / idle.connections, baseBytes: before };
  } finally {
    for (const socket of sockets) socket.destroy();
    await child.stop();
  }
}

export async function runIdle(
  idle: IdleCase, contenders: readonly Contender[], upstreamPort: number, bench: Bench,
): Promise<IdleResult> {
  const rounds: Record<string, IdleRound[]> = {};
  const failures: Record<string, string> = {};
  for (const contender of contenders) {
    const reason = contender.unable(idle.road);
    if (reason !== null) failures[contender.name] = reason;
  }
  const count = Math.min(bench.rounds, 3);
  for (let round = 0; round < count; round++) {
    for (const contender of contenders) {
      if (contender.name in failures) continue;
      bench.note(`${idle.name}: round ${round + 1} of ${count}, ${contender.name}`);
      try {
        (rounds[contender.name] ??= []).push(await measure(idle, contender, upstreamPort, bench));
      } catch (error) {
        failures[contender.name] = (error as Error).message;
      }
    }
  }
  const { name, title, connections } = idle;
  return { name, title, connections, rounds, failures };
}
