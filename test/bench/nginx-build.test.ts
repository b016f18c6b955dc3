import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ROADS } from '../../bench/wire/cases.ts';
import type { Road } from '../../bench/wire/cases.ts';
import type { Place } from '../../bench/wire/place.ts';
import { nginxConfig, nginxLacks, readNginxBuild } from '../../bench/wire/rival/nginx.ts';

const SAYS = (flags: string): string => `nginx version: nginx/1.22.1\nTLS SNI support enabled\nconfigure arguments: --with-compat ${flags}\n`;
const HTTP = '--with-http_ssl_module --with-http_v2_module';

const lacking = (flags: string): Road[] => ROADS.filter((road) => nginxLacks(road, readNginxBuild(SAYS(flags))) !== null);

t.test('which roads a build can take', async (t) => {
  t.same(lacking(`${HTTP} --with-stream`), []);
  t.same(lacking(`${HTTP} --with-stream --with-stream_ssl_module`), []);
  t.same(lacking(`${HTTP} --without-http_grpc_module --with-stream`), ['h1-to-h2', 'h2-to-h2', 'grpc']);
  t.same(lacking('--with-http_ssl_module --with-stream'), ['h2', 'h1-to-h2', 'h2-to-h2', 'grpc'], 'grpc needs http_v2');
  t.same(lacking('--with-http_v2_module --with-stream'), ['tls']);
  t.same(lacking(`${HTTP} --with-stream_ssl_module`), ['tcp'], 'a part of the stream module is not the module');
  t.same(lacking(''), ['tls', 'h2', 'h1-to-h2', 'h2-to-h2', 'grpc', 'tcp']);
});

t.test('a stream module of its own counts when its file is there', async (t) => {
  const modules = t.testdir();
  const flags = `--modules-path=${modules} ${HTTP} --with-mail=dynamic --with-stream=dynamic --with-stream_geoip_module=dynamic`;
  const build = readNginxBuild(SAYS(flags));
  t.equal(build.stream, 'dynamic');
  t.match(nginxLacks('tcp', build), /libnginx-mod-stream/);
  mkdirSync(modules, { recursive: true });
  const file = join(modules, 'ngx_stream_module.so');
  writeFileSync(file, '');
  t.equal(nginxLacks('tcp', build), null);
  const place: Place = {
    dir: modules, road: 'tcp', port: 1, upstreamPort: 2, certificate: { cert: 'c', key: 'k', both: 'b' },
  };
  t.ok(nginxConfig(place, build).startsWith(`load_module ${file};\n`));
  t.notMatch(nginxConfig({ ...place, road: 'http' }, build), /load_module|^stream/m);
});
