// The pages that change something: all POST. Primary thread.

import { isLogLevel, LOG_LEVELS } from '../log.ts';
import type { Answer, Page } from './page.ts';
import { text } from './page.ts';
import type { AdminView } from './view.ts';

export function actionPages(view: AdminView): Page[] {
  return [
    action('/quitquitquit', 'exit the server', () => view.quit()),
    action('/drain_listeners', 'drain listeners: stop accepting, answer what is in flight, go on running', () => view.drainListeners()),
    action('/healthcheck/fail', 'cause the server to fail health checks', () => view.failHealthCheck(true)),
    action('/healthcheck/ok', 'cause the server to pass health checks', () => view.failHealthCheck(false)),
    action('/reopen_logs', 'reopen access logs', () => view.reopenLogs()),
    {
      path: '/logging',
      mutates: true,
      help: 'query/change the logging level',
      params: [['level', `desired logging level; One of (, ${LOG_LEVELS.join(', ')})`]],
      answer: (query) => logging(view, query),
    },
  ];
}

function action(path: string, help: string, act: () => void | Promise<void>): Page {
  return {
    path,
    mutates: true,
    help,
    params: [],
    answer: async () => {
      await act();
      return text('OK\n');
    },
  };
}

function logging(view: AdminView, query: URLSearchParams): Answer {
  const usage = `usage: /logging?level=<level> (change all levels)\nlevels: ${LOG_LEVELS.join(' ')}\n`;
  const wanted = query.get('level');
  for (const name of query.keys()) if (name !== 'level') return text(`error: unknown logger name\n\n${usage}`, 400);
  if (wanted) {
    const level = wanted === 'warning' ? 'warn' : wanted; // Envoy's spelling
    if (!isLogLevel(level)) return text(`error: unknown logger level\n\n${usage}`, 400);
    view.logLevel = level;
  }
  return text(`active loggers:\n  nuncio: ${view.logLevel}\n`);
}
