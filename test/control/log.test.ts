import t from 'tap';
import { Logger, messageOf } from '../../src/control/log.ts';

function setUp(level: Logger['level']) {
  const lines: string[] = [];
  const time = { monotonicMs: () => 0, wallMs: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678) };
  return { lines, logger: new Logger(level, (line) => lines.push(line), time) };
}

t.test('one line per event, with time and level; what belongs to it is indented', async (t) => {
  const { logger, lines } = setUp('debug');
  logger.info('one');
  logger.error('two\nthree\n');
  t.same(lines, ['2026-01-02T03:04:05.678Z info  one\n', '2026-01-02T03:04:05.678Z error two\n    three\n']);
});

t.test('the level decides, and may change', async (t) => {
  const { logger, lines } = setUp('warn');
  const all = (): void => {
    logger.debug('d');
    logger.info('i');
    logger.warn('w');
    logger.error('e');
  };
  all();
  t.equal(lines.length, 2);
  logger.level = 'off';
  all();
  t.equal(lines.length, 2);
  logger.level = 'trace';
  all();
  t.equal(lines.length, 6);
});

t.test('the stack of an unexpected error is for whoever asked for debug lines', async (t) => {
  const quiet = setUp('info');
  quiet.logger.unexpected('reload', new Error('boom'));
  t.same(quiet.lines.length, 1);
  t.match(quiet.lines[0], /error reload: boom\n$/);
  const loud = setUp('debug');
  loud.logger.unexpected('reload', new Error('boom'));
  t.match(loud.lines[1], /debug Error: boom\n {8}at /);
  quiet.logger.unexpected('reload', 'a text');
  t.match(quiet.lines[1], /error reload: a text\n$/);
});

t.test('messageOf', async (t) => {
  t.equal(messageOf(new TypeError('x')), 'x');
  t.equal(messageOf(null), 'null');
});
