// The schema of the overload manager. Primary thread; constants only.

import { DEFAULTS } from '../defaults.ts';
import { MAX_COUNT } from '../limits.ts';
import { described, integer, object, size, text } from './parts.ts';
import type { Schema } from './parts.ts';

export function overloadSchema(): Schema {
  const defaults = DEFAULTS.overload;
  return object('overload', {
    maxConnections: integer('The most connections of callers, over all listeners and workers; 0: no limit.', { minimum: 0, maximum: MAX_COUNT }, { default: defaults.maxConnections }),
    maxHeapSize: size('The memory that the whole process may take (its resident size); 0: it is not watched.', { default: defaults.maxHeapSize }),
    interval: text('How often the memory is measured.', 'duration', { default: defaults.interval }),
    actions: described('What is done as memory runs out: each from which share of maxHeapSize on.', actions(), { default: {} }),
  });
}

function actions(): Schema {
  const defaults = DEFAULTS.overloadActions;
  const reduce = object('reduceTimeouts', {
    from: share('From this share of maxHeapSize on time-outs shrink.', DEFAULTS.reduceTimeouts.from),
    to: share('From this share on they are at their shortest.', DEFAULTS.reduceTimeouts.to),
    idle: text('The shortest time after which an idle connection of a caller is closed.', 'duration', { default: DEFAULTS.reduceTimeouts.idle }),
  });
  return object('overloadActions', {
    stopAcceptingRequests: share('Answer every request with 503 "envoy overloaded"; 0: never.', defaults.stopAcceptingRequests),
    disableKeepAlive: share('Close connections of callers after the answer under way; 0: never.', defaults.disableKeepAlive),
    closeIdleConnections: share('Close connections of callers that carry no request; 0: never.', defaults.closeIdleConnections),
    stopAcceptingConnections: share('Leave new connections in the queue of the system; 0: never.', defaults.stopAcceptingConnections),
    rejectIncomingConnections: share('Reset new connections; 0: never.', defaults.rejectIncomingConnections),
    reduceTimeouts: described('Close idle connections of callers sooner, the more memory is used. Default: never.', reduce),
  });
}

function share(description: string, standard: number): Schema {
  return { description, type: 'number', minimum: 0, maximum: 1, default: standard };
}
