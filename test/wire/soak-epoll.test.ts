// A hundred thousand requests with random aborts from both sides, on the epoll engine.

import { soakOn } from '../support/soak.ts';

soakOn('epoll');
