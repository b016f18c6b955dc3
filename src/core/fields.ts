// The header fields that Nuncio itself acts on. The parsers give each field of a message one of these ids (0 for every
// other name), so that no later room compares names for them. Any thread; constants only.
// The byte-level lookup in `http/` is generated from this list when that module loads: adding a name here is enough.

/** Lower-case names; a field's id is its index. Index 0 stands for "any other name". */
export const FIELD_NAMES = [
  '',
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'upgrade',
  'http2-settings',
  'expect',
  'trailer',
  'date',
  'server',
  'user-agent',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-request-id',
  'x-envoy-upstream-service-time',
  'x-envoy-original-path',
  'x-envoy-internal',
  'x-envoy-external-address',
  'x-envoy-expected-rq-timeout-ms',
  'content-type',
  // From here to the end: cleaned from external requests (FACTS section 3), with those named above.
  'x-envoy-decorator-operation',
  'x-envoy-downstream-service-cluster',
  'x-envoy-downstream-service-node',
  'x-envoy-force-trace',
  'x-envoy-ip-tags',
  'x-envoy-max-retries',
  'x-envoy-retry-grpc-on',
  'x-envoy-retry-on',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-upstream-rq-timeout-ms',
  'x-forwarded-client-cert',
  'x-envoy-retriable-status-codes',
  'x-envoy-retriable-header-names',
  'x-envoy-hedge-on-per-try-timeout',
] as const;

export const FIELD_OTHER = 0;
export const FIELD_HOST = 1;
export const FIELD_CONTENT_LENGTH = 2;
export const FIELD_TRANSFER_ENCODING = 3;
export const FIELD_CONNECTION = 4;
export const FIELD_KEEP_ALIVE = 5;
export const FIELD_PROXY_CONNECTION = 6;
export const FIELD_TE = 7;
export const FIELD_UPGRADE = 8;
export const FIELD_HTTP2_SETTINGS = 9;
export const FIELD_EXPECT = 10;
export const FIELD_TRAILER = 11;
export const FIELD_DATE = 12;
export const FIELD_SERVER = 13;
export const FIELD_USER_AGENT = 14;
export const FIELD_X_FORWARDED_FOR = 15;
export const FIELD_X_FORWARDED_PROTO = 16;
export const FIELD_X_FORWARDED_HOST = 17;
export const FIELD_X_REQUEST_ID = 18;
export const FIELD_X_ENVOY_UPSTREAM_SERVICE_TIME = 19;
export const FIELD_X_ENVOY_ORIGINAL_PATH = 20;
export const FIELD_X_ENVOY_INTERNAL = 21;
export const FIELD_X_ENVOY_EXTERNAL_ADDRESS = 22;
export const FIELD_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS = 23;
export const FIELD_CONTENT_TYPE = 24;
/** Ids from here on are dropped from external requests without a further look. */
export const FIELD_FIRST_EXTERNAL_ONLY = 25;

/** The client certificate's description: believed from nobody until TLS is ours to say (Envoy's SANITIZE). */
export const FIELD_X_FORWARDED_CLIENT_CERT = 37;

export const FIELD_X_ENVOY_MAX_RETRIES = 30;
export const FIELD_X_ENVOY_RETRY_ON = 32;

export const FIELD_COUNT = FIELD_NAMES.length;
