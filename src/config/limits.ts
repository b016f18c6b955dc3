// The bounds of values that have any, with the reason for each number. Any thread; constants only.

/** Counts are kept in 32-bit cells. */
export const MAX_COUNT = 2_147_483_647;
/** What the process takes before it serves anybody: two threads of Node and their heaps. */
export const MIN_HEAP_BYTES = 64 * 1024 * 1024;
/** More threads than any machine has CPUs for is a typing error. */
export const MAX_WORKERS = 1024;
/** Smaller than this, no browser's request fits. */
export const MIN_HEADERS_BYTES = 1024;
/** Envoy: max_request_headers_kb is at most 8192. */
export const MAX_HEADERS_BYTES = 8192 * 1024;
/** Every field needs its spans; the largest header blocks in the wild have a few hundred fields. */
export const MAX_HEADER_FIELDS = 8192;
/** More tries than this only keep a caller waiting. */
export const MAX_CONNECT_ATTEMPTS = 100;
export const MAX_RETRIES = 100;
export const MAX_HOST_SELECTION_ATTEMPTS = 100;
/** Envoy: xff_num_trusted_hops is unbounded; nobody stands behind more proxies than this. */
export const MAX_TRUSTED_HOPS = 100;
/** Envoy: the weights of one choice add up to at most 2^32 - 1. */
export const MAX_WEIGHT = 4_294_967_295;
/** Envoy: LocalityLbEndpoints.priority is at most 128. */
export const MAX_PRIORITY = 128;
/** With this one host in a hundred would carry the load of all. */
export const MAX_OVERPROVISIONING = 100;
/** Envoy: max_direct_response_body_size_bytes 4096. */
export const MAX_RESPONSE_BODY_BYTES = 4096;
/** Each has 22 counters for each cluster; a service of services has some dozens of methods. */
export const MAX_GRPC_METHODS = 200;
/** Envoy counts thousandths in 32 bits; beyond a few deviations nobody is ever found. */
export const MAX_STDEV_FACTOR = 1000;
/** A window of this size fills 10 Gbit/s over 800 ms; RFC 9113 allows twice as much. */
export const MAX_WINDOW_BYTES = 1024 * 1024 * 1024;
/** Envoy: 8M entries, a hard limit. */
export const MAX_RING_SIZE = 8_388_608;
/** Envoy: table_size is at most 5000011. */
export const MAX_TABLE_SIZE = 5_000_011;
/** More choices than this are a look at all endpoints; each costs a look at another cache line. */
export const MAX_CHOICES = 64;
/** A hundred times the mean bounds nothing any more. */
export const MAX_BALANCE_FACTOR = 10_000;
/** What a token bucket can hold (`shared/token-bucket.ts`). */
export const MAX_TOKENS = 268_435_456;
export const MAX_TOKENS_PER_MS = 4_194_304;
/** 4 GiB a second: a token bucket gains no more. */
export const MAX_RATE_BYTES = 4_194_304_000;
/** Envoy: fill_interval at least 50 ms. */
export const MIN_FILL_MS = 50;
/** Each has 64 bytes. */
export const MAX_DYNAMIC_VALUES = 65_536;
/** Admission control keeps two numbers for each second. */
export const MAX_WINDOW_MS = 300_000;
