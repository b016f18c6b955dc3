// Whether the head of an HTTP answer says that its host is well. Primary thread; pure.

import type { HttpProbeConfig } from '../../config/cluster-snapshot.ts';
import type { StatusRange } from '../../config/snapshot.ts';
import type { Head } from '../../core/head.ts';
import { DEGRADED, HEALTHY, type Verdict } from './verdict.ts';

export function judgeHead({ expectedStatuses, retriableStatuses }: HttpProbeConfig, head: Head): Verdict {
  const { status } = head;
  if (isIn(expectedStatuses, status)) return head.find('x-envoy-degraded') >= 0 ? DEGRADED : HEALTHY;
  return {
    healthy: false,
    degraded: false,
    failure: 'ACTIVE',
    retriable: isIn(retriableStatuses, status),
    exclude: head.find('x-envoy-immediate-health-check-fail') >= 0,
    status,
  };
}

function isIn(ranges: readonly StatusRange[], status: number): boolean {
  return ranges.some(({ min, max }) => status >= min && status <= max);
}
