// The schema of outlier detection. Primary thread; constants only.

import { DEFAULTS } from '../defaults.ts';
import { MAX_COUNT, MAX_STDEV_FACTOR } from '../limits.ts';
import { described, flag, freeText, integer, object, text } from './parts.ts';
import type { Schema } from './parts.ts';

const COUNT = { minimum: 0, maximum: MAX_COUNT };
const PERCENT = { minimum: 0, maximum: 100 };

export function outlierSchema(): Schema {
  const defaults = DEFAULTS.outlierDetection;
  return object('outlierDetection', {
    interval: text('How often rates are judged and ejected endpoints looked at.', 'duration', { default: defaults.interval }),
    baseEjectionTime: text('How long an endpoint is ejected for the first time; the second time twice as long, and so on.', 'duration', { default: defaults.baseEjectionTime }),
    maxEjectionTime: text('How long at most. A longer baseEjectionTime counts instead of the default.', 'duration', { default: defaults.maxEjectionTime }),
    maxEjectionTimeJitter: text('Up to so much longer, by chance, so that endpoints do not all come back at once.', 'duration', { default: defaults.maxEjectionTimeJitter }),
    maxEjectionPercent: integer('How many of the endpoints may be ejected at one time, in percent.', PERCENT, { default: defaults.maxEjectionPercent }),
    alwaysEjectOneHost: flag('One endpoint may be ejected whatever maxEjectionPercent says.', { default: defaults.alwaysEjectOneHost }),
    consecutive5xx: integer('So many failures in a row eject: answers 5xx, and what could not be asked; 0: never.', COUNT, { default: defaults.consecutive5xx }),
    enforcingConsecutive5xxPercent: percent('consecutive5xx has found', defaults.enforcingConsecutive5xxPercent),
    consecutiveGatewayFailure: integer('So many gateway failures in a row eject: answers 502, 503 and 504, and what could not be asked; 0: never. Without this key they are counted and nobody is ejected.', COUNT, { default: defaults.consecutiveGatewayFailure }),
    enforcingConsecutiveGatewayFailurePercent: integer('How many percent of the endpoints that consecutiveGatewayFailure has found are ejected; the others are counted only. 100 where consecutiveGatewayFailure is given.', PERCENT, { default: defaults.enforcingConsecutiveGatewayFailurePercent }),
    consecutiveLocalOriginFailure: integer('With splitExternalLocalOriginErrors: so many failures in a row to connect, or to get any answer, eject; 0: never.', COUNT, { default: defaults.consecutiveLocalOriginFailure }),
    enforcingConsecutiveLocalOriginFailurePercent: percent('consecutiveLocalOriginFailure has found', defaults.enforcingConsecutiveLocalOriginFailurePercent),
    splitExternalLocalOriginErrors: flag('Count what goes wrong on the way to an endpoint apart from what it answers; else both count as answers 5xx.', { default: defaults.splitExternalLocalOriginErrors }),
    successRate: described('Ejects endpoints that succeed much less often than the others do.', successRate(), { default: {} }),
    failurePercentage: described('Ejects endpoints that fail too often, whatever the others do.', failurePercentage(), { default: {} }),
    successfulActiveHealthCheckUnejectHost: flag('An ejected endpoint that passes a health check is back at once.', { default: defaults.successfulActiveHealthCheckUnejectHost }),
    eventLog: freeText('A file that gets a line of JSON for every ejection and every return. Default: none.', { examples: ['/var/log/nuncio/outliers.log'] }),
  });
}

function successRate(): Schema {
  const defaults = DEFAULTS.outlierSuccessRate;
  return object('outlierSuccessRate', {
    minimumHosts: integer('Fewer endpoints than this with requestVolume are not judged.', COUNT, { default: defaults.minimumHosts }),
    requestVolume: integer('An endpoint with fewer requests than this in an interval is not judged.', COUNT, { default: defaults.requestVolume }),
    stdevFactor: {
      description: 'An endpoint whose success rate is more than so many standard deviations below the mean of all is ejected.',
      type: 'number', minimum: 0, maximum: MAX_STDEV_FACTOR, default: defaults.stdevFactor,
    },
    ...enforcing(defaults),
  });
}

function failurePercentage(): Schema {
  const defaults = DEFAULTS.outlierFailurePercentage;
  return object('outlierFailurePercentage', {
    threshold: integer('An endpoint of whose requests so many percent or more fail in an interval is ejected.', PERCENT, { default: defaults.threshold }),
    minimumHosts: integer('Fewer endpoints than this with requestVolume are not judged.', COUNT, { default: defaults.minimumHosts }),
    requestVolume: integer('An endpoint with fewer requests than this in an interval is not judged.', COUNT, { default: defaults.requestVolume }),
    ...enforcing(defaults),
  });
}

function enforcing(defaults: { readonly enforcingPercent: number; readonly enforcingLocalOriginPercent: number }): Record<string, Schema> {
  return {
    enforcingPercent: percent('this has found', defaults.enforcingPercent),
    enforcingLocalOriginPercent: percent('this has found by their local-origin failures (splitExternalLocalOriginErrors)', defaults.enforcingLocalOriginPercent),
  };
}

function percent(whom: string, value: number): Schema {
  return integer(`How many percent of the endpoints that ${whom} are ejected; the others are counted only.`, PERCENT, { default: value });
}
