import t from 'tap';
import { readArguments, UsageError } from '../../src/control/arguments.ts';

t.test('which command, and for which file', async (t) => {
  const cases: [argv: string[], fallback: string, command: string, config: string][] = [
    [['-c', 'a.json'], '', 'run', 'a.json'],
    [['run', '--config=a.json'], 'b.json', 'run', 'a.json'],
    [[], 'b.json', 'run', 'b.json'],
    [['validate'], 'b.json', 'validate', 'b.json'],
    [['-c', 'a.json', 'validate'], '', 'validate', 'a.json'],
    [['schema'], '', 'schema', ''],
    [['schema', '-c', 'a.json'], '', 'schema', ''],
    [['--version'], '', 'version', ''],
    [['-v'], '', 'version', ''],
    [['-h', 'nonsense'], '', 'help', ''],
    [['explain', '--help'], '', 'help', ''],
  ];
  for (const [argv, fallback, command, config] of cases) t.match(readArguments(argv, fallback), { command, config }, argv.join(' '));
});

t.test('explain', async (t) => {
  t.same(readArguments(['explain', '-c', 'a', 'GET', '/x', '-H', 'A: b: c', '-H', 'empty:', '--from', '::1', '--json'], ''), {
    command: 'explain',
    config: 'a',
    method: 'GET',
    url: '/x',
    headers: [['A', 'b: c'], ['empty', '']],
    from: '::1',
    json: true,
  });
});

t.test('wrong arguments say what is wrong in one line', async (t) => {
  const cases: [argv: string[], message: RegExp][] = [
    [[], /^which configuration\? Give -c FILE or set NUNCIO_CONFIG$/],
    [['validate'], /^which configuration\?/],
    [['-c', ''], /^which configuration\?/],
    [['start', '-c', 'a'], /^there is no command "start"$/],
    [['constructor'], /^there is no command "constructor"$/],
    [['validate', '-c', 'a', 'more'], /^unexpected argument "more"$/],
    [['validate', '-c'], /argument missing$/],
    [['--bogus'], /^Unknown option '--bogus'$/],
    [['-x'], /^Unknown option '-x'$/],
    [['--json=yes'], /does not take an argument$/],
    [['validate', '-c', 'a', '--json'], /^"validate" takes no option "--json"$/],
    [['-c', 'a', '-H', 'a: b'], /^"run" takes no option "-H"$/],
    [['schema', '--from', '::1'], /^"schema" takes no option "--from"$/],
    [['explain', '-c', 'a', 'GET'], /^"explain" needs METHOD and URL$/],
    [['explain', 'GET', '/'], /^which configuration\?/],
    [['explain', '-c', 'a', 'GET', '/', '/x'], /^unexpected argument "\/x"$/],
    [['explain', '-c', 'a', 'G T', '/'], /^"G T" is not a method$/],
    [['explain', '-c', 'a', 'GET', '/', '-H', 'no colon'], /^-H takes 'name: value', not "no colon"$/],
    [['explain', '-c', 'a', 'GET', '/', '-H', ': x'], /^-H takes/],
    [['explain', '-c', 'a', 'GET', '/', '-H', 'a b: x'], /^-H takes/],
    [['explain', '-c', 'a', 'GET', '/', '--from', 'here'], /^--from takes an IP address, not "here"$/],
  ];
  for (const [argv, message] of cases) {
    let error: unknown;
    try {
      readArguments(argv, '');
    } catch (thrown) {
      error = thrown;
    }
    t.ok(error instanceof UsageError, argv.join(' '));
    t.match((error as Error | undefined)?.message, message);
  }
});
