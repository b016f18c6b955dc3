// The root of a worker thread: takes its place (CPU, stripe, loop) and answers the primary. Wiring only.

import { parentPort, workerData } from 'node:worker_threads';
import type { Snapshot } from './config/snapshot.ts';
import type { FromWorker, HookAction, ToWorker, WorkerStart } from './control/worker-messages.ts';
import { pinThread } from './io/affinity.ts';
import { createLoop, describeOpenSsl } from './io/engine.ts';
import { closeUwsAtExit } from './listen/uws.ts';
import { BreakerTable } from './shared/breaker-table.ts';
import { DescriptorBits } from './shared/descriptors.ts';
import { HostTable } from './shared/host-table.ts';
import { OverloadState } from './shared/overload.ts';
import type { Plan } from './shared/plan.ts';
import { Stripe } from './shared/stripe.ts';
import { WorkerRuntime } from './worker-runtime.ts';

/** Workers and their loops number connections in steps, so that an id names one connection of the whole process. */
const CONNECTION_ID_STEP = 2048;

const start = workerData as WorkerStart;
const port = parentPort!;
const send = (message: FromWorker): void => port.postMessage(message);

if (start.cpu !== null) {
  const problem = pinThread(start.cpu);
  if (problem !== null) send({ type: 'log', level: 'warn', text: `worker ${start.index} is not pinned to CPU ${start.cpu}: ${problem}` });
}

const stripe = new Stripe(start.stripe);
const ledger = new DescriptorBits(stripe.fds);
const loop = createLoop(start.engine, {
  ledger,
  firstConnId: start.index + 1,
  connIdStep: CONNECTION_ID_STEP,
  ioUring: process.env['NUNCIO_IO_URING'] !== 'off',
});
const runtime = new WorkerRuntime({
  loop,
  stripe,
  breakers: new BreakerTable(start.breakers, stripe.held),
  hostTable: new HostTable(start.hosts),
  limitWords: new Int32Array(start.limits),
  overload: new OverloadState(start.overload),
  makeNodeLoop: () => createLoop('node', { clock: loop.clock, ledger, firstConnId: start.index + 1 + CONNECTION_ID_STEP / 2, connIdStep: CONNECTION_ID_STEP }),
  variables: process.env,
  send,
});

function obey(action: HookAction): void {
  if (action === 'exit') process.exit(1);
  if (action === 'openssl') {
    send({ type: 'log', level: 'info', text: describeOpenSsl() });
    return;
  }
  setImmediate(() => {
    throw new Error('thrown by a test hook');
  });
}

async function answer(message: ToWorker): Promise<void> {
  switch (message.type) {
    case 'prepare':
      send(await runtime.prepare(message.epoch, message.snapshot as Snapshot, message.plan as Plan, message));
      return;
    case 'ticketKeys':
      runtime.takeTicketKeys(message.keys);
      return;
    case 'commit':
      await runtime.commit(message.epoch);
      send({ type: 'committed', epoch: message.epoch });
      return;
    case 'endpoints':
      runtime.takeEndpoints(message.clusters);
      send({ type: 'endpoints', change: message.change });
      return;
    case 'abandon':
      runtime.abandon(message.epoch);
      return;
    case 'drain':
      await runtime.drain(message.timeoutMs);
      send({ type: 'drained' });
      return;
    case 'stop':
      runtime.close();
      port.close();
      return;
    case 'hook':
      obey(message.action);
  }
}

// Also after an exception that nobody caught, and after process.exit.
process.on('exit', closeUwsAtExit);
port.on('message', (message: ToWorker) => {
  void answer(message).catch((error: unknown) => {
    // A worker that cannot follow is of no use: its death is reported and it is replaced.
    setImmediate(() => {
      throw error;
    });
  });
});
loop.run();
send({ type: 'online' });
