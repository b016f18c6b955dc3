import { EventEmitter } from 'node:events';
import t from 'tap';
import { Signals } from '../../src/control/signals.ts';
import { LogProbe } from '../support/log-probe.ts';

function setUp() {
  const source = new EventEmitter();
  const book: string[] = [];
  let drained: () => void = () => undefined;
  const signals = new Signals(source as never, new LogProbe().logger, (code) => book.push(`exit ${code}`));
  const target = {
    drain: () => {
      book.push('drain');
      return new Promise<void>((resolve) => (drained = resolve));
    },
    stop: async () => void book.push('stop'),
    reload: async () => book.push('reload'),
    reopenLogs: async () => void book.push('reopen'),
  };
  return { source, signals, target, book, drained: () => drained() };
}

t.test('SIGTERM drains, then exits 0', async (t) => {
  const { source, signals, target, book, drained } = setUp();
  signals.attach(target);
  source.emit('SIGTERM', 'SIGTERM');
  t.same(book, ['drain']);
  drained();
  await new Promise(setImmediate);
  t.same(book, ['drain', 'exit 0']);
});

t.test('a second one, of either kind, stops at once and exits 1', async (t) => {
  const { source, signals, target, book, drained } = setUp();
  signals.attach(target);
  source.emit('SIGINT', 'SIGINT');
  source.emit('SIGTERM', 'SIGTERM');
  drained(); // which a stop brings about
  await new Promise(setImmediate);
  t.same(book.slice(0, 2), ['drain', 'stop']);
  t.same([...new Set(book.slice(2))], ['exit 1']);
});

t.test('a third one does not wait for anything', async (t) => {
  const { source, signals, target, book } = setUp();
  signals.attach({ ...target, stop: () => new Promise(() => undefined) });
  for (let n = 0; n < 3; n++) source.emit('SIGTERM', 'SIGTERM');
  t.same(book, ['drain', 'exit 1']);
});

t.test('before there is a proxy the second one exits', async (t) => {
  const { source, book } = setUp();
  source.emit('SIGTERM', 'SIGTERM');
  source.emit('SIGTERM', 'SIGTERM');
  t.ok(book.includes('exit 1'));
});

t.test('SIGHUP reloads, SIGUSR1 reopens; before there is a proxy they do nothing', async (t) => {
  const { source, signals, target, book } = setUp();
  source.emit('SIGHUP', 'SIGHUP');
  source.emit('SIGUSR1', 'SIGUSR1');
  t.same(book, []);
  signals.attach(target);
  source.emit('SIGHUP', 'SIGHUP');
  source.emit('SIGUSR1', 'SIGUSR1');
  t.same(book, ['reload', 'reopen']);
  signals.close();
  t.equal(source.listenerCount('SIGTERM') + source.listenerCount('SIGUSR1'), 0);
});

t.test('a drain that fails exits 1; quitquitquit is not counted twice', async (t) => {
  const { signals, target, book } = setUp();
  signals.attach({ ...target, drain: () => Promise.reject(new Error('no')) });
  signals.end();
  signals.end();
  await new Promise(setImmediate);
  t.same(book, ['exit 1']);
});
