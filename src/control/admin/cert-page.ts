// /certs: the certificates in use, in Envoy's form. Primary thread; read only.

import { systemTime } from '../../core/clock.ts';
import type { Page } from './page.ts';
import { json } from './page.ts';
import type { AdminView } from './view.ts';

export function certPages(view: AdminView): Page[] {
  return [{ path: '/certs', mutates: false, help: 'print certs on machine', params: [], answer: () => json(view.certificates.json(systemTime.wallMs())) }];
}
