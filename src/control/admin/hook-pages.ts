// Pages for tests only, there when NUNCIO_TEST_HOOKS=1: they make a worker fail as a bug would, tell what it holds,
// or make memory scarce.
// Primary thread.

import type { HookAction } from '../worker-messages.ts';
import type { Page } from './page.ts';
import { text } from './page.ts';

const ACTIONS: readonly string[] = ['throw', 'exit', 'openssl'] satisfies HookAction[];

export function hookPages(hook: (worker: number, action: HookAction) => void, pressure: (share: number | null) => void = () => undefined): Page[] {
  return [
    {
      path: '/hooks/worker',
      mutates: true,
      help: 'for tests: make a worker fail, or tell what it holds',
      params: [
        ['index', 'number of the worker'],
        ['action', 'throw (an exception nobody catches), exit (the thread ends) or openssl (logs how many objects it has there)'],
      ],
      answer: (query) => {
        const index = Number(query.get('index') ?? NaN);
        const action = query.get('action') ?? '';
        if (!Number.isInteger(index) || !ACTIONS.includes(action)) return text(`usage: /hooks/worker?index=N&action=${ACTIONS.join('|')}\n`, 400);
        hook(index, action as HookAction);
        return text('OK\n');
      },
    },
    {
      path: '/hooks/pressure',
      mutates: true,
      help: 'for tests: say how much of the memory allowed is in use',
      params: [['share', 'from 0 on; without it, what is measured counts again']],
      answer: (query) => {
        const share = query.get('share');
        if (share !== null && !(Number(share) >= 0)) return text('usage: /hooks/pressure?share=0.9\n', 400);
        pressure(share === null ? null : Number(share));
        return text('OK\n');
      },
    },
  ];
}
