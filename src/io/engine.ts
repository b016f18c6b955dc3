// Chooses and makes the loop of a worker. Any thread; no state.

import type { Loop, LoopOptions } from './conn.ts';
import { EpollLoop } from './epoll/epoll-loop.ts';
import { aliveInOpenSsl, loadOpenSsl } from './epoll/openssl.ts';
import { loadSystem } from './epoll/system.ts';
import { NodeLoop } from './node/node-loop.ts';

export type EngineKind = 'epoll' | 'node';

export interface EngineChoice {
  readonly kind: EngineKind;
  /** Why `auto` could not have the epoll engine; '' when it could, or when nobody asked. */
  readonly why: string;
}

/** Which engine runs here. Throws an Error with a text for the operator when `epoll` is demanded and cannot be had. */
export function loadEngine(wanted: 'auto' | 'epoll' | 'node'): EngineChoice {
  if (wanted === 'node') return { kind: 'node', why: '' };
  const system = loadSystem();
  if (typeof system !== 'string') return { kind: 'epoll', why: '' };
  if (wanted === 'epoll') throw new Error(system);
  return { kind: 'node', why: system };
}

/** Why TLS needs the node engine where all else runs on epoll; '' when it does not. */
export function tlsProblem(kind: EngineKind): string {
  if (kind === 'node') return '';
  const openssl = loadOpenSsl();
  return typeof openssl === 'string' ? openssl : '';
}

/** What this thread has of OpenSSL's: for tests. */
export function describeOpenSsl(): string {
  return `OpenSSL: ${aliveInOpenSsl.contexts} contexts, ${aliveInOpenSsl.connections} connections`;
}

export function createLoop(kind: EngineKind, options: LoopOptions = {}): Loop {
  return kind === 'epoll' ? new EpollLoop(options) : new NodeLoop(options);
}
