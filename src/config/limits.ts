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
/** Envoy: xff_num_trusted_hops is unbounded; nobody stands behind more proxies than this. */
export const MAX_TRUSTED_HOPS = 100;
/** Envoy: the weights of one choice add up to at most 2^32 - 1. */
export const MAX_WEIGHT = 4_294_967_295;
/** Envoy: max_direct_response_body_size_bytes 4096. */
export const MAX_RESPONSE_BODY_BYTES = 4096;
/** Each has 22 counters for each cluster; a service of services has some dozens of methods. */
export const MAX_GRPC_METHODS = 200;
/** A window of this size fills 10 Gbit/s over 800 ms; RFC 9113 allows twice as much. */
export const MAX_WINDOW_BYTES = 1024 * 1024 * 1024;
