// Runs one test body on every engine that this machine has. Tests only.

import t from 'tap';
import type { Test } from 'tap';

import type { Address } from '../../src/core/address.ts';
import type { Conn, Listener, Loop } from '../../src/io/conn.ts';
import { createLoop, loadEngine } from '../../src/io/engine.ts';
import type { EngineKind } from '../../src/io/engine.ts';
import { Ring } from '../../src/io/epoll/ring.ts';
import { requireSystem } from '../../src/io/epoll/system.ts';
import type { Recorder } from './recorder.ts';

export const LOCALHOST: Address = { kind: 'ip', host: '127.0.0.1', port: 0 };

export const engines: readonly EngineKind[] = loadEngine('auto').kind === 'epoll' ? ['epoll', 'node'] : ['node'];

/** Whether the epoll engine uses io_uring here. */
export const hasRing: boolean = engines.includes('epoll') && ringOpens();

function ringOpens(): boolean {
  const ring = Ring.open(requireSystem());
  ring?.close();
  return ring !== null;
}

export type LoopTest = (t: Test, loop: Loop) => Promise<void>;

/** A sub-test per engine with a running loop of its own. */
export function onEachEngine(name: string, body: LoopTest): void {
  for (const kind of engines) {
    t.test(`${kind}: ${name}`, async (child) => {
      const loop = createLoop(kind);
      loop.run();
      child.teardown(() => loop.stop());
      await body(child, loop);
    });
  }
}

/** A listener whose connections all get the owner that `make` returns. */
export async function serve(loop: Loop, make: (conn: Conn) => Recorder | null, at = LOCALHOST): Promise<Listener> {
  return loop.listen(at, -1, (conn) => {
    const owner = make(conn);
    if (owner !== null) owner.conn = conn;
    return owner;
  });
}

/** Resolves after node and the loop have both had a few turns. */
export async function turns(count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
