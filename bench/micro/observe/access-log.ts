// Access logs: one line of Envoy's default format, and one as JSON, into the batch.

import { ENVOY_DEFAULT_LOG } from '../../../src/config/snapshot.ts';
import { Random } from '../../../src/core/random.ts';
import { compileAccessLog } from '../../../src/observe/access-log.ts';
import { AccessLogBatch } from '../../../src/observe/access-log-batch.ts';
import { writeRequestId } from '../../../src/observe/request-id.ts';
import { answered } from '../../../test/observe/log-stream.ts';
import { measure } from '../../measure.ts';

const environment = { hostname: 'bench', variables: {} };
const stream = answered({}, [['Accept', '*/*'], ['Accept-Encoding', 'gzip, deflate, br'], ['Accept-Language', 'en'], ['Cookie', 'a=b; c=d']]);
const form = { time: '%START_TIME%', code: '%RESPONSE_CODE%', path: '%REQ(:PATH)%', ms: '%DURATION%', up: '%UPSTREAM_HOST%', agent: '%REQ(USER-AGENT)%', sent: '%BYTES_SENT%' };
const text = compileAccessLog({ path: '/log', format: ENVOY_DEFAULT_LOG, json: null, filter: null }, environment);
const json = compileAccessLog({ path: '/log', format: null, json: form, filter: null }, environment);
const random = new Random([1, 2, 3, 4]);
let bytes = 0;
const batch = new AccessLogBatch((_, sent) => {
  bytes += sent.length;
});

measure('default format, into the batch', (times) => {
  for (let i = 0; i < times; i++) {
    stream.startWall += 0.01;
    batch.add('/log', text.format(stream), 0);
  }
});

measure('JSON with seven fields, into the batch', (times) => {
  for (let i = 0; i < times; i++) {
    stream.startWall += 0.01;
    batch.add('/log', json.format(stream), 0);
  }
});

const idRoom = Buffer.alloc(36);
measure('request id', (times) => {
  for (let i = 0; i < times; i++) bytes += writeRequestId(random, idRoom, 0);
});

if (bytes < 0) console.log(bytes);
