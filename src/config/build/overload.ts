// The overload manager → snapshot form. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { OverloadDocument } from '../document.ts';
import type { OverloadConfig } from '../snapshot.ts';
import { parseDuration, parseSize } from '../units.ts';

export function buildOverload(document: OverloadDocument = {}): OverloadConfig {
  const defaults = DEFAULTS.overload;
  const { reduceTimeouts, ...actions } = document.actions ?? {};
  const reduced = { ...DEFAULTS.reduceTimeouts, ...reduceTimeouts };
  return {
    maxConnections: document.maxConnections ?? defaults.maxConnections,
    maxHeapBytes: parseSize(document.maxHeapSize ?? defaults.maxHeapSize),
    intervalMs: parseDuration(document.interval ?? defaults.interval),
    actions: {
      ...DEFAULTS.overloadActions,
      ...actions,
      reduceTimeouts: reduceTimeouts === undefined ? null : { from: reduced.from, to: reduced.to, idleMs: parseDuration(reduced.idle) },
    },
  };
}
