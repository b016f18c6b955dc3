// Pages for tests only, there when NUNCIO_TEST_HOOKS=1: they make a worker fail as a bug would, or tell what it holds.
// Primary thread.

import type { HookAction } from '../worker-messages.ts';
import type { Page } from './page.ts';
import { text } from './page.ts';

const ACTIONS: readonly string[] = ['throw', 'exit', 'openssl'] satisfies HookAction[];

export function hookPages(hook: (worker: number, action: HookAction) => void): Page[] {
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
  ];
}
