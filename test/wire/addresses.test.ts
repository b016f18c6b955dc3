// Unix sockets and IPv6, in front and behind.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

import t, { type Test } from 'tap';

import { value } from '../support/http-message.ts';
import { echoHead, Origin } from '../support/origin.ts';
import { get, RawClient, request } from '../support/raw-client.ts';
import { byteEngines, runProxy, scratchDirectory, type Subject } from '../support/run-proxy.ts';
import { assertQuiet } from '../support/stage.ts';

t.setTimeout(60_000);

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'));

for (const engine of byteEngines) t.test(engine, (t) => addresses(t, engine));

async function addresses(t: Test, engine: Subject): Promise<void> {
  const directory = scratchDirectory(t);
  const hosts = ['127.0.0.1', `unix:${directory}/origin.sock`, ...(hasIpv6 ? ['::1'] : [])];
  const origins: Origin[] = [];
  for (const host of hosts) {
    const origin = await Origin.start({ host, script: echoHead });
    t.teardown(() => origin.stop());
    origins.push(origin);
  }
  const fronts = ['127.0.0.1:0', `unix:${directory}/front.sock`, ...(hasIpv6 ? ['[::1]:0'] : [])];
  // A socket file that a dead process left behind is no obstacle.
  const corpse = `require('node:net').createServer().listen(${JSON.stringify(`${directory}/front.sock`)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', corpse]);
  t.ok(existsSync(`${directory}/front.sock`), 'there is such a file');
  const log = `${directory}/access.log`;
  const proxy = await runProxy(t, {
    listeners: fronts.map((address, index) => ({
      name: `front${index}`,
      address,
      http: { accessLog: [{ path: log }], routes: hosts.map((_, n) => ({ match: { prefix: `/to${n}` }, forward: { cluster: `c${n}` } })) },
    })),
    clusters: origins.map((origin, n) => ({ name: `c${n}`, endpoints: [origin.address] })),
  }, { engine });

  for (const [index, front] of fronts.entries()) {
    for (const [n, host] of hosts.entries()) {
      const label = `${front} → ${host}`;
      const address = proxy.listener(`front${index}`);
      const client = await RawClient.connect(address);
      for (let round = 0; round < 3; round++) {
        const answer = await client.exchange(request('POST', `/to${n}`, {}, 'body'));
        t.equal(answer.status, 200, label);
        t.match(answer.text, `POST /to${n} HTTP/1.1`, label);
        if (front === '[::1]:0') t.match(answer.text, /\r\nx-forwarded-for: (::1|[0-9a-f.:]+)\r\n/i, `${label}: an IPv6 caller`);
      }
      client.destroy();
    }
  }
  for (const origin of origins) t.ok(origin.connections.length <= fronts.length * 2 && origin.connections.length > 0, `${origin.address}: connections are kept (${origin.connections.length})`);
  const local = proxy.listener('front1');
  t.equal(value(await get(local, '/nowhere'), 'content-length'), '0');
  await assertQuiet(t, proxy);
  t.strictSame(await proxy.stop(), { code: 0, signal: null });
  if (engine !== 'envoy') t.notOk(existsSync(`${directory}/front.sock`), 'a stopped proxy leaves no socket file');
  for (const origin of origins) t.strictSame(origin.violations, []);
}
