// Child process of a test: writes two access-log batches to /dev/stdout.

import { AccessLogFiles } from '../../src/control/access-log-files.ts';
import { Logger } from '../../src/control/log.ts';
import { systemTimers } from '../../src/core/host-timer.ts';

const files = new AccessLogFiles(new Logger('info', (line) => process.stderr.write(line)), systemTimers);
for (const n of [0, 1]) files.append('/dev/stdout', Buffer.from(`/dev/stdout ${n}\n`));
await files.close(2000);
process.exit(0);
