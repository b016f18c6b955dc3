// What the system said of a connection that never came to be, in Envoy's words. Worker thread; pure.

import { fault, type Fault } from '../core/fault.ts';

export const CONNECT_TIMEOUT: Fault = fault('connectTimeout', 'up', 'always', 'connection_timeout');

export function connectFault(error: string): Fault {
  // As Envoy words it: what TLS says stands alone.
  if (error.startsWith('TLS_error')) return fault('connectFailure', 'up', 'always', 'remote_connection_failure', error);
  return fault('connectFailure', 'up', 'always', 'remote_connection_failure', `delayed connect error: ${ERROR_TEXT[error] ?? error}`);
}

const ERROR_TEXT: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Connection refused',
  ECONNRESET: 'Connection reset by peer',
  ETIMEDOUT: 'Connection timed out',
  EHOSTUNREACH: 'No route to host',
  ENETUNREACH: 'Network is unreachable',
  EADDRNOTAVAIL: 'Cannot assign requested address',
  EMFILE: 'Too many open files',
  ENOENT: 'No such file or directory',
  EACCES: 'Permission denied',
  EAGAIN: 'Resource temporarily unavailable',
};
