// Checks of outlier detection: times that fit together, and settings that would never act. Primary thread; pure.

import { DEFAULTS } from '../defaults.ts';
import type { Problem } from '../errors.ts';
import type { Place } from '../place.ts';
import { explainDuration, parseDuration } from '../units.ts';

const TIMES = ['interval', 'baseEjectionTime', 'maxEjectionTime'];
/** Each percentage with the count that turns its detector off. */
const DETECTORS = [
  ['consecutive5xx', 'enforcingConsecutive5xxPercent'],
  ['consecutiveGatewayFailure', 'enforcingConsecutiveGatewayFailurePercent'],
  ['consecutiveLocalOriginFailure', 'enforcingConsecutiveLocalOriginFailurePercent'],
] as const;

export function checkOutlierDetection(cluster: Place, problems: Problem[]): void {
  const outlier = cluster.at('outlierDetection');
  if (!outlier.isObject()) return;
  if (cluster.at('type').value === 'originalDst') conflict(outlier, 'the hosts of a cluster of the type originalDst are the callers\' choice: none can be ejected');
  checkTimes(outlier, problems);
  for (const [count, percent] of DETECTORS) {
    if (outlier.at(count).value === 0 && outlier.has(percent)) conflict(outlier.at(percent), `has no effect: "${count}": 0 turns the detector off`);
  }
  if ((outlier.at('splitExternalLocalOriginErrors').value ?? false) === false) checkUnsplit();

  function checkUnsplit(): void {
    const places = [
      outlier.at('consecutiveLocalOriginFailure'), outlier.at('enforcingConsecutiveLocalOriginFailurePercent'),
      outlier.at('successRate').at('enforcingLocalOriginPercent'), outlier.at('failurePercentage').at('enforcingLocalOriginPercent'),
    ];
    for (const place of places) if (place.exists && place.value !== 0) conflict(place, 'needs "splitExternalLocalOriginErrors": true: without it local failures count as answers 5xx');
  }

  function conflict(place: Place, message: string): void {
    problems.push({ code: 'conflict', pointer: place.pointer, atKey: true, message });
  }
}

function checkTimes(outlier: Place, problems: Problem[]): void {
  for (const key of TIMES) {
    if (durationOf(outlier.at(key)) === 0) problems.push({ code: 'out-of-range', pointer: outlier.at(key).pointer, message: 'must be longer than 0s' });
  }
  const base = durationOf(outlier.at('baseEjectionTime')) ?? parseDuration(DEFAULTS.outlierDetection.baseEjectionTime);
  const max = durationOf(outlier.at('maxEjectionTime'));
  if (max !== null && max > 0 && max < base) {
    problems.push({ code: 'conflict', pointer: outlier.at('maxEjectionTime').pointer, message: 'maxEjectionTime is below baseEjectionTime' });
  }
}

function durationOf(place: Place): number | null {
  const text = place.text();
  return text === null || explainDuration(text) !== null ? null : parseDuration(text);
}
