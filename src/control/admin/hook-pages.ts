// Pages for tests only, there when NUNCIO_TEST_HOOKS=1: they make a worker fail as a bug would. Primary thread.

import type { Page } from './page.ts';
import { text } from './page.ts';

export type HookAction = 'throw' | 'exit';

export function hookPages(hook: (worker: number, action: HookAction) => void): Page[] {
  return [
    {
      path: '/hooks/worker',
      mutates: true,
      help: 'for tests: make a worker fail',
      params: [
        ['index', 'number of the worker'],
        ['action', 'throw (an exception nobody catches) or exit (the thread ends)'],
      ],
      answer: (query) => {
        const index = Number(query.get('index') ?? NaN);
        const action = query.get('action');
        if (!Number.isInteger(index) || (action !== 'throw' && action !== 'exit')) return text('usage: /hooks/worker?index=N&action=throw|exit\n', 400);
        hook(index, action);
        return text('OK\n');
      },
    },
  ];
}
