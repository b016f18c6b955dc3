// A worker that carries nothing but keeps to the protocol of src/control/worker-messages.ts. The snapshot it is given is a
// script: { refuse, dieOnPrepare, dieOnCommit, mute, … } says how to misbehave. It writes what it did into its stripe's
// cells, where a test can read it: cell 0 starts, 1 the epoch it carries, 2 what it abandoned, 3 the change of endpoints
// that it took up last, 6 what it was to prepare. Cell 4 is the test's: 0 holds back what `holdPrepare` says.

import { parentPort, workerData } from 'node:worker_threads';
import type { FromWorker, ToWorker, WorkerStart } from '../../src/control/worker-messages.ts';

export interface FakeScript {
  readonly name?: string;
  /** Errors to answer `prepare` with. */
  readonly refuse?: readonly string[];
  /** Index of the worker that the next words are for; all when absent. */
  readonly only?: number;
  readonly dieOnPrepare?: boolean;
  readonly dieOnCommit?: boolean;
  /** Dies as soon as it carries this. */
  readonly dieAfterCommit?: boolean;
  readonly muteOnPrepare?: boolean;
  /** Prepares when the test has written to cell 4. */
  readonly holdPrepare?: boolean;
  readonly muteOnEndpoints?: boolean;
  /** Only the first time. */
  readonly muteOnCommit?: boolean;
  readonly log?: string;
}

const start = workerData as WorkerStart;
const port = parentPort!;
const cells = new Float64Array(start.stripe);
let prepared: { epoch: number; script: FakeScript } | null = null;
let carried: FakeScript | null = null;

function say(message: FromWorker): void {
  port.postMessage(message);
}

function concerned(script: FakeScript): boolean {
  return script.only === undefined || script.only === start.index;
}

function onPrepare(message: Extract<ToWorker, { type: 'prepare' }>): void {
  const script = message.snapshot as FakeScript;
  if (concerned(script)) {
    if (script.dieOnPrepare) throw new Error('fake worker: cannot prepare');
    if (script.muteOnPrepare) return;
    if (script.holdPrepare && cells[4] === 0) {
      setTimeout(() => onPrepare(message), 1);
      return;
    }
  }
  prepared = { epoch: message.epoch, script };
  const addresses = Object.fromEntries(Object.entries(message.sockets).map(([name, socket]) => [name, socket.address]));
  say({ type: 'prepared', epoch: message.epoch, errors: concerned(script) ? (script.refuse ?? []) : [], addresses });
}

function onCommit(epoch: number): void {
  if (prepared?.epoch !== epoch) throw new Error(`fake worker: commit of ${epoch}, prepared is ${prepared?.epoch}`);
  const { script } = prepared;
  if (concerned(script) && script.dieOnCommit && cells[0] === 1) throw new Error('fake worker: cannot commit');
  if (concerned(script) && script.muteOnCommit && cells[0] === 1) return;
  carried = script;
  prepared = null;
  cells[1] = epoch;
  say({ type: 'committed', epoch });
  if (script.log !== undefined) {
    say({ type: 'log', level: 'info', text: script.log });
    say({ type: 'accessLog', path: script.log, bytes: Buffer.from(`line of ${start.index}\n`) });
  }
  if (concerned(script) && script.dieAfterCommit) throw new Error('fake worker: cannot live');
}

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'prepare':
      cells[6]!++;
      return onPrepare(message);
    case 'endpoints':
      if (carried?.muteOnEndpoints && concerned(carried)) return;
      cells[3] = message.change;
      return say({ type: 'endpoints', change: message.change });
    case 'commit':
      return onCommit(message.epoch);
    case 'abandon':
      cells[2]!++;
      prepared = null;
      return;
    case 'drain':
      if (carried?.name === 'never drains') return;
      return say({ type: 'drained' });
    case 'stop':
      if (carried?.name === 'never stops') for (;;);
      return port.close();
    case 'hook':
      if (message.action === 'exit') process.exit(3);
      throw new Error('fake worker: hooked');
  }
});

cells[0]!++;
if (cells[5] === 1) throw new Error('fake worker: cannot start');
say({ type: 'online' });
