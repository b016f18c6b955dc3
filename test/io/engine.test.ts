// Choosing an engine.

import { spawnSync } from 'node:child_process';

import t from 'tap';

import { createLoop, loadEngine } from '../../src/io/engine.ts';
import { loadSystem } from '../../src/io/epoll/system.ts';

const engine = new URL('../../src/io/engine.js', import.meta.url).href;
const hasSystem = typeof loadSystem() !== 'string';

t.test('node can always be had', async (t) => {
  t.same(loadEngine('node'), { kind: 'node', why: '' });
  const loop = createLoop('node');
  t.equal(loop.kind, 'node');
  loop.stop();
});

t.test('auto takes epoll where it loads', { skip: !hasSystem }, async (t) => {
  t.same(loadEngine('auto'), { kind: 'epoll', why: '' });
  t.same(loadEngine('epoll'), { kind: 'epoll', why: '' });
});

t.test('without koffi: auto falls back and says why, epoll is refused, sockets bind in the worker', async (t) => {
  const script = `
    import Module from 'node:module';
    const load = Module._load;
    Module._load = function (name, ...rest) { if (name === 'koffi') throw new Error('no prebuilt binary'); return load.call(this, name, ...rest); };
    const { loadEngine, createLoop } = await import(${JSON.stringify(engine)});
    const { openListenSockets } = await import(${JSON.stringify(new URL('listen-socket.js', engine).href)});
    const { allowedCpus, pinThread } = await import(${JSON.stringify(new URL('affinity.js', engine).href)});
    const out = { auto: loadEngine('auto') };
    try { loadEngine('epoll'); } catch (error) { out.epoll = error.message; }
    out.sockets = openListenSockets({ kind: 'ip', host: '127.0.0.1', port: 0 }, 2);
    out.cpus = allowedCpus().length > 0;
    out.pin = pinThread(0);
    const loop = createLoop('node');
    const listener = await loop.listen({ kind: 'ip', host: '127.0.0.1', port: 0 }, -1, () => null);
    out.listens = listener.address.port > 0;
    loop.stop();
    console.log(JSON.stringify(out));`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  t.equal(child.stderr, '');
  const why = process.platform === 'linux' ? 'koffi does not load: no prebuilt binary' : `the epoll engine needs Linux, this is ${process.platform}`;
  t.same(JSON.parse(child.stdout), {
    auto: { kind: 'node', why },
    epoll: why,
    sockets: { fds: [-1, -1], address: { kind: 'ip', host: '127.0.0.1', port: 0 } },
    cpus: true,
    pin: why,
    listens: true,
  });
});

t.end();
