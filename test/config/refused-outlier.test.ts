// Settings of outlier detection that could never work, or would never act, and what becomes of right ones.

import t from 'tap';

import { loadConfig } from '../../src/config/load.ts';
import type { OutlierConfig, OutlierDocument } from '../../src/config/outlier.ts';
import { CHECK_TOOLS, put, refuses, rightDocument } from './refusals.ts';

t.test('refused', (t) => {
  const unsplit = 'needs "splitExternalLocalOriginErrors": true: without it local failures count as answers 5xx';
  refuses(t, '/clusters/0/outlierDetection', [
    ['', {}],
    ['', true, 'wrong-type: must be an object, not true'],
    ['', { interval: '0s' }, 'out-of-range /interval: must be longer than 0s'],
    ['', { baseEjectionTime: '0ms' }, 'out-of-range /baseEjectionTime: must be longer than 0s'],
    ['', { maxEjectionTime: '0s' }, 'out-of-range /maxEjectionTime: must be longer than 0s'],
    ['', { maxEjectionTime: '29s' }, 'conflict /maxEjectionTime: maxEjectionTime is below baseEjectionTime'],
    ['', { baseEjectionTime: '2m', maxEjectionTime: '119s' }, 'conflict /maxEjectionTime: maxEjectionTime is below baseEjectionTime'],
    ['', { baseEjectionTime: '2m', maxEjectionTime: '2m' }],
    ['', { baseEjectionTime: '10m' }],
    ['', { interval: 10 }, 'wrong-type /interval: must be a duration such as "15s", not 10'],
    ['', { maxEjectionPercent: 101 }, 'out-of-range /maxEjectionPercent: must be from 0 to 100'],
    ['', { maxEjectionPercent: 0.5 }, 'wrong-type /maxEjectionPercent: must be a whole number, not 0.5'],
    ['', { enforcingConsecutive5xxPercent: -1 }, 'out-of-range /enforcingConsecutive5xxPercent: must be from 0 to 100'],
    ['', { consecutive5xx: -1 }, 'out-of-range /consecutive5xx: must be from 0 to 2147483647'],
    ['', { consecutive5xx: 0, enforcingConsecutive5xxPercent: 50 }, 'conflict /enforcingConsecutive5xxPercent: has no effect: "consecutive5xx": 0 turns the detector off'],
    ['', { consecutiveGatewayFailure: 0, enforcingConsecutiveGatewayFailurePercent: 1 }, 'conflict /enforcingConsecutiveGatewayFailurePercent: has no effect: "consecutiveGatewayFailure": 0 turns the detector off'],
    ['', { consecutiveLocalOriginFailure: 3 }, `conflict /consecutiveLocalOriginFailure: ${unsplit}`],
    ['', { splitExternalLocalOriginErrors: false, successRate: { enforcingLocalOriginPercent: 50 } }, `conflict /successRate/enforcingLocalOriginPercent: ${unsplit}`],
    ['', { failurePercentage: { enforcingLocalOriginPercent: 50 } }, `conflict /failurePercentage/enforcingLocalOriginPercent: ${unsplit}`],
    ['', { consecutiveLocalOriginFailure: 0 }],
    ['', { splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailure: 3, successRate: { enforcingLocalOriginPercent: 50 } }],
    ['', { successRate: { stdevFactor: -1 } }, 'out-of-range /successRate/stdevFactor: must be from 0 to 1000'],
    ['', { successRate: { enforcingPercent: 100.5 } }, 'wrong-type /successRate/enforcingPercent: must be a whole number, not 100.5'],
    ['', { failurePercentage: { threshold: 101 } }, 'out-of-range /failurePercentage/threshold: must be from 0 to 100'],
    ['', { failurePercentage: { stdevFactor: 1 } }, 'unknown-key /failurePercentage/stdevFactor: unknown key "stdevFactor"'],
    ['', { consecutive5XX: 1 }, 'unknown-key /consecutive5XX: unknown key "consecutive5XX"; did you mean consecutive5xx?'],
    ['', { eventLog: 5 }, 'wrong-type /eventLog: must be text, not 5'],
  ]);
  refuses(t, '/clusters/0', [
    ['', { name: 'app', type: 'originalDst', outlierDetection: {} }, "conflict /outlierDetection: the hosts of a cluster of the type originalDst are the callers' choice: none can be ejected"],
  ]);
  t.end();
});

function built(outlier: OutlierDocument | undefined): OutlierConfig | null {
  const document = put(rightDocument(), '/clusters/0/outlierDetection', outlier);
  const result = loadConfig({ file: '/etc/nuncio/f', format: 'object', value: document }, {}, CHECK_TOOLS);
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.snapshot.clusters[0]!.outlierDetection;
}

t.test('what becomes of it', (t) => {
  t.equal(built(undefined), null, 'no key, no outlier detection');
  t.same(built({}), {
    intervalMs: 10_000, baseEjectionTimeMs: 30_000, maxEjectionTimeMs: 300_000, maxEjectionTimeJitterMs: 0, maxEjectionPercent: 10, alwaysEjectOneHost: true,
    consecutive5xx: { failures: 5, enforcingPercent: 100 },
    consecutiveGatewayFailure: { failures: 5, enforcingPercent: 0 },
    consecutiveLocalOriginFailure: { failures: 5, enforcingPercent: 100 },
    splitExternalLocalOriginErrors: false,
    successRate: { minimumHosts: 5, requestVolume: 100, stdevFactor: 1.9, enforcingPercent: 100, enforcingLocalOriginPercent: 100 },
    failurePercentage: { threshold: 85, minimumHosts: 5, requestVolume: 50, enforcingPercent: 0, enforcingLocalOriginPercent: 0 },
    successfulActiveHealthCheckUnejectHost: true,
    eventLog: '',
  }, "Envoy's defaults");
  t.same(built({ consecutiveGatewayFailure: 3 })?.consecutiveGatewayFailure, { failures: 3, enforcingPercent: 100 }, 'who names a number means it');
  t.same(built({ consecutiveGatewayFailure: 3, enforcingConsecutiveGatewayFailurePercent: 20 })?.consecutiveGatewayFailure, { failures: 3, enforcingPercent: 20 });
  t.same(built({ enforcingConsecutiveGatewayFailurePercent: 20 })?.consecutiveGatewayFailure, { failures: 5, enforcingPercent: 20 });
  t.same(built({ consecutiveGatewayFailure: 0 })?.consecutiveGatewayFailure.failures, 0, '0 is off');
  t.equal(built({ baseEjectionTime: '10m' })?.maxEjectionTimeMs, 600_000, 'a longer base counts instead of the default maximum');
  t.equal(built({ eventLog: 'a.log' })?.eventLog, '/etc/nuncio/a.log', 'beside the configuration');
  t.same(built({ successRate: { stdevFactor: 0.5 } })?.successRate, { minimumHosts: 5, requestVolume: 100, stdevFactor: 0.5, enforcingPercent: 100, enforcingLocalOriginPercent: 100 });
  t.end();
});
