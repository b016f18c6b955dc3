// A hundred thousand requests with random aborts from both sides, on the node engine.

import { soakOn } from '../support/soak.ts';

soakOn('node');
