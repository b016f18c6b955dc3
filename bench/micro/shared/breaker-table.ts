// Circuit breakers: what a request pays per resource, on one thread (the memory is shared, the word is not contended).

import { BREAKER_BYTES, BreakerTable, RES_PENDING, RES_RQ } from '../../../src/shared/breaker-table.ts';
import { Stripe, STRIPE_BYTES } from '../../../src/shared/stripe.ts';
import { measure } from '../../measure.ts';

const table = new BreakerTable(new SharedArrayBuffer(BREAKER_BYTES), new Stripe(new SharedArrayBuffer(STRIPE_BYTES)).held);
table.setLimits(1, { maxConnections: 1024, maxPendingRequests: 1, maxRequests: 1024, maxRetries: 3 });
table.tryAcquire(1, RES_PENDING);
let taken = 0;

measure('take and give back, with a limit', (times) => {
  for (let i = 0; i < times; i++) {
    if (table.tryAcquire(1, RES_RQ)) taken++;
    table.release(1, RES_RQ);
  }
});

measure('take and give back, without a limit', (times) => {
  for (let i = 0; i < times; i++) {
    if (table.tryAcquire(2, RES_RQ)) taken++;
    table.release(2, RES_RQ);
  }
});

measure('refused at the limit', (times) => {
  for (let i = 0; i < times; i++) if (table.tryAcquire(1, RES_PENDING)) taken++;
});

measure('over 1,000 rows in turn', (times) => {
  for (let i = 0; i < times; i++) {
    const row = 10 + (i % 1000);
    if (table.tryAcquire(row, RES_RQ)) taken++;
    table.release(row, RES_RQ);
  }
});

if (taken < 0) console.log(taken);
