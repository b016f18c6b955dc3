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

t.test('a second one, of either kind, exits at once', async (t) => {
  const { source, signals, target, book } = setUp();
  signals.attach(target);
  source.emit('SIGINT', 'SIGINT');
  source.emit('SIGTERM', 'SIGTERM');
  t.same(book, ['drain', 'exit 1']);
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
